"""Colours that are guessed, and what a prior makes of them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from bigprior.degradations import Colorization, Inpainting
from bigprior.errors import WeightsError
from bigprior.io.weights import save_weights
from bigprior.networks.colorizer import ColorizationNetwork
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.ops.masks import centre_hole
from bigprior.presets.importing import import_preset
from bigprior.presets.loading import load_prior, load_restorer
from bigprior.priors.compose import Blend
from bigprior.priors.diffusion import DiffusionPrior
from bigprior.priors.feedforward import FeedForwardPrior
from bigprior.priors.holes import ByHole
from bigprior.priors.ownrange import InOwnRange


@pytest.fixture
def colorizer() -> ColorizationNetwork:
    torch.manual_seed(0)
    return ColorizationNetwork(width=8, depth=12).eval().requires_grad_(False)


@pytest.fixture
def denoiser() -> DenoisingUNet:
    torch.manual_seed(1)
    return DenoisingUNet((8, 16), blocks=1)


def inner(prior: Any) -> Any:
    """A preset's prior without what every colorization and filling goes through."""
    while isinstance(prior, (ByHole, InOwnRange)):
        prior = prior.prior
    return prior


@pytest.mark.parametrize("size", [(256, 256), (40, 70), (1, 1), (300, 200)])
def test_any_size_has_the_luminance_that_it_was_given(colorizer: ColorizationNetwork, size: tuple[int, int]) -> None:
    y = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(0))
    guess = colorizer(y)
    assert guess.shape == (2, 3, *size) and float((guess - y).abs().max()) > 0.001
    torch.testing.assert_close(Colorization().f(guess), y, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(100, 100), (300, 600), (90, 40), (8, 1000)])
def test_pictures_are_seen_in_their_own_proportions(colorizer: ColorizationNetwork, size: tuple[int, int]) -> None:
    seen: list[torch.Size] = []
    colorizer.seen.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[2:]))
    colorizer(torch.rand(1, 1, *size))
    assert len(seen) == 2 and all(side % 32 == 0 for shape in seen for side in shape)
    for (height, width), side in zip(seen, (256, 384), strict=True):
        assert height * width == pytest.approx(side**2, rel=0.15)  # no picture costs more for being long
        if max(size) <= 4 * min(size):
            assert height / width == pytest.approx(size[0] / size[1], rel=0.15)


def test_a_pictures_colours_do_not_depend_on_its_neighbours(colorizer: ColorizationNetwork) -> None:
    y = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(colorizer(y)[1:2], colorizer(y[1:2]), atol=1e-4, rtol=0)


def test_two_answers_share_the_colours(colorizer: ColorizationNetwork, denoiser: DenoisingUNet) -> None:
    y, physics = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(2)) * 0.4 + 0.3, Colorization()
    m, both = physics.measure(y), (DiffusionPrior(denoiser), FeedForwardPrior(colorizer))

    def chroma(**settings: float) -> torch.Tensor:
        return Blend(*both, **settings).project(m).image - y

    alone = m.consistent(both[0].project(m).image) - y
    torch.testing.assert_close(chroma(weight=0), alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(chroma(weight=1), physics.consistent(colorizer(y), y) - y, atol=1e-5, rtol=0)
    mix = 0.75 * chroma(weight=0) + 0.25 * chroma(weight=1)
    torch.testing.assert_close(chroma(weight=0.25), mix, atol=1e-5, rtol=0)
    torch.testing.assert_close(chroma(saturation=1.2), 1.2 * chroma(), atol=1e-5, rtol=0)


@pytest.mark.usefixtures("home")
def test_it_guesses_colours_alone(colorizer: ColorizationNetwork, denoiser: DenoisingUNet, tmp_path: Path) -> None:
    y, physics = torch.rand(1, 3, 64, 64), Inpainting(centre_hole(64, 64))
    m = physics.measure(physics.f(y))
    imported(tmp_path, colorizer, denoiser)
    with_it, without = (load_prior(name, "inpainting") for name in ("with", "without"))
    assert isinstance(inner(with_it.prior), DiffusionPrior) and with_it.key == without.key
    assert torch.equal(with_it.prior.project(m).image, without.prior.project(m).image)


def imported(folder: Path, colorizer: ColorizationNetwork, denoiser: DenoisingUNet) -> Path:
    """Presets of the denoiser: ``without`` the colorization network, and ``with`` it; the file of the denoiser."""
    header = {"architecture": "denoising-unet", "network": denoiser.settings}
    save_weights(folder / "d.safetensors", denoiser.state_dict(), header)
    save_weights(folder / "c.safetensors", colorizer.state_dict(), {"network": colorizer.settings})
    import_preset("without", folder / "d.safetensors")
    import_preset("with", folder / "d.safetensors", beside={"colorizer": folder / "c.safetensors"})
    return folder / "d.safetensors"


@pytest.mark.usefixtures("home")
def test_a_preset_takes_one(colorizer: ColorizationNetwork, denoiser: DenoisingUNet, tmp_path: Path) -> None:
    file = imported(tmp_path, colorizer, denoiser)
    plain, coloured = (load_prior(name, "colorization") for name in ("without", "with"))
    assert plain.key != coloured.key
    blend = inner(coloured.prior)
    assert isinstance(blend, Blend) and isinstance(blend.second, FeedForwardPrior)
    assert isinstance(blend.second.network, ColorizationNetwork)
    assert isinstance(inner(plain.prior), DiffusionPrior)
    assert load_prior("with", "denoising").key == load_prior("without", "denoising").key
    assert "colorizer" in load_restorer("with", "colorization").provenance["weights"]
    assert "colorizer" not in load_restorer("with", "inpainting").provenance["weights"]
    with pytest.raises(WeightsError, match="not the weights of a colorizer"):
        import_preset("wrong", file, beside={"colorizer": file})


@pytest.mark.usefixtures("home")
def test_a_preset_says_how_much_it_is_listened_to(
    colorizer: ColorizationNetwork, denoiser: DenoisingUNet, tmp_path: Path
) -> None:
    file = imported(tmp_path, colorizer, denoiser)
    how = {"colorization": {"weight": 0.3, "saturation": 1.4, "views": 4}}
    import_preset("tuned", file, beside={"colorizer": tmp_path / "c.safetensors"}, settings=how)
    tuned, usual = load_prior("tuned", "colorization"), load_prior("with", "colorization")
    blend, plain = inner(tuned.prior), inner(usual.prior)
    assert (blend.weight, blend.saturation, blend.second.views) == (0.3, 1.4, 4)
    assert (plain.weight, plain.saturation) == (0.5, 1.0)
    assert tuned.key != usual.key and tuned.settings["weight"] == 0.3

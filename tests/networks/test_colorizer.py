"""Colours that are guessed, and what a prior makes of them."""

from pathlib import Path

import pytest
import torch

from bigprior.degradations import Colorization, Inpainting
from bigprior.errors import WeightsError
from bigprior.io.weights import save_weights
from bigprior.networks.colorizer import ColorizationNetwork
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.ops.masks import centre_hole
from bigprior.presets.importing import import_preset
from bigprior.presets.store import load_prior, load_restorer
from bigprior.priors.diffusion import DiffusionPrior, DiffusionSettings


@pytest.fixture
def colorizer() -> ColorizationNetwork:
    torch.manual_seed(0)
    return ColorizationNetwork(width=8, blocks=1).eval().requires_grad_(False)


@pytest.fixture
def denoiser() -> DenoisingUNet:
    torch.manual_seed(1)
    return DenoisingUNet((8, 16), blocks=1)


@pytest.mark.parametrize("size", [(256, 256), (40, 70), (1, 1), (300, 200)])
def test_any_size_has_the_luminance_that_it_was_given(colorizer: ColorizationNetwork, size: tuple[int, int]) -> None:
    y = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(0))
    guess = colorizer(y)
    assert guess.shape == (2, 3, *size) and float((guess - y).abs().max()) > 0.001
    torch.testing.assert_close(Colorization().f(guess), y, atol=1e-5, rtol=0)


def test_a_pictures_colours_do_not_depend_on_its_neighbours(colorizer: ColorizationNetwork) -> None:
    y = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(colorizer(y)[1:2], colorizer(y[1:2]), atol=1e-4, rtol=0)


def test_two_answers_share_the_colours(colorizer: ColorizationNetwork, denoiser: DenoisingUNet) -> None:
    y, physics = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(2)) * 0.4 + 0.3, Colorization()

    def chroma(**settings: float) -> torch.Tensor:
        return (
            DiffusionPrior(denoiser, DiffusionSettings(**settings), colorizer=colorizer).project(y, physics).image - y
        )

    alone = DiffusionPrior(denoiser).project(y, physics).image - y
    torch.testing.assert_close(chroma(guess=0), alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(chroma(guess=1), physics.consistent(colorizer(y), y) - y, atol=1e-5, rtol=0)
    torch.testing.assert_close(chroma(guess=0.25), 0.75 * chroma(guess=0) + 0.25 * chroma(guess=1), atol=1e-5, rtol=0)
    torch.testing.assert_close(chroma(saturation=1.2), 1.2 * chroma(), atol=1e-5, rtol=0)


def test_it_guesses_colours_alone(colorizer: ColorizationNetwork, denoiser: DenoisingUNet) -> None:
    y, physics = torch.rand(1, 3, 64, 64), Inpainting(centre_hole(64, 64))
    with_it = DiffusionPrior(denoiser, colorizer=colorizer).project(physics.f(y), physics).image
    assert torch.equal(with_it, DiffusionPrior(denoiser).project(physics.f(y), physics).image)


@pytest.mark.usefixtures("home")
def test_a_preset_takes_one(colorizer: ColorizationNetwork, denoiser: DenoisingUNet, tmp_path: Path) -> None:
    save_weights(
        tmp_path / "d.safetensors",
        denoiser.state_dict(),
        {"architecture": "denoising-unet", "network": denoiser.settings},
    )
    save_weights(tmp_path / "c.safetensors", colorizer.state_dict(), {"network": colorizer.settings})
    import_preset("without", tmp_path / "d.safetensors")
    import_preset("with", tmp_path / "d.safetensors", colorizer=tmp_path / "c.safetensors")
    (plain, plain_key), (coloured, coloured_key) = (load_prior(n, "colorization") for n in ("without", "with"))
    assert plain_key != coloured_key
    assert isinstance(coloured, DiffusionPrior) and coloured.colorizer is not None
    assert isinstance(plain, DiffusionPrior) and plain.colorizer is None
    assert load_prior("with", "denoising")[1] == load_prior("without", "denoising")[1]
    assert "colorizer" in load_restorer("with", "colorization").provenance["weights"]
    assert "colorizer" not in load_restorer("with", "inpainting").provenance["weights"]
    with pytest.raises(WeightsError, match="not the weights of a colorizer"):
        import_preset("wrong", tmp_path / "d.safetensors", colorizer=tmp_path / "d.safetensors")

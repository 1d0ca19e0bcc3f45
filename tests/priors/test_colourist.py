"""Colours that are guessed, and what a prior makes of them."""

from pathlib import Path

import pytest
import torch

from bigprior.degradations import Colorization, Inpainting
from bigprior.denoisers import DenoisingUNet
from bigprior.errors import WeightsError
from bigprior.importing import import_preset
from bigprior.masks import centre_hole
from bigprior.priors.colourist import Colourist
from bigprior.priors.diffusion import DiffusionPrior, DiffusionSettings
from bigprior.weights import save_weights
from bigprior.zoo import load_prior, load_restorer


@pytest.fixture
def colourist() -> Colourist:
    torch.manual_seed(0)
    return Colourist(width=8, blocks=1).eval().requires_grad_(False)


@pytest.fixture
def denoiser() -> DenoisingUNet:
    torch.manual_seed(1)
    return DenoisingUNet((8, 16), blocks=1)


@pytest.mark.parametrize("size", [(256, 256), (40, 70), (1, 1), (300, 200)])
def test_any_size_has_the_luminance_that_it_was_given(colourist: Colourist, size: tuple[int, int]) -> None:
    y = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(0))
    guess = colourist(y)
    assert guess.shape == (2, 3, *size) and float((guess - y).abs().max()) > 0.001
    torch.testing.assert_close(Colorization().f(guess), y, atol=1e-5, rtol=0)


def test_a_pictures_colours_do_not_depend_on_its_neighbours(colourist: Colourist) -> None:
    y = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(colourist(y)[1:2], colourist(y[1:2]), atol=1e-4, rtol=0)


def test_two_answers_share_the_colours(colourist: Colourist, denoiser: DenoisingUNet) -> None:
    y, physics = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(2)) * 0.4 + 0.3, Colorization()

    def chroma(**settings: float) -> torch.Tensor:
        return (
            DiffusionPrior(denoiser, DiffusionSettings(**settings), colourist=colourist).project(y, physics).image - y
        )

    alone = DiffusionPrior(denoiser).project(y, physics).image - y
    torch.testing.assert_close(chroma(guess=0), alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(chroma(guess=1), physics.consistent(colourist(y), y) - y, atol=1e-5, rtol=0)
    torch.testing.assert_close(chroma(guess=0.25), 0.75 * chroma(guess=0) + 0.25 * chroma(guess=1), atol=1e-5, rtol=0)
    torch.testing.assert_close(chroma(saturation=1.2), 1.2 * chroma(), atol=1e-5, rtol=0)


def test_it_guesses_colours_alone(colourist: Colourist, denoiser: DenoisingUNet) -> None:
    y, physics = torch.rand(1, 3, 64, 64), Inpainting(centre_hole(64, 64))
    with_it = DiffusionPrior(denoiser, colourist=colourist).project(physics.f(y), physics).image
    assert torch.equal(with_it, DiffusionPrior(denoiser).project(physics.f(y), physics).image)


@pytest.mark.usefixtures("home")
def test_a_preset_takes_one(colourist: Colourist, denoiser: DenoisingUNet, tmp_path: Path) -> None:
    save_weights(
        tmp_path / "d.safetensors",
        denoiser.state_dict(),
        {"architecture": "denoising-unet", "network": denoiser.settings},
    )
    save_weights(tmp_path / "c.safetensors", colourist.state_dict(), {"network": colourist.settings})
    import_preset("without", tmp_path / "d.safetensors")
    import_preset("with", tmp_path / "d.safetensors", colourist=tmp_path / "c.safetensors")
    (plain, plain_key), (coloured, coloured_key) = (load_prior(n, "colorization") for n in ("without", "with"))
    assert plain_key != coloured_key
    assert isinstance(coloured, DiffusionPrior) and coloured.colourist is not None
    assert isinstance(plain, DiffusionPrior) and plain.colourist is None
    assert load_prior("with", "denoising")[1] == load_prior("without", "denoising")[1]
    assert "colourist" in load_restorer("with", "colorization").provenance["weights"]
    assert "colourist" not in load_restorer("with", "inpainting").provenance["weights"]
    with pytest.raises(WeightsError, match="not the weights of a colourist"):
        import_preset("wrong", tmp_path / "d.safetensors", colourist=tmp_path / "d.safetensors")

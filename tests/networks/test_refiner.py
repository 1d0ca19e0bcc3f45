"""A second look at what a denoiser answered."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from bigprior.degradations import Colorization, Denoising
from bigprior.errors import WeightsError
from bigprior.filters.collaborative import filtered
from bigprior.io.weights import save_weights
from bigprior.networks import refiner as refiners
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.networks.refiner import Refiner
from bigprior.presets.importing import import_preset
from bigprior.presets.loading import load_prior, load_restorer
from bigprior.priors.compose import Refined
from bigprior.priors.diffusion import DiffusionPrior


@pytest.fixture
def refiner() -> Refiner:
    torch.manual_seed(0)
    network = Refiner(width=8, blocks=1).requires_grad_(False)
    torch.nn.init.normal_(network.tail.weight, std=0.1)  # it would start as the mean of both
    return network


@pytest.fixture
def denoiser() -> DenoisingUNet:
    torch.manual_seed(1)
    return DenoisingUNet((8, 16), blocks=1)


def pair(height: int, width: int, count: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(count, 3, height, width, generator=rng)
    return x + 0.1 * torch.randn(x.shape, generator=rng), x, torch.full((count,), 0.1)


def test_it_starts_as_the_mean_of_both() -> None:
    y, answer, sigma = pair(24, 32)
    expected = (answer + filtered(y, answer, sigma)) / 2
    torch.testing.assert_close(Refiner(8, 1)(y, answer, sigma), expected)


def test_tiles_have_no_seams(refiner: Refiner, monkeypatch: pytest.MonkeyPatch) -> None:
    y, answer, sigma = pair(100, 240)
    whole = refiner(y, answer, sigma)
    monkeypatch.setattr(refiners, "_TILE", 32)
    seen: list[tuple[int, int]] = []
    torch.testing.assert_close(refiner(y, answer, sigma, lambda *done: seen.append(done)), whole, atol=1e-5, rtol=0)
    assert seen[-1] == (32, 32)


@pytest.mark.usefixtures("home")
def test_the_prior_refines_noise_alone_and_counts_it_as_a_view(
    refiner: Refiner, denoiser: DenoisingUNet, tmp_path: Path
) -> None:
    y, _, sigma = pair(40, 40)
    m = Denoising(0.1).measure(y)
    seen: list[float] = []
    refined = Refined(DiffusionPrior(denoiser), refiner)
    noise = refined.project(m, progress=lambda done, total: seen.append(done / total)).image
    expected = refiner(y, denoiser(y, sigma), sigma).clamp(0, 1)
    torch.testing.assert_close(noise, expected, atol=1e-5, rtol=0)
    assert seen == [0.5, 1.0]
    imported(tmp_path, refiner, denoiser)
    grey = Colorization().measure(Colorization().f(y.clamp(0, 1)))
    plain, with_it = (load_prior(name, "colorization").prior.project(grey).image for name in ("without", "with"))
    assert torch.equal(with_it, plain)


def imported(folder: Path, refiner: Refiner, denoiser: DenoisingUNet) -> Path:
    """Presets of the denoiser: ``without`` the refiner, and ``with`` it; the file of the denoiser."""
    header = {"architecture": "denoising-unet", "network": denoiser.settings}
    save_weights(folder / "d.safetensors", denoiser.state_dict(), header)
    save_weights(folder / "r.safetensors", refiner.state_dict(), {"network": refiner.settings})
    import_preset("without", folder / "d.safetensors")
    beside = {"refiner": folder / "r.safetensors"}
    import_preset("with", folder / "d.safetensors", beside=beside, steps={"denoising": 3})
    return folder / "d.safetensors"


@pytest.mark.usefixtures("home")
def test_a_preset_takes_one(refiner: Refiner, denoiser: DenoisingUNet, tmp_path: Path) -> None:
    file = imported(tmp_path, refiner, denoiser)
    plain, refined = (load_prior(name, "denoising") for name in ("without", "with"))
    assert plain.key != refined.key
    assert isinstance(refined.prior, Refined) and isinstance(refined.prior.refiner, Refiner)
    pilot = refined.prior.prior
    assert isinstance(pilot, DiffusionPrior) and (pilot.settings.views, pilot.settings.steps) == (1, 3)
    assert isinstance(plain.prior, DiffusionPrior) and plain.prior.settings.views == 2
    assert load_prior("with", "colorization").key == load_prior("without", "colorization").key
    assert "refiner" in load_restorer("with", "denoising").provenance["weights"]
    assert "refiner" not in load_restorer("with", "inpainting").provenance["weights"]
    with pytest.raises(WeightsError, match="not the weights of a refiner"):
        import_preset("wrong", file, beside={"refiner": file})

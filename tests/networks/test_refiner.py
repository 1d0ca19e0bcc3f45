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
from bigprior.presets.store import load_prior, load_restorer
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


def test_the_prior_refines_noise_alone_and_counts_it_as_a_view(refiner: Refiner, denoiser: DenoisingUNet) -> None:
    y, _, sigma = pair(40, 40)
    plain, refined = DiffusionPrior(denoiser), DiffusionPrior(denoiser, refiner=refiner)
    seen: list[float] = []
    noise = refined.project(y, Denoising(0.1), progress=lambda done, total: seen.append(done / total)).image
    expected = refiner(y, denoiser(y, sigma), sigma).clamp(0, 1)
    torch.testing.assert_close(noise, expected, atol=1e-5, rtol=0)
    assert seen == [0.5, 1.0]
    grey = Colorization().f(y.clamp(0, 1))
    assert torch.equal(refined.project(grey, Colorization()).image, plain.project(grey, Colorization()).image)


@pytest.mark.usefixtures("home")
def test_a_preset_takes_one(refiner: Refiner, denoiser: DenoisingUNet, tmp_path: Path) -> None:
    header = {"architecture": "denoising-unet", "network": denoiser.settings}
    save_weights(tmp_path / "d.safetensors", denoiser.state_dict(), header)
    save_weights(tmp_path / "r.safetensors", refiner.state_dict(), {"network": refiner.settings})
    import_preset("without", tmp_path / "d.safetensors")
    import_preset("with", tmp_path / "d.safetensors", refiner=tmp_path / "r.safetensors", steps={"denoising": 3})
    (plain, plain_key), (refined, refined_key) = (load_prior(n, "denoising") for n in ("without", "with"))
    assert plain_key != refined_key
    assert isinstance(refined, DiffusionPrior) and refined.refiner is not None
    assert (refined.settings.views, refined.settings.steps) == (1, 3)
    assert isinstance(plain, DiffusionPrior) and plain.refiner is None and plain.settings.views == 2
    assert load_prior("with", "colorization")[1] == load_prior("without", "colorization")[1]
    assert "refiner" in load_restorer("with", "denoising").provenance["weights"]
    assert "refiner" not in load_restorer("with", "inpainting").provenance["weights"]
    with pytest.raises(WeightsError, match="not the weights of a refiner"):
        import_preset("wrong", tmp_path / "d.safetensors", refiner=tmp_path / "d.safetensors")

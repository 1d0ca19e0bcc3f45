"""What a user names in a preset's place."""

from __future__ import annotations

from pathlib import Path

import deepinv as dinv
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from bigprior import DEFAULT_PRESET
from bigprior.degradations import Deblurring, Upscaling
from bigprior.errors import SettingsError
from bigprior.presets.given import given_prior
from bigprior.presets.loading import load_restorer
from bigprior.priors.kinds import Options
from bigprior.priors.models import as_prior
from bigprior.priors.plugandplay import PlugAndPlay
from bigprior.priors.turns import PriorDenoiser
from bigprior.priors.views import denoised


@pytest.fixture
def x() -> torch.Tensor:
    coarse = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(3))
    return F.interpolate(coarse, size=(32, 40), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("physics", [Upscaling(2, sigma=0.01), Deblurring(sigma=0.01)], ids=lambda p: p.name)
def test_a_filter_takes_turns_with_any_measurement(x: torch.Tensor, physics) -> None:  # type: ignore[no-untyped-def]
    y = physics.f(x)
    y = y + 0.01 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    restorer = load_restorer(task=physics.name, prior="nlm", steps=4)
    result = restorer.restore(y, physics)
    assert (result.restored - x).square().mean() < 0.2 * (result.fidelity - x).square().mean()
    torch.testing.assert_close(result.measured + result.hallucinated, result.restored, atol=1e-5, rtol=0)
    assert result.provenance["settings"]["steps"] == 4
    assert result.provenance["prior"]["name"] == "nlm"


def test_a_model_that_is_told_the_noise_takes_turns(x: torch.Tensor, tmp_path: Path) -> None:
    spandrel = pytest.importorskip("spandrel", reason="needs spandrel: pip install 'bigprior[models]'")
    torch.manual_seed(0)
    network = spandrel.architectures.DRUNet.DRUNet(in_nc=4, out_nc=3, nc=[4, 4, 4, 4], nb=2)
    save_file({name: tensor.clone() for name, tensor in network.state_dict().items()}, tmp_path / "drunet.safetensors")
    physics = Upscaling(2, sigma=0.01)
    restorer = load_restorer(task="upscaling", prior=tmp_path / "drunet.safetensors")
    result = restorer.restore(physics.f(x), physics)
    assert result.restored.shape == x.shape and "weight" in result.provenance["settings"]


def test_a_deepinv_denoiser_takes_turns() -> None:
    made = given_prior(dinv.models.MedianFilter(), Deblurring, Options(steps=3), DEFAULT_PRESET, False, 1.0)
    assert isinstance(made.prior, PlugAndPlay)
    assert made.prior.settings.steps == made.settings["steps"] == 3


def test_what_others_made_is_asked_in_single_precision_and_large_pictures_once() -> None:
    class Seen(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shapes: list[tuple[int, ...]] = []

        def forward(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            self.shapes.append(tuple(x.shape))
            return x

    made = given_prior(dinv.models.MedianFilter(), Upscaling, Options(), DEFAULT_PRESET, False, 1.0)
    assert made.settings["precision"] == "fp32" and as_prior(dinv.models.MedianFilter(), Upscaling).settings == (
        made.prior.settings
    )
    x, whole, seen = torch.rand(1, 3, 8, 900), Seen(), Seen()
    whole.any_size = True
    assert torch.equal(denoised(whole, x, 0.1), x) and whole.shapes == [(1, 3, 8, 900)]
    assert torch.equal(denoised(seen, x, 0.1), x) and len(seen.shapes) == 2
    assert PriorDenoiser.any_size  # it has tiles of its own


@pytest.mark.parametrize(
    ("prior", "options", "said"),
    [
        ("fsr", {}, "fsr fills holes: it cannot deblur; those that can are bm3d, "),
        ("nlm", {"samples": 2}, "samples says nothing to the prior nlm"),
    ],
)
def test_what_cannot_is_refused_by_name(prior: str, options: dict[str, int], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_restorer(task="deblurring", prior=prior, **options)  # type: ignore[arg-type]

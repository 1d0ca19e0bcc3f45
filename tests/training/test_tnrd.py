"""Trained reaction diffusion: it learns from the photographs that scikit-image carries, and what it wrote restores."""

from pathlib import Path

import pytest
import skimage.data
import torch
from skimage.color import rgb2gray
from skimage.io import imsave

from bigprior.degradations import Denoising
from bigprior.errors import WeightsError
from bigprior.evaluation.metrics import psnr
from bigprior.io.weights import save_weights
from bigprior.networks.tnrd import TNRD
from bigprior.presets.loading import load_restorer
from bigprior.training.loop import fit
from bigprior.training.tnrd import TNRDSettings, TNRDTrainer

SIGMA = 25 / 255


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    (tmp_path / "photographs").mkdir()
    for name in ("astronaut", "chelsea"):
        imsave(tmp_path / "photographs" / f"{name}.png", getattr(skimage.data, name)()[:256, :256])
    return tmp_path / "photographs"


def test_it_learns_from_photographs_and_restores_another(photographs: Path, tmp_path: Path) -> None:
    settings = TNRDSettings(stages=2, knots=21, steps=60, batch=4, crop_px=24, lr=1e-2, validate_every=30)
    path = fit(TNRDTrainer(settings, photographs), tmp_path / "run", quiet=True)
    grey = torch.from_numpy(rgb2gray(skimage.data.coffee()[200:264, 200:264])).float()[None, None]
    noisy = grey + SIGMA * torch.randn(grey.shape, generator=torch.Generator().manual_seed(0))
    first = TNRD(2, knots=21)(noisy, torch.tensor([SIGMA])).detach()
    y, truth = (x.expand(-1, 3, -1, -1) for x in (noisy, grey))
    learned = load_restorer(task="denoise", prior=path).restore(y, Denoising(SIGMA))
    assert learned.provenance["prior"]["architecture"] == "TNRD"
    assert psnr(learned.prior, truth) > psnr(first.expand(-1, 3, -1, -1), truth) + 0.5
    assert psnr(learned.prior, truth) > psnr(y, truth) + 5


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    state = TNRD(1, side=3, knots=5).state_dict()
    state["stages.0.filters"] = torch.zeros(8, 7)
    save_weights(tmp_path / "tnrd.safetensors", state, {})
    with pytest.raises(WeightsError, match="TNRD"):
        load_restorer(task="denoise", prior=tmp_path / "tnrd.safetensors")

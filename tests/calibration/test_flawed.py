"""Bounds of photographs that have suffered what those that calibrated had not, and of settings that were not."""

import pytest
import torch
from torch import Tensor

from bigprior import ConstantPhi
from bigprior.calibration import Calibration, Parts, calibrated
from bigprior.degradations import Denoising, Upscaling
from bigprior.degradations.flaws import Flaws
from bigprior.ops.colour import to_linear
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.restorer import Restorer

MADE = {"preset": "tiny", "weights": {}, "settings": {}}


def smooth(seed: int) -> Tensor:
    coarse = 0.2 + 0.6 * torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(24, 24), mode="bilinear")


def known(seed: int) -> tuple[Parts, Tensor]:
    truth, rng = smooth(seed), torch.Generator().manual_seed(seed)
    noisy = truth + 0.05 * torch.randn(truth.shape, generator=rng)
    half = torch.full((1, 1, 24, 24), 0.5)
    return Parts(noisy, noisy, truth, half, torch.ones_like(half), torch.tensor([0.05])), truth


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    held = [(*known(i), ("all",)) for i in range(50, 90)]
    return calibrated(map(known, range(12)), held, task="denoising", scope={"factor": [2, 4]}, **MADE)


def test_what_was_lost_may_be_anything_and_the_rest_says_that_it_was_not_certified(calibration: Calibration) -> None:
    truth, lost = smooth(3), torch.zeros(1, 3, 24, 24, dtype=torch.bool)
    lost[..., 5, 7] = True
    y = torch.where(lost, 1.0, truth + 0.05 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(3)))
    restorer = Restorer(PrecomputedPrior(truth), ConstantPhi(0.5), calibration=calibration)
    bound = restorer.restore(y, Denoising(0.05, flaws=Flaws(lost=lost))).bound
    assert bound is not None and bound.beside == ("impulses",)
    assert bound.lower[..., 5, 7].eq(0).all() and bound.upper[..., 5, 7].eq(1).all()
    assert float((bound.upper - bound.lower).median()) < 0.5 and float(bound.outside(truth)) < 0.2
    assert "those had no impulses: the bound was not certified for this" in bound.verdict()
    assert bound.record()["not_calibrated_for"] == ["impulses"] and bound[:1].beside == bound.beside


def test_linear_pictures_have_the_intervals_that_screens_show(calibration: Calibration) -> None:
    truth = smooth(4)
    shown = truth + 0.05 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(4))
    restorer = Restorer(PrecomputedPrior(truth), ConstantPhi(0.0), calibration=calibration)
    plain = restorer.restore(shown, Denoising(0.05)).bound
    linear = restorer.restore(to_linear(shown), Denoising(0.05, flaws=Flaws(linear=True))).bound
    assert plain is not None and linear is not None and (plain.beside, linear.beside) == ((), ("linear",))
    torch.testing.assert_close(linear.upper, to_linear(plain.upper), atol=2e-3, rtol=0)


def test_settings_that_were_not_calibrated_have_no_bound_and_say_why(calibration: Calibration) -> None:
    made = calibration.model_copy(update={"scope": {"factor": [2, 4], "kernel": ["bicubic"]}})
    for factor, why in ((2, None), (8, "no bound: factor is 8, and calibrated was 2 to 4")):
        restorer = Restorer(PrecomputedPrior(smooth(5)), ConstantPhi(), calibration=made)
        result = restorer.restore(torch.rand(1, 3, 24 // factor, 24 // factor), Upscaling(factor))
        assert (result.bound is None) == (why is not None)
        assert result.provenance.get("unbounded") == why

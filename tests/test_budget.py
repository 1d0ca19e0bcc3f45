"""Limits of what is made up: kept exactly, recorded, and refused by name where they cannot be."""

import math

import pytest
import torch

from bigprior.budget import Budget
from bigprior.calibration import Calibration, Parts, calibrated
from bigprior.degradations import Colorization, Denoising, Inpainting
from bigprior.errors import MaskError, SettingsError
from bigprior.phi import BandPhi
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.restorer import Restorer

SIDE = 32


@pytest.fixture
def restorer() -> Restorer:
    torch.manual_seed(0)
    return Restorer(PrecomputedPrior(torch.rand(2, 3, SIDE, SIDE)), BandPhi("wavelet"))


@pytest.fixture
def y() -> torch.Tensor:
    return torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def test_the_share_is_at_most_what_was_asked_for_and_no_less_than_need_be(restorer: Restorer, y: torch.Tensor) -> None:
    free = restorer.restore(y, Denoising(0.1))
    most = 0.5 * free.mean_share
    r = restorer.restore(y, Denoising(0.1), budget=Budget(most))
    assert r.share.max() <= most < free.share.min()
    assert r.share.min() > 0.9 * most
    assert torch.equal(r.restored, r.measured + r.hallucinated)
    capped = r.provenance["capped"]
    assert capped["max_share"] == most and len(capped["rho"]) == 2
    assert capped["share_without"] == pytest.approx(free.share.tolist(), abs=1e-6)
    assert r[1].provenance["capped"]["rho"] == capped["rho"][1:]


def test_a_picture_s_limit_does_not_depend_on_its_neighbours(restorer: Restorer, y: torch.Tensor) -> None:
    both = restorer.restore(y, Denoising(0.1), budget=Budget(0.5))
    torch.manual_seed(0)
    alone = Restorer(PrecomputedPrior(torch.rand(2, 3, SIDE, SIDE)[1:]), restorer.phi)
    torch.testing.assert_close(alone.restore(y[1:], Denoising(0.1), budget=Budget(0.5)).restored, both.restored[1:])


def test_a_limit_that_is_no_limit_changes_nothing(restorer: Restorer, y: torch.Tensor) -> None:
    r = restorer.restore(y, Denoising(0.1), budget=Budget(1.0))
    assert torch.equal(r.restored, restorer.restore(y, Denoising(0.1)).restored)
    assert r.provenance["capped"]["rho"] == [None, None]
    assert "capped" not in restorer.restore(y, Denoising(0.1), budget=Budget()).provenance


def test_what_is_kept_comes_back_bit_for_bit(restorer: Restorer, y: torch.Tensor) -> None:
    keep = torch.zeros(1, 1, SIDE, SIDE)
    keep[..., 5:20, 8:16] = 1
    r = restorer.restore(y, Denoising(0.1), budget=Budget(keep=keep))
    inside = keep.expand_as(y) > 0
    assert torch.equal(r.restored[inside], y[inside])
    assert not r.hallucinated[inside].any() and not r.phi[keep.expand_as(r.phi) > 0].any()
    assert (r.share < restorer.restore(y, Denoising(0.1)).share).all()
    assert r.provenance["capped"]["keep"] == pytest.approx([15 * 8 / SIDE**2] * 2, abs=1e-6)
    with_both = restorer.restore(y, Denoising(0.1), budget=Budget(0.5, keep=keep))
    assert torch.equal(with_both.restored[inside], y[inside]) and with_both.share.max() <= 0.5


def test_phi_by_hand_is_the_equation(restorer: Restorer, y: torch.Tensor) -> None:
    phi = torch.rand(1, 1, SIDE, SIDE)
    r = restorer.restore(y, Denoising(0.1), budget=Budget(phi=phi))
    torch.testing.assert_close(r.restored, (1 - phi) * y + phi * r.prior)
    assert torch.equal(r.phi, phi.expand(2, -1, -1, -1))
    assert r.provenance["capped"]["painted_phi"] == pytest.approx([float(phi.mean())] * 2, abs=1e-5)


def test_phi_by_hand_keeps_brightness_and_fills_holes(restorer: Restorer, y: torch.Tensor) -> None:
    half = Budget(phi=torch.full((1, 1, SIDE, SIDE), 0.5))
    physics = Colorization()
    grey = physics.f(y)
    torch.testing.assert_close(physics.f(restorer.restore(grey, physics, budget=half).restored), grey)
    mask = torch.ones(1, 1, SIDE, SIDE)
    mask[..., 4:9, 4:9] = 0
    r = restorer.restore(Inpainting(mask).f(y), Inpainting(mask), budget=half)
    assert torch.equal(r.phi, torch.where(mask > 0, 0.5, 1.0).expand(2, -1, -1, -1))


def test_a_hole_is_made_up_or_refused(restorer: Restorer, y: torch.Tensor) -> None:
    mask = torch.ones(1, 1, SIDE, SIDE)
    mask[..., 4:20, 4:20] = 0
    physics = Inpainting(mask)
    with pytest.raises(SettingsError, match="is made up where nothing was measured"):
        restorer.restore(physics.f(y), physics, budget=Budget(0.01))
    assert restorer.restore(physics.f(y), physics, budget=Budget(0.9)).share.max() <= 0.9
    with pytest.raises(MaskError, match="keep holds 512 pixels of the hole"):
        restorer.restore(physics.f(y), physics, budget=Budget(keep=(1 - mask).expand(2, -1, -1, -1)))


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_share": -0.1}, "the share that may be made up is -0.1"),
        ({"max_share": math.nan}, "is nan"),
        ({"max_share": 20}, "expected 0 to 1"),
        ({"phi": torch.full((1, 1, 4, 4), 1.5)}, r"phi is in \[1.5, 1.5\]"),
        ({"phi": torch.full((1, 1, 4, 4), math.nan)}, "phi holds NaN"),
        ({"phi": torch.ones(4, 4)}, "phi is"),
        ({"phi": torch.ones(1, 1, 4, 4), "max_share": 0.2}, "leave one out"),
    ],
)
def test_what_is_no_limit_is_refused_by_name(limits: dict, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Budget(**limits)


def test_limits_of_another_size_are_refused_by_name(restorer: Restorer, y: torch.Tensor) -> None:
    with pytest.raises(SettingsError, match="phi is 4x4 but the picture is 32x32"):
        restorer.restore(y, Denoising(0.1), budget=Budget(phi=torch.ones(1, 1, 4, 4)))
    with pytest.raises(MaskError, match="keep is 4x4 but the picture is 32x32"):
        restorer.restore(y, Denoising(0.1), budget=Budget(keep=torch.ones(1, 1, 4, 4)))
    with pytest.raises(MaskError, match="of 0 and 1, 1 = keep"):
        Budget(keep=torch.full((1, 1, 4, 4), 0.5))


def test_bounds_are_for_the_truth_whatever_was_made_of_the_picture(restorer: Restorer, y: torch.Tensor) -> None:
    def known(seed: int) -> tuple[Parts, torch.Tensor]:
        rng = torch.Generator().manual_seed(seed)
        truth, noise = torch.rand(1, 3, SIDE, SIDE, generator=rng), 0.05 * torch.randn(1, 3, SIDE, SIDE, generator=rng)
        ones = torch.ones(1, 1, SIDE, SIDE)
        return Parts(truth + noise, truth + noise, truth, ones, ones, torch.tensor([0.05])), truth

    held = [(*known(seed), ["pictures"]) for seed in range(9, 49)]
    made: Calibration = calibrated(map(known, range(4)), held, preset="tiny", task="denoising", weights={})
    assert restorer.restore(y, Denoising(0.1)).bound is None
    restorer.calibration = made
    free = restorer.restore(y, Denoising(0.1))
    capped = restorer.restore(y, Denoising(0.1), budget=Budget(0.5))
    assert free.bound is not None and capped.bound is not None
    assert torch.equal(free.bound.lower, capped.bound.lower)
    assert free.provenance["bound"]["alpha"] == 0.1
    assert free[1].bound is not None and torch.equal(free[1].bound.upper, free.bound.upper[1:])
    assert free[1].provenance["bound"]["far"] == free.provenance["bound"]["far"][1:]

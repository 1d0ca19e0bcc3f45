"""phi painted over a restoration: exact where it was painted, untouched elsewhere, and fast enough for a brush."""

import time

import pytest
import torch

import bigprior
from bigprior.degradations import Denoising
from bigprior.errors import MaskError
from bigprior.painting import painted
from bigprior.phi import ConstantPhi, phi_network
from bigprior.priors.precomputed import PrecomputedPrior


def restoration(side=32, n=1, network=None):
    y, prior = torch.rand(n, 3, side, side), torch.rand(n, 3, side, side)
    return bigprior.Restorer(PrecomputedPrior(prior), network or ConstantPhi(0.25)).restore(y, Denoising(0.1))


def box(side, top, bottom):
    mask = torch.zeros(1, 1, side, side)
    mask[:, :, top:bottom] = 1
    return mask


@pytest.mark.parametrize("network", [ConstantPhi(0.25), phi_network("means", frame="undecimated")])
def test_what_is_painted_is_the_measurements_or_the_priors(network):
    r = restoration(n=2, network=network)
    keep, free = box(32, 0, 10), box(32, 8, 20)
    p = painted(r, keep, free)
    assert torch.equal(p.restored[:, :, :10], r.fidelity[:, :, :10]) and float(p.phi[:, :, :10].max()) == 0
    assert torch.equal(p.restored[:, :, 10:20], r.prior[:, :, 10:20]) and float(p.phi[:, :, 10:20].min()) == 1
    assert torch.equal(p.restored[:, :, 20:], r.restored[:, :, 20:]) and torch.equal(p.phi[:, :, 20:], r.phi[:, :, 20:])
    assert torch.equal(p.restored, p.measured + p.hallucinated)
    said = p.provenance["capped"]["painted"]
    assert said["kept"] == pytest.approx([10 / 32] * 2) and said["made_up"] == pytest.approx([10 / 32] * 2, abs=1e-6)


def test_its_share_is_that_of_what_is_left():
    r = restoration()
    everywhere, nowhere = torch.ones(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    assert float(painted(r, everywhere).share) == 0
    assert float(painted(r, None, everywhere).share) == pytest.approx(1)
    assert float(painted(r, nowhere, nowhere).share) == pytest.approx(float(r.share), rel=1e-5)
    assert painted(r) is r
    shares = [float(painted(r, None, box(32, 0, rows)).share) for rows in (4, 12, 24)]
    assert float(r.share) < shares[0] < shares[1] < shares[2] < 1


def test_masks_that_are_none_are_refused():
    r = restoration()
    for mask in (torch.ones(1, 1, 8, 8), torch.full((1, 1, 32, 32), 0.5), torch.ones(1, 3, 32, 32)):
        with pytest.raises(MaskError, match="expected"):
            painted(r, mask)


def test_a_megapixel_follows_a_brush():
    """In time of the processor, which others may share."""
    r = restoration(1000)
    keep, free = box(1000, 100, 300), box(1000, 500, 600)
    took = []
    for _ in range(5):
        began = time.process_time()
        painted(r, keep, free)
        took.append(time.process_time() - began)
    assert min(took) < 0.15

"""How one-step estimates are judged."""

import pytest
import torch

from bigprior.degradations import Colorization
from bigprior.evaluation.metrics import colour_auc
from bigprior.ops.masks import centre_hole
from bigprior.training.losses import colour_error, hole_error


def pictures(seed: int, side: int = 32) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    small = torch.rand(2, 3, 4, 4, generator=rng) * 0.6 + 0.2
    return torch.nn.functional.interpolate(small, size=(side, side), mode="bilinear")


def test_the_error_of_colour_is_what_the_auc_lacks() -> None:
    truth = pictures(0)
    grey = (truth * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True).expand_as(truth)
    m = Colorization().measure(Colorization().f(truth))
    # The AuC counts whole thresholds, half a step away on the mean.
    assert float(colour_error(m, grey, truth)) == pytest.approx(
        1 - float(colour_auc(grey, truth).mean()) / 100, abs=0.005
    )
    assert float(colour_error(m, truth, truth)) < 0.001
    # A brighter picture of the same colours is no worse: the luminance is the measurement's.
    assert float(colour_error(m, truth + 0.05, truth)) == pytest.approx(float(colour_error(m, truth, truth)), abs=1e-4)


def test_the_error_of_a_filling_looks_at_the_hole_alone_and_not_at_its_size() -> None:
    truth = pictures(1)
    mask = centre_hole(32, 32).expand(2, -1, -1, -1)
    wrong = truth + 0.2 * (1 - mask)
    error = float(hole_error(wrong, truth, mask, 0.1))
    assert error == float(hole_error(wrong + mask, truth, mask, 0.1))
    assert float(hole_error(truth, truth, mask, 0.1)) == pytest.approx(0, abs=1e-5)
    plain = float(hole_error(wrong, truth, mask, 0.0))
    assert 0.2 + 0.2**2 < plain < error
    wide = centre_hole(32, 32, 16).expand(2, -1, -1, -1)
    assert float(hole_error(truth + 0.2 * (1 - wide), truth, wide, 0.0)) == pytest.approx(plain, rel=0.5)


def test_both_have_gradients_everywhere() -> None:
    truth, mask = pictures(2), centre_hole(32, 32).expand(2, -1, -1, -1)
    estimate = torch.zeros_like(truth).requires_grad_()
    m = Colorization().measure(Colorization().f(truth))
    loss = colour_error(m, estimate, truth) + hole_error(estimate, truth, mask, 0.1)
    (gradient,) = torch.autograd.grad(loss, estimate)
    assert bool(gradient.isfinite().all()) and float(gradient.abs().sum()) > 0

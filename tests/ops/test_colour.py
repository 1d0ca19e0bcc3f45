"""Colour for training, against scikit-image's."""

import pytest
import torch
from skimage.color import rgb2lab

from bigprior.evaluation.metrics import colour_auc
from bigprior.ops.colour import ab_distance, ab_plane


def test_it_is_scikit_images() -> None:
    x = torch.rand(2, 3, 20, 30).clamp(0.001)
    theirs = torch.from_numpy(rgb2lab(x.permute(0, 2, 3, 1).double().numpy())[..., 1:]).permute(0, 3, 1, 2)
    torch.testing.assert_close(ab_plane(x).double(), theirs, atol=2e-2, rtol=0)


def test_its_distance_is_what_the_auc_falls_short_of() -> None:
    x = torch.rand(1, 3, 40, 40)
    other = (x + 0.2 * torch.rand(1, 3, 40, 40)).clamp(0, 1)
    # Thresholds are whole numbers, 0 to 149: half of one is lost on average.
    assert 100 * (1 - float(ab_distance(other, x))) == pytest.approx(float(colour_auc(other, x)), abs=0.5)


def test_gradients_are_finite_for_black_white_and_the_same_picture() -> None:
    for value in (0.0, 1.0, 0.5):
        x = torch.full((1, 3, 2, 2), value, requires_grad=True)
        ab_distance(x, torch.full((1, 3, 2, 2), value)).sum().backward()
        assert x.grad is not None and x.grad.isfinite().all()

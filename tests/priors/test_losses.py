"""The loss of the inversion, against sums that are written out here."""

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.transform import resize

from bigprior.ops.perceptual import VGGFeatures
from bigprior.priors.losses import InversionLoss, PerceptualTerm, PyramidTerm, VGGTerm


@pytest.fixture(params=["pyramid", "vgg"])
def term(request: pytest.FixtureRequest, vgg_weights: Path) -> PerceptualTerm:
    return PyramidTerm() if request.param == "pyramid" else VGGTerm(VGGFeatures(vgg_weights))


def test_a_term_is_zero_at_the_measurement_and_positive_elsewhere(term: PerceptualTerm) -> None:
    y = torch.rand(2, 3, 16, 16)
    assert torch.equal(term.distance(y, term.target(y)), torch.zeros(2))
    assert (term.distance(1 - y, term.target(y)) > 0).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_term_is_one_number_a_picture_that_no_neighbour_changes(term: PerceptualTerm, channels: int) -> None:
    image, y = torch.rand(2, 3, channels, 16, 16)
    whole = term.distance(image, term.target(y))
    alone = torch.cat([term.distance(a[None], term.target(b[None])) for a, b in zip(image, y, strict=True)])
    assert whole.shape == (3,)
    torch.testing.assert_close(whole, alone, atol=1e-6, rtol=1e-4)


def test_the_pyramid_is_the_mean_difference_of_laplacian_bands() -> None:
    image, y = torch.rand(2, 1, 3, 32, 32)

    def bands(picture: np.ndarray) -> list[np.ndarray]:
        out = []
        for _ in range(3):
            h, w = picture.shape[0] // 2, picture.shape[1] // 2
            small = picture.reshape(h, 2, w, 2, 3).mean(axis=(1, 3))
            out.append(picture - resize(small, picture.shape[:2], order=1, mode="edge"))
            picture = small
        return [*out, picture]

    a, b = (bands(p[0].permute(1, 2, 0).double().numpy()) for p in (image, y))
    wanted = np.mean([np.abs(one - other).mean() for one, other in zip(a, b, strict=True)])
    assert PyramidTerm(4).distance(image, y).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (3, 5), (7, 7)])
def test_the_pyramid_takes_any_size(height: int, width: int) -> None:
    y = torch.rand(2, 3, height, width)
    assert PyramidTerm().distance(1 - y, y).isfinite().all()


def test_the_vgg_term_copies_grey_into_three_channels(vgg_weights: Path) -> None:
    features = VGGFeatures(vgg_weights)
    grey, other = torch.rand(2, 1, 1, 16, 16)
    wanted = (features(grey.repeat(1, 3, 1, 1))["conv3_3"] - features(other.repeat(1, 3, 1, 1))["conv3_3"]).abs().mean()
    term = VGGTerm(features)
    assert term.distance(grey, term.target(other)).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_the_whole_loss_is_the_weighted_sum() -> None:
    image, y = torch.rand(2, 2, 3, 8, 8)
    l2 = ((image - y) ** 2).mean((1, 2, 3))
    l1 = (image - y).abs().mean((1, 2, 3))
    extra = PyramidTerm().distance(image, y)
    pyramid = PyramidTerm()
    for weights, wanted in [((2, 0, 0), 2 * l2), ((0, 3, 0), 3 * l1), ((1, 0.5, 0.1), l2 + 0.5 * l1 + 0.1 * extra)]:
        loss, squared = InversionLoss(y, *weights, pyramid)(image)
        torch.testing.assert_close(loss, wanted)
        torch.testing.assert_close(squared, l2)


def test_the_target_is_computed_once() -> None:
    calls = []

    class Counting(PyramidTerm):
        def target(self, y: torch.Tensor) -> torch.Tensor:
            calls.append(1)
            return super().target(y)

    loss = InversionLoss(torch.rand(1, 3, 8, 8), 1.0, 0.0, 0.1, Counting())
    for _ in range(3):
        loss(torch.rand(1, 3, 8, 8))
    assert len(calls) == 1

"""The Fréchet distance, against its closed form and against scipy."""

import pytest
import torch
from scipy.linalg import sqrtm

from bigprior.evaluation.frechet import frechet_distance, vgg_features


def test_it_is_the_formula():
    rng = torch.Generator().manual_seed(0)
    (a, b) = (torch.randn(400, 6, generator=rng).double() * scale + scale for scale in (1.0, 2.0))
    (ma, ca), (mb, cb) = ((x.mean(0), x.T.cov()) for x in (a, b))
    root = torch.as_tensor(sqrtm((ca @ cb).numpy()).real)
    expected = float(((ma - mb) ** 2).sum() + (ca + cb - 2 * root).trace())
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-8)


def test_features_are_one_row_a_picture_whatever_its_batch(vgg_weights):
    images = torch.randint(0, 256, (103, 3, 16, 16), dtype=torch.uint8)
    features = vgg_features(images, vgg_weights)
    assert features.shape == (103, 256)
    assert torch.allclose(features[101:], vgg_features(images[101:], vgg_weights), atol=1e-4)

"""The Fréchet distance, against its closed form and against scipy."""

import pytest
import torch
from scipy.linalg import sqrtm

from bigprior.evaluation.frechet import frechet_distance, vgg_statistics


def test_it_is_the_formula():
    rng = torch.Generator().manual_seed(0)
    (a, b) = (torch.randn(400, 6, generator=rng).double() * scale + scale for scale in (1.0, 2.0))
    stats = [(x.mean(0), x.T.cov()) for x in (a, b)]
    (ma, ca), (mb, cb) = stats
    root = torch.as_tensor(sqrtm((ca @ cb).numpy()).real)
    expected = float(((ma - mb) ** 2).sum() + (ca + cb - 2 * root).trace())
    assert frechet_distance(*stats) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(stats[0], stats[0]) == pytest.approx(0, abs=1e-8)


def test_statistics_are_of_the_averaged_features(vgg_weights):
    images = torch.randint(0, 256, (7, 3, 16, 16), dtype=torch.uint8)
    mean, covariance = vgg_statistics(images, vgg_weights)
    assert mean.shape == (256,)
    assert covariance.shape == (256, 256)
    assert torch.allclose(covariance, covariance.T)

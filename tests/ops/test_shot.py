"""Shot noise and the transform that makes it white."""

import pytest
import torch

from bigprior.ops.shot import Shot

PIXELS = 200_000


def shot(peak: float, read: float = 0.0) -> Shot:
    return Shot(torch.tensor([1 / peak]), torch.tensor([read]))


def drawn(light: float, peak: float, read: float) -> torch.Tensor:
    rng = torch.Generator().manual_seed(2)
    counts = torch.poisson(torch.full((1, 1, 1, PIXELS), peak * light), generator=rng)
    return counts / peak + read * torch.randn(counts.shape, generator=rng)


@pytest.mark.parametrize("read", [0.0, 0.1])
@pytest.mark.parametrize(("light", "peak"), [(0.2, 30), (1.0, 10), (0.5, 1000)])
def test_it_is_as_strong_everywhere_once_stabilised(light: float, peak: float, read: float) -> None:
    y, noise = drawn(light, peak, read), shot(peak, read)
    z, sigma = noise.stabilised(y)
    assert float(z.std()) == pytest.approx(float(sigma), rel=0.06)
    assert float(y.var()) == pytest.approx(float(noise.variance(torch.full((1, 1, 1, 1), light))), rel=0.02)


@pytest.mark.parametrize("read", [0.0, 0.1])
@pytest.mark.parametrize("light", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("peak", [1, 4, 30])
def test_the_inverse_of_a_mean_is_the_mean(light: float, peak: float, read: float) -> None:
    noise = shot(peak, read)
    mean = noise.stabilised(drawn(light, peak, read))[0].mean().view(1, 1, 1, 1)
    assert float(noise.unbiased(mean)) == pytest.approx(light, abs=0.02 / peak**0.5 + 0.005)


def test_black_and_white_are_0_and_1_unless_noise_would_be_above_1() -> None:
    for peak in (0.5, 1, 4, 1e5):
        z, sigma = shot(peak).stabilised(torch.tensor([0.0, 1.0]).view(1, 1, 1, 2))
        assert float(z[..., 0]) == 0 and float(z[..., 1]) <= 1 + 1e-6 and float(sigma) <= 1
        assert peak < 1 or float(z[..., 1]) == pytest.approx(1, abs=1e-6)


def test_parts_are_those_of_some_pictures() -> None:
    both = Shot.join([shot(4), shot(30, 0.1)])
    assert torch.equal(both[1:2].gain, shot(30).gain) and torch.equal(both[1:2].read, torch.tensor([0.1]))
    assert torch.allclose(both.times(2).variance(torch.ones(2, 3, 1, 1)), 4 * both.variance(torch.ones(2, 3, 1, 1)))

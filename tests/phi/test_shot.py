"""phi of shot noise: Eq. 8 with the variance that the measurement says by itself."""

import pytest
import torch

from bigprior.frames import frame
from bigprior.fusion import centre, variance
from bigprior.ops.colour import OPPONENT
from bigprior.ops.shot import Shot
from bigprior.phi.shot import ShotPhi

GAIN = 1 / 30


def weigh(name: str, y: torch.Tensor, prior: torch.Tensor, rho: float = 1e-2, gain: float = GAIN) -> list[torch.Tensor]:
    network = ShotPhi(name, rho).told(Shot(torch.full((len(y),), gain), torch.zeros(len(y))))
    return network(y, prior, frame(name), mean=centre(prior), weight=rho / variance(prior))


@pytest.mark.parametrize("name", ["pixel", "wavelet", "undecimated"])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (64, 70)])
def test_it_is_a_share_of_every_coefficient(name: str, size: tuple[int, int]) -> None:
    y, prior = torch.rand(2, 3, *size), torch.rand(2, 3, *size)
    for phi, band in zip(weigh(name, y, prior), frame(name).analyse(prior), strict=True):
        assert phi.shape[2:] == band.shape[2:] and 0 <= float(phi.min()) <= float(phi.max()) <= 1


@pytest.mark.parametrize("level", [1, 3, 5])
def test_the_coarse_band_says_how_much_noise_there_is(level: int) -> None:
    """The variance that is taken, over the one that details of flat pictures have."""
    rng, light = torch.Generator().manual_seed(1), torch.tensor([0.2, 0.5, 0.8]).view(1, 3, 1, 1)
    x = light.expand(1, 3, 512, 512)
    y = GAIN * torch.poisson(x / GAIN, generator=rng)
    seen = frame("wavelet").analyse(y - x)[level - 1][0].square().mean((1, 2))
    taken = ShotPhi("wavelet").told(Shot(torch.tensor([GAIN]), torch.zeros(1)))
    said = taken._variance(frame("wavelet").bands[level - 1], y, [512 >> level] * 2)[0].mean((1, 2))
    meant = GAIN * (OPPONENT.square().float() @ light.flatten()).repeat_interleave(3)
    torch.testing.assert_close(said, meant, rtol=0.03, atol=0)
    torch.testing.assert_close(said, seen, rtol=0.2 if level == 5 else 0.1, atol=0)


@pytest.mark.parametrize("name", ["wavelet", "undecimated"])
def test_darker_and_more_units_are_measured_more(name: str) -> None:
    prior = torch.rand(1, 3, 64, 64)
    dark, light = (weigh(name, torch.full_like(prior, level), prior)[0].mean() for level in (0.1, 0.9))
    few, many = (weigh(name, torch.full_like(prior, 0.5), prior, gain=gain)[0].mean() for gain in (0.2, 0.002))
    assert dark < light and many < few

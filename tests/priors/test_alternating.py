"""A denoiser and a measurement in turns."""

import pytest
import torch
from torch import Tensor, nn

from bigprior import AlternatingPrior, Colorization, Jpeg, SettingsError


class Smooth(nn.Module):
    """The mean of nine pixels; remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[float] = []

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.told.append(float(sigma))
        return nn.functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def test_it_is_told_of_less_and_less_and_stays_consistent() -> None:
    x = torch.rand(1, 3, 3, 4, generator=torch.Generator().manual_seed(0))
    x = nn.functional.interpolate(x, size=(32, 48), mode="bilinear") * 0.6 + 0.2
    physics = Jpeg(torch.full((3, 8, 8), 40.0))
    m, network = physics.measure(physics.f(x)), Smooth()
    found = AlternatingPrior(network, steps=3).project(m)
    assert network.told == sorted(network.told, reverse=True) and len(network.told) == 3
    assert torch.equal(physics.f(found.image), m.y)
    before, after = ((image - x).square().mean() for image in (m.fidelity, found.image))
    assert after < before
    assert torch.equal(found.codes["error"], m.noise.sigma)


def test_what_it_cannot_do_is_said() -> None:
    with pytest.raises(SettingsError, match="steps is 0"):
        AlternatingPrior(Smooth(), steps=0)
    with pytest.raises(SettingsError, match="colorization says of no error"):
        AlternatingPrior(Smooth()).project(Colorization().measure(torch.rand(1, 1, 8, 8)))

"""Colours that a person knows."""

import pytest
import torch

from bigprior.degradations import Colorization, Denoising, Inpainting
from bigprior.phi import ConstantPhi
from bigprior.priors.base import Prior, Projection
from bigprior.priors.hints import Hinted, wholly_known
from bigprior.restorer import Restorer


class Brown(Prior):
    """Whatever it sees is brown; it notes what it was asked."""

    resolution = None

    def propose(self, m, *, seed=0, progress=None):
        self.asked = m
        return Projection(m.fidelity + m.fidelity.new_tensor([0.06, -0.01, -0.08]).view(1, 3, 1, 1))


@pytest.fixture
def coat():
    """A dark coat on a light wall, in grey, with a green stroke on the coat: ``y`` and the degradation."""
    y = torch.full((1, 3, 40, 60), 0.7)
    y[..., 10:, 20:40] = 0.35
    hints = torch.zeros(1, 1, 40, 60)
    hints[..., 20:23, 25:32] = 1
    green = torch.tensor([0.2, 0.45, 0.23]).view(1, 3, 1, 1)
    grey = Colorization().f(green)
    return torch.where(hints > 0, green + 0.35 - grey, y), Colorization(hints)


def green_of(x):
    return x[:, 1:2] - x[:, ::2].mean(dim=1, keepdim=True)


def test_a_stroke_colours_what_it_lies_on_and_nothing_else(coat):
    y, physics = coat
    prior = Brown()
    image = Hinted(prior).project(physics.measure(y)).image
    green = green_of(image)[0, 0]
    assert torch.equal(image * physics.hints, y * physics.hints)
    assert green[12:38, 22:38].min() > 0.1 and green[:, :18].max() < 0.05 and green[:, 42:].max() < 0.05
    assert isinstance(prior.asked.degradation, Colorization) and prior.asked.y.shape[1] == 1  # without the hints
    torch.testing.assert_close(Colorization().f(image), Colorization().f(y), atol=1e-5, rtol=0)


def test_a_large_picture_has_its_edges(coat):
    y, physics = coat
    wide, hints = (x.repeat_interleave(10, 2).repeat_interleave(10, 3) for x in (y, physics.hints))
    green = green_of(Hinted(Brown()).project(Colorization(hints).measure(wide)).image)[0, 0]
    assert green[130:370, 215:385].min() > 0.1 and green[:, :195].max() < 0.08


def test_without_hints_the_prior_is_asked_as_it_is(coat):
    m = Colorization().measure(coat[0][:, :1])
    assert wholly_known(m) is None
    assert torch.equal(Hinted(Brown()).propose(m).image, Brown().propose(m).image)


def test_a_hint_is_measured(coat):
    y, physics = coat
    for frame in ("pixel", "luminance"):
        phi = ConstantPhi(0.5)
        phi.frame = frame
        result = Restorer(Hinted(Brown()), phi).restore(y, physics)
        told = physics.hints.expand_as(result.phi) > 0
        assert result.phi[told].abs().max() == 0 and result.phi[~told].min() > 0
        assert torch.equal(result.restored * physics.hints, y * physics.hints)
        assert torch.equal(result.measured + result.hallucinated, result.restored)
        assert result.provenance["hints"] == pytest.approx(21 / 2400, abs=1e-6)


def test_what_is_known_wholly():
    y = torch.rand(1, 3, 4, 5)
    mask = torch.ones(1, 1, 4, 5)
    mask[..., 1, 2] = 0
    assert torch.equal(wholly_known(Inpainting(mask).measure(y)), mask)
    assert wholly_known(Denoising(0.1).measure(y)) is None
    assert wholly_known(Inpainting().measure(y * mask)) is None  # where the hole is, is a guess

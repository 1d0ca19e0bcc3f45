"""Holes, each filled by what is best at it."""

import pytest
import torch

from bigprior.degradations import Denoising, Inpainting
from bigprior.errors import SettingsError
from bigprior.priors.base import Prior, Projection
from bigprior.priors.holes import ByHole


class Offset(Prior):
    """The truth, as bright by so much; it notes the sizes of what it was asked."""

    def __init__(self, truth, offset=0.0, resolution=None):
        super().__init__()
        self.truth, self.offset, self.resolution, self.asked = truth, offset, resolution, []

    def propose(self, m, *, seed=0, progress=None):
        self.asked.append(m.size)
        image = self.truth if m.size == tuple(self.truth.shape[2:]) else m.fidelity
        return Projection(image + self.offset)


def measured(truth, *boxes):
    mask = torch.ones(1, 1, *truth.shape[2:])
    for rows, columns in boxes:
        mask[..., rows, columns] = 0
    physics = Inpainting(mask)
    return physics.measure(physics.f(truth))


THIN, WIDE = (slice(8, 10), slice(4, 60)), (slice(24, 44), slice(20, 44))


@pytest.fixture
def truth():
    rng = torch.Generator().manual_seed(7)
    return torch.nn.functional.avg_pool2d(torch.rand(1, 3, 64, 64, generator=rng), 5, 1, 2)


def test_a_thin_hole_asks_no_prior(truth):
    prior, m = Offset(truth), measured(truth, THIN)
    image = ByHole(prior, thin_px=3).project(m).image
    assert prior.asked == []
    assert torch.equal(image * (1 - m.hole), m.fidelity)
    assert (image - truth).square().mean() < (m.fidelity - truth).square().mean() / 30
    ByHole(prior).project(m)
    assert len(prior.asked) == 1  # without a width, nothing is thin


def test_a_wide_hole_asks_the_prior_whose_tones_are_corrected(truth):
    prior, m = Offset(truth, offset=0.2), measured(truth, THIN, WIDE)
    image = ByHole(prior, thin_px=3).project(m).image
    assert prior.asked == [(64, 64)]
    inside = (..., *WIDE)
    assert (image - truth)[inside].abs().mean() < 0.04
    assert torch.equal(image * (1 - m.hole), m.fidelity)


def test_plain_surroundings_ask_no_prior():
    truth = (torch.arange(64.0).view(1, 1, 64, 1) / 255 + 0.3).expand(1, 3, 64, 64)
    prior = Offset(truth)
    image = ByHole(prior, thin_px=3).project(measured(truth, WIDE)).image
    assert prior.asked == [] and (image - truth).abs().max() < 1e-5


def test_a_prior_of_one_size_sees_squares_around_wide_holes_alone(truth):
    prior = Offset(truth, resolution=32)
    large = torch.rand(1, 3, 200, 300, generator=torch.Generator().manual_seed(8))
    m = measured(
        large, (slice(100, 112), slice(200, 212)), *((slice(y, y + 2), slice(9, 11)) for y in range(4, 190, 9))
    )
    ByHole(prior, thin_px=3).project(m)
    assert prior.asked == [(32, 32)]


def test_pictures_do_not_depend_on_their_neighbours(truth):
    truths = torch.cat([truth, truth.flip(3)])
    mask = torch.ones(2, 1, 64, 64)
    mask[0, :, 8:10, 4:60] = mask[1, :, 24:44, 20:44] = 0
    physics = Inpainting(mask)
    m = physics.measure(physics.f(truths))

    class Grey(Prior):
        def propose(self, m, *, seed=0, progress=None):
            return Projection(torch.full_like(m.fidelity, 0.4))

    prior = ByHole(Grey(), thin_px=3)
    both, alone = prior.project(m).image, [prior.project(m[i : i + 1]).image for i in range(2)]
    torch.testing.assert_close(both, torch.cat(alone))


def test_what_has_no_holes_is_refused(truth):
    with pytest.raises(SettingsError, match="denoising is filled by its holes, but says of none"):
        ByHole(Offset(truth)).project(Denoising(0.1).measure(truth))


def test_wide_holes_get_the_texture_of_what_is_around_them_each_picture_by_itself():
    rng = torch.Generator().manual_seed(0)
    grain = 0.5 + 0.1 * torch.randn(2, 3, 160, 400, generator=rng)
    wide, far, thin = (slice(20, 60), slice(20, 60)), (slice(100, 140), slice(340, 380)), (slice(90, 92), slice(8, 60))
    m = measured(grain, wide, far, thin)
    prior = Offset(torch.full_like(grain, 0.5))
    plain, textured, other = (
        ByHole(prior, thin_px=3, texture=share).project(m, seed=seed).image
        for share, seed in ((0.0, 0), (1.0, 0), (1.0, 1))
    )
    changed = (textured - plain).abs().amax(1, keepdim=True) > 1e-3
    for hole in (wide, far):
        inside = (..., *(slice(part.start + 6, part.stop - 6) for part in hole))
        assert float(plain[inside].std()) < 0.02 and float(textured[inside].std()) > 0.06
        assert float(changed[inside].float().mean()) > 0.9
        changed[(..., *hole)] = False
        assert not torch.equal(textured[inside], other[inside])
    assert not changed.any()
    alone = ByHole(Offset(prior.truth[1:]), thin_px=3, texture=1.0).project(m[1:], seed=0).image
    torch.testing.assert_close(alone, textured[1:])
    assert ByHole(prior, texture=0.3).within(0.5).texture == 0.3

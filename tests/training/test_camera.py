"""Noise as cameras make it."""

import math

import pytest
import skimage.data
import torch
from torch import Tensor

from bigprior.training.camera import demosaiced, noisy_pairs, through_camera


@pytest.fixture
def photo() -> Tensor:
    coffee = torch.from_numpy(skimage.data.coffee()).permute(2, 0, 1)[None].float() / 255
    return coffee[:, :, 100:196, 200:296]


@pytest.mark.parametrize("bilinear", [True, False])
def test_a_mosaic_keeps_flat_colours_and_its_own_samples(bilinear: bool) -> None:
    flat = torch.tensor([0.2, 0.5, 0.8]).view(1, 3, 1, 1).expand(1, 3, 12, 16)
    torch.testing.assert_close(demosaiced(flat, bilinear=bilinear), flat, atol=1e-6, rtol=0)
    x = torch.rand(1, 3, 12, 16)
    seen = demosaiced(x, bilinear=bilinear)
    for channel, row, column in ((0, 0, 0), (1, 0, 1), (1, 1, 0), (2, 1, 1)):
        mine = (0, channel, slice(row, None, 2), slice(column, None, 2))
        torch.testing.assert_close(seen[mine], x[mine], atol=1e-6, rtol=0)


def test_malvars_filters_keep_a_slope_of_grey() -> None:
    slope = (torch.arange(16.0) / 16).expand(1, 3, 12, 16)
    inner = (..., slice(2, -2), slice(2, -2))
    torch.testing.assert_close(demosaiced(slope, bilinear=False)[inner], slope[inner], atol=1e-5, rtol=0)


def test_a_camera_without_noise_gives_the_picture_back_up_to_its_mosaic(photo: Tensor) -> None:
    flat = torch.full_like(photo, 0.4)
    clean, noisy = through_camera(flat, torch.Generator().manual_seed(0))
    torch.testing.assert_close(clean, flat, atol=2e-3, rtol=0)
    assert not torch.equal(clean, noisy)
    clean, _ = through_camera(photo, torch.Generator().manual_seed(0))
    assert (clean - photo).square().mean().log10() * -10 > 28


def test_noise_of_a_camera_is_stronger_in_light_than_in_the_dark_and_coarser_than_white() -> None:
    halves = torch.cat([torch.full((4, 3, 128, 64), 0.25), torch.full((4, 3, 128, 64), 0.6)], dim=3)
    correlations = []
    for seed in range(6):
        clean, noisy = through_camera(halves, torch.Generator().manual_seed(seed))
        noise = noisy - clean
        a, b = noise[..., :, :-1].flatten(), noise[..., :, 1:].flatten()
        correlations.append(float(torch.corrcoef(torch.stack([a, b]))[0, 1]))
    assert min(correlations) > 0.1


def test_pairs_are_of_the_side_that_is_asked_for_and_the_same_seed_gives_the_same(photo: Tensor) -> None:
    kinds = set()
    for seed in range(40):
        pairs = noisy_pairs(photo.repeat(2, 1, 1, 1), 64, torch.Generator().manual_seed(seed))
        again = noisy_pairs(photo.repeat(2, 1, 1, 1), 64, torch.Generator().manual_seed(seed))
        assert pairs.clean.shape == pairs.noisy.shape == (2, 3, 64, 64)
        assert torch.equal(pairs.noisy, again.noisy) and torch.equal(pairs.clean, again.clean)
        assert bool(pairs.clean.isfinite().all() and pairs.noisy.isfinite().all())
        assert float(pairs.clean.min()) >= 0 and float(pairs.clean.max()) <= 1
        white = not math.isnan(float(pairs.sigma[0]))
        kinds.add(white)
        if white:
            spread = (pairs.noisy - pairs.clean).flatten(1).std(1)
            assert bool((spread <= pairs.sigma + 0.01).all())
    assert kinds == {True, False}

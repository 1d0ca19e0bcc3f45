"""Bands are found where somebody has added them, and nowhere else."""

import numpy as np
import pytest
import skimage.data

from bigprior.ops.banding import bands

PHOTO = skimage.data.coffee()[:200, :256].astype(np.float32) / 255


def banded(sigma, white=2, axis=0, seed=0):
    rng = np.random.default_rng(seed)
    offsets = rng.standard_normal((PHOTO.shape[0], 1, 1) if axis == 0 else (1, PHOTO.shape[1], 1)) * sigma / 255
    y = PHOTO + offsets + white / 255 * rng.standard_normal(PHOTO.shape)
    return ((y.clip(0, 1) * 255).round() / 255).astype(np.float32), offsets


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("sigma", [4, 8])
def test_offsets_of_lines_are_found(sigma, axis):
    y, offsets = banded(sigma, axis=axis)
    found = bands(y)
    assert found[1 - axis] is None and found[axis] is not None
    assert (offsets - found[axis]).std() < 0.5 * offsets.std()


def test_both_are_found_together():
    y, rows = banded(6)
    columns = 6 / 255 * np.random.default_rng(5).standard_normal((1, PHOTO.shape[1], 1))
    found = bands((y + columns).astype(np.float32))
    assert found[0] is not None and found[1] is not None
    assert (rows - found[0]).std() < 0.5 * rows.std() and (columns - found[1]).std() < 0.5 * columns.std()


def test_what_is_lost_is_not_looked_at():
    y, _ = banded(6)
    lost = np.random.default_rng(1).random(y.shape[:2]) < 0.1
    rows, _ = bands(np.where(lost[:, :, None], 0, y), lost)
    whole, _ = bands(y)
    assert (rows - whole).std() < 0.2 * whole.std()
    assert bands(y, np.ones_like(lost)) == (None, None)


@pytest.mark.parametrize(
    "name", ["grass", "brick", "gravel", "text", "page", "camera", "coins", "moon", "coffee", "chelsea", "rocket"]
)
def test_textures_print_and_photographs_have_none(name):
    photo = getattr(skimage.data, name)()
    photo = photo.reshape(*photo.shape[:2], -1).astype(np.float32) / 255
    assert bands(photo) == (None, None)


@pytest.mark.parametrize("period", [(1, 2), (4, 8), (2, 8), (1, 8), (5, 13)])
def test_patterns_have_none(period):
    lit, every = period
    stripes = np.tile(((np.arange(256) % every < lit) * 20 / 255)[:, None, None], (1, 128, 3)).astype(np.float32)
    assert bands(stripes) == (None, None) and bands(stripes.swapaxes(0, 1)) == (None, None)


@pytest.mark.parametrize("sigma", [5, 30])
def test_noise_has_none(sigma):
    y = PHOTO + sigma / 255 * np.random.default_rng(0).standard_normal(PHOTO.shape).astype(np.float32)
    assert bands(y) == (None, None)


@pytest.mark.parametrize("size", [(1, 1), (20, 300), (300, 20), (60, 64)])
def test_any_size(size):
    assert bands(np.zeros((*size, 3), np.float32)) == (None, None)
    assert bands(np.random.default_rng(0).random((*size, 3), np.float32)) == (None, None)

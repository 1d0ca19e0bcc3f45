"""Impulses are found where somebody has put them, and nowhere else."""

import numpy as np
import pytest
import skimage.data

from bigprior.ops.impulses import _median_of_9, impulses

PHOTO = skimage.data.astronaut()[:200, 60:260].astype(np.float32) / 255


def struck(photo, share, values, *, together=True, seed=0):
    """A photograph with impulses, and which samples they are."""
    rng = np.random.default_rng(seed)
    where = np.broadcast_to(rng.random(photo.shape[:2])[:, :, None] < share, photo.shape).copy()
    where = where if together else rng.random(photo.shape) < share
    noise = np.broadcast_to(rng.choice(values, photo.shape[:2])[:, :, None], photo.shape) if together else None
    noise = rng.choice(values, photo.shape) if noise is None else noise
    return np.where(where, noise, photo).astype(np.float32), where


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("share", [0.002, 0.02, 0.1, 0.2])
def test_salt_and_pepper(share, together):
    y, where = struck(PHOTO, share, [0, 1], together=together)
    found = impulses(y)
    seen = where & (np.abs(y - PHOTO) > 0.1)
    assert found is not None and found.shape == y.shape
    assert found[seen].mean() > 0.75 + 0.2 * (share >= 0.02)
    assert seen.any(axis=2)[found.any(axis=2)].mean() > 0.7
    assert abs(found.mean() - where.mean()) < 0.25 * where.mean() + 2e-4


def test_hot_pixels_are_of_one_channel():
    y, where = struck(PHOTO, 0.003, np.linspace(0.94, 1, 9), together=False)
    y = np.where(where, y, y + 0.01 * np.random.default_rng(1).standard_normal(y.shape)).clip(0, 1).astype(np.float32)
    found = impulses(y)
    assert found is not None and found[where & (y - PHOTO > 0.2)].mean() > 0.75
    assert found.any(axis=2).mean() > 2 * found.mean()  # the other channels of such a pixel are measured


def test_impulses_of_any_value_are_found_where_they_differ():
    y, where = struck(PHOTO, 0.05, np.linspace(0, 1, 256), together=False)
    found = impulses(y)
    assert found is not None
    assert found[where & (np.abs(y - PHOTO) > 0.25)].mean() > 0.7 and where[found].mean() > 0.95


@pytest.mark.parametrize(
    "name", ["grass", "brick", "gravel", "text", "page", "camera", "moon", "clock", "checkerboard"]
)
def test_textures_letters_and_photographs_are_none(name):
    photo = getattr(skimage.data, name)()[:300, :300, None].astype(np.float32) / 255
    assert impulses(photo) is None
    assert impulses(np.repeat(photo, 3, axis=2)) is None


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket", "hubble_deep_field"])
def test_photographs_in_colour_are_none(name):
    assert impulses(getattr(skimage.data, name)()[:300, :400].astype(np.float32) / 255) is None


@pytest.mark.parametrize("width", [0.8, 1.0, 1.5, 2.5])
def test_stars_are_none(width):
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:160, :160]
    sky = 10 + 3 * rng.standard_normal((160, 160))
    for row, column, light in zip(*rng.uniform(0, 160, (2, 120)), rng.exponential(80, 120), strict=True):
        sky += light * np.exp(-4 * np.log(2) * ((rows - row) ** 2 + (columns - column) ** 2) / width**2)
    assert impulses((sky.clip(0, 255).round() / 255)[:, :, None].astype(np.float32)) is None


@pytest.mark.parametrize("sigma", [5, 15, 30, 60])
def test_noise_is_none(sigma):
    y = PHOTO + sigma / 255 * np.random.default_rng(0).standard_normal(PHOTO.shape)
    assert impulses(y.astype(np.float32)) is None
    assert impulses((y.clip(0, 1) * 255).round().astype(np.float32) / 255) is None


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 3), (5, 5), (40, 3)])
def test_any_size(size):
    rng = np.random.default_rng(0)
    for values in (rng.random((*size, 3)), np.zeros((*size, 3)), rng.integers(0, 2, (*size, 3))):
        assert impulses(values.astype(np.float32)) is None


def test_what_is_blank_is_not_looked_at():
    y, _ = struck(PHOTO, 0.02, [0, 1])
    assert impulses(y, np.ones(y.shape[:2], bool)) is None
    wide, blank = np.zeros((600, 200, 3), np.float32), np.ones((600, 200), bool)
    wide[200:400], blank[200:400] = y, False
    found = impulses(wide, blank)
    assert found is not None and found[200:400].mean() > 0.015 and not found[:200].any()


def test_the_median_of_nine_is_the_median():
    plane = np.random.default_rng(0).random((71, 13)).astype(np.float32)
    wide = np.pad(plane, 1, mode="symmetric")
    expected = np.median([wide[i : i + 71, j : j + 13] for i in range(3) for j in range(3)], axis=0)
    assert np.array_equal(_median_of_9(plane), expected)

"""Holes that need no network."""

import time

import numpy as np
import pytest
import skimage.data
from skimage.restoration import inpaint_biharmonic

from bigprior.ops import filling


def hole_at(rows, columns, size=(96, 128)):
    hole = np.zeros(size, dtype=bool)
    hole[rows, columns] = True
    return hole


def filled(picture, hole):
    """The picture with what is plain filled, and whether it was."""
    out, found = np.where(hole[..., None], 0, picture).astype(np.float32), []
    for window, part in filling.parts(hole):
        values = filling.plain(out[window], hole[window], part)
        found.append(values is not None)
        if values is not None:
            out[window][part] = values
    return out, all(found)


def test_a_part_is_thin_where_no_larger_square_has_room():
    hole = hole_at(slice(10, 13), slice(5, 100)) | hole_at(slice(40, 70), slice(40, 70))
    assert np.array_equal(filling.thin_part(hole, 3), hole_at(slice(10, 13), slice(5, 100)))
    assert not filling.thin_part(hole, 2).any()  # three rows have room for three
    assert not filling.thin_part(hole, 0).any()
    specks = hole_at(slice(80, 86), slice(5, 11)) | hole_at(slice(80, 87), slice(25, 32))
    assert np.array_equal(filling.thin_part(hole | specks, 3)[80:, :20], specks[80:, :20])
    assert not filling.thin_part(specks, 3)[:, 20:].any()
    joined = hole | hole_at(slice(50, 52), slice(70, 120))
    thin = filling.thin_part(joined, 3)
    assert thin[50:52, 80:120].all() and not thin[40:70, 40:70].any()  # corners of what is wide are wide


def test_thin_holes_are_filled_as_by_the_whole_picture():
    picture = (skimage.data.coffee()[100:260, 150:350] / 255).astype(np.float32)
    hole = np.random.default_rng(0).random(picture.shape[:2]) < 0.03
    hole[:, 77:79] = True
    out = filling.smooth(np.where(hole[..., None], 0, picture).astype(np.float32), hole, filling.thin_part(hole, 3))
    wanted = inpaint_biharmonic(picture.astype(np.float64), hole, channel_axis=-1)
    assert np.array_equal(out[~hole], picture[~hole])
    assert np.abs(out - wanted)[hole].mean() < 1e-3


def test_dust_on_a_large_picture_takes_a_moment():
    rng, hole = np.random.default_rng(1), np.zeros((600, 900), dtype=bool)
    for top, left in rng.integers(0, 590, (200, 2)):
        hole[top : top + 3, left : left + 2] = True
    began = time.process_time()
    filling.smooth(rng.random((600, 900, 3), dtype=np.float32), hole, filling.thin_part(hole, 3))
    assert time.process_time() - began < 1


def test_a_filling_goes_over_into_its_surroundings():
    picture = np.full((64, 64, 3), 0.5, dtype=np.float32)
    hole = hole_at(slice(20, 44), slice(20, 44), (64, 64))
    picture[hole] = 0.9  # a filling that is too bright
    out = filling.smooth(picture, hole)
    assert np.abs(out[20, 20:44] - 0.5).max() < 0.01 and np.abs(out[32, 32] - 0.9).max() < 0.02


ROWS, COLUMNS = np.mgrid[0:96, 0:128]


def levels(*channels):
    return np.stack([np.round(np.broadcast_to(c, (96, 128))) for c in channels], axis=-1).astype(np.float32) / 255


@pytest.mark.parametrize("case", ["flat", "slope", "round slope"])
def test_plain_surroundings_are_gone_on_with_to_a_grey_level(case):
    tones = {
        "flat": levels(250, 250, 248),
        "slope": levels(60 + 0.7 * ROWS, 80 + ROWS, 90 + 0.3 * COLUMNS),
        "round slope": levels(*[200 - 0.01 * ((ROWS - 48) ** 2 + (COLUMNS - 64) ** 2)] * 3),
    }
    hole = hole_at(slice(30, 60), slice(40, 90))
    out, found = filled(tones[case], hole)
    assert found and np.abs(out - tones[case]).max() <= (0 if case == "flat" else 1) / 255 + 1e-6


def test_flat_art_is_gone_on_with_in_its_own_colours():
    art = np.where((ROWS < 50)[..., None], levels(30, 110, 200), levels(215, 25, 35))
    art[(ROWS - 30) ** 2 + (COLUMNS - 60) ** 2 < 25**2] = levels(255, 220, 30)[0, 0]
    out, found = filled(art, hole_at(slice(38, 62), slice(50, 80)))
    assert found and {tuple(c) for c in out.reshape(-1, 3)} == {tuple(c) for c in art.reshape(-1, 3)}
    assert (np.abs(out - art).max(axis=-1) > 0)[38:62, 50:80].mean() < 0.1


def test_a_photograph_is_not_plain():
    picture = (skimage.data.coffee()[100:196, 150:278] / 255).astype(np.float32)
    assert not filled(picture, hole_at(slice(30, 60), slice(40, 90)))[1]
    assert not filled(0.1 * picture, hole_at(slice(30, 60), slice(40, 90)))[1]  # nor a dark one

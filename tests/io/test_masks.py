"""Masks as people and programs paint them: what is known is told, or the file is refused by name."""

import numpy as np
import pytest
import scipy.ndimage
import skimage.data
import torch
from PIL import Image

from bigprior.errors import MaskError, SettingsError
from bigprior.io.masks import decode_mask
from bigprior.io.pictures import read_mask


@pytest.fixture
def file(tmp_path):
    """``file(array)``: a picture of uint8, (H, W) grey, (H, W, 3) or (H, W, 4), as a file."""

    def write(array, name="mask.png", **how):
        Image.fromarray(array).save(tmp_path / name, **how)
        return tmp_path / name

    return write


def box(hole=0, known=255, size=(40, 60)):
    levels = np.full(size, known, dtype=np.uint8)
    levels[10:20, 15:35] = hole
    return levels


HOLE = box() == 0


def test_what_is_not_wholly_known_is_hole(file):
    levels = box()
    levels[9, 15:35], levels[20, 15:35], levels[25, :3] = 128, 240, (252, 253, 254)
    known = decode_mask(file(levels))
    wanted = HOLE.copy()
    wanted[[9, 20], 15:35] = wanted[25, 0] = True
    assert np.array_equal(known, ~wanted)
    mask = read_mask(file(levels))
    assert mask.shape == (1, 1, 40, 60) and mask.dtype == torch.float32
    assert np.array_equal(mask[0, 0].numpy() == 1, known)


@pytest.mark.parametrize("levels", [box(0, 1), box(100, 255), box(0, 128)], ids=["0 and 1", "grey hole", "grey known"])
def test_two_levels_are_a_mask_whatever_they_are(file, levels):
    assert np.array_equal(decode_mask(file(levels)), ~HOLE)


def test_soft_masks_and_compressed_ones_are_masks(file):
    wide = np.ones((160, 160))
    wide[50:110, 50:110] = 0
    blurred = (255 * scipy.ndimage.gaussian_filter(wide, 6)).astype(np.uint8)
    assert np.array_equal(decode_mask(file(blurred)), blurred >= 253)
    known = decode_mask(file(box(size=(64, 96)), "mask.jpg", quality=75))
    lost = box(size=(64, 96)) == 0
    assert not known[lost].any() and known[~scipy.ndimage.binary_dilation(lost, np.ones((3, 3)), iterations=8)].all()


@pytest.mark.parametrize("case", ["photograph", "a stroke on a photograph", "three levels", "a fade"])
def test_what_is_no_mask_is_refused_by_name(file, case):
    picture = skimage.data.coffee()[100:260, 150:350].copy()
    if case == "a stroke on a photograph":
        picture[40:80, 50:90] = 255, 0, 0
    elif case == "three levels":
        picture = box(size=(160, 200))
        picture[60:120, 60:150] = 128
    elif case == "a fade":
        picture = np.tile(np.linspace(0, 255, 200).astype(np.uint8), (160, 1))
    with pytest.raises(MaskError, match=r"mask .*mask.png is not black and white: \d+% .* paint"):
        decode_mask(file(picture))


def test_a_mask_the_other_way_is_named_and_inverted(file):
    levels = 255 - box()
    levels[9, 15:35] = 100  # not wholly known either way
    with pytest.raises(MaskError, match=r"9\d% of the picture a hole: here white is known .* LaMa.* --invert-mask"):
        decode_mask(file(levels))
    wanted = HOLE.copy()
    wanted[9, 15:35] = True
    assert np.array_equal(decode_mask(file(levels), invert=True), ~wanted)
    assert decode_mask(file(levels), invert=False).sum() == HOLE.sum()  # whoever means it, says so


@pytest.mark.parametrize("paint", [255, 0], ids=["erased from white", "painted in black"])
def test_a_mask_in_the_transparency_of_its_file(file, paint):
    layer = np.full((40, 60, 4), paint, dtype=np.uint8)
    layer[..., 3] = np.where((paint == 0) == HOLE, 255, 0)
    assert np.array_equal(decode_mask(file(layer)), ~HOLE)
    layer[:15, :, :3] = 255 - paint
    layer[5:10, :, 3] = 255
    with pytest.raises(MaskError, match="partly transparent too: flatten it"):
        decode_mask(file(layer))


def test_the_transparent_pixels_of_a_photo_are_its_hole(file):
    photo = np.dstack([skimage.data.coffee()[100:140, 150:210], np.where(HOLE, 0, 255).astype(np.uint8)])
    photo[9, 15:35, 3] = 128
    wanted = HOLE.copy()
    wanted[9, 15:35] = True
    assert np.array_equal(decode_mask(file(photo), alpha=True), ~wanted)
    for alpha, said in ((255, "no transparent pixels"), (0, "transparent everywhere")):
        photo[..., 3] = alpha
        with pytest.raises(MaskError, match=said):
            decode_mask(file(photo), alpha=True)
    with pytest.raises(MaskError, match="no transparent pixels"):
        decode_mask(file(photo[..., :3]), alpha=True)


def test_a_hole_grows_by_pixels(file):
    assert np.array_equal(decode_mask(file(box()), grow=0), ~HOLE)
    one = scipy.ndimage.binary_dilation(HOLE)
    assert np.array_equal(decode_mask(file(box()), grow=1), ~one)
    with pytest.raises(MaskError, match="grows by 60 pixels"):
        decode_mask(file(box()), grow=60)
    with pytest.raises(SettingsError, match="grow is -1"):
        decode_mask(file(box()), grow=-1)


@pytest.mark.parametrize(("level", "said"), [(255, "all known"), (0, "all hole")])
def test_a_mask_of_one_level_says_which(file, level, said):
    with pytest.raises(MaskError, match=said):
        decode_mask(file(np.full((8, 8), level, dtype=np.uint8)))

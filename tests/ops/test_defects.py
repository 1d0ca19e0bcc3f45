"""What scans suffer from is found, and most of what they show is left alone."""

import numpy as np
import pytest
import scipy.ndimage
import skimage.data
from PIL import Image, ImageDraw, ImageFont

from bigprior.errors import MaskError, SettingsError, UnknownNameError
from bigprior.ops.defects import FINDERS, Finder


@pytest.fixture(scope="module")
def photo():
    return (skimage.data.coffee()[60:316, 150:450] / 255).astype(np.float32)


def drawn(photo, draw, colour):
    """The photo with what ``draw`` draws, and where that is."""
    layer = Image.new("L", photo.shape[1::-1])
    draw(ImageDraw.Draw(layer))
    cover = np.asarray(layer, dtype=np.float32)[..., None] / 255
    return (1 - cover) * photo + cover * np.float32(colour), cover[..., 0] > 0.5


def scratches(pen):
    for x in (40, 130, 260):
        pen.line([(x, 5), (x + 6, 120), (x - 2, 250)], fill=255, width=2)


def dust(pen):
    for x, y in np.random.default_rng(3).integers(8, 240, (30, 2)):
        pen.ellipse([x - 1, y - 1, x + 2, y + 2], fill=255)


def text(pen):
    pen.text((30, 200), "12/08/1974 ROMA", fill=255, font=ImageFont.load_default(24))


@pytest.mark.parametrize(
    ("draw", "colour"), [(scratches, 0.97), (scratches, 0.02), (dust, 0.98), (text, (1, 0.9, 0.2))]
)
def test_most_of_it_is_found_and_little_else(photo, draw, colour):
    damaged, there = drawn(photo, draw, colour)
    found = FINDERS[draw.__name__](damaged)
    assert found.shape == there.shape and found.dtype == bool
    assert found[there].mean() > 0.6
    assert (found & ~scipy.ndimage.binary_dilation(there, iterations=4)).mean() < 0.05


@pytest.mark.parametrize("name", sorted(FINDERS))
def test_a_plain_picture_has_none(name):
    plain = np.tile(np.linspace(0.2, 0.8, 120, dtype=np.float32)[:, None], (100, 1, 3))
    assert not FINDERS[name](plain).any()
    with pytest.raises(MaskError, match=f"searched for {name}, but none was found: paint a mask"):
        Finder(name).hole(plain)
    with pytest.raises(MaskError):
        Finder(name).hole(plain[:1, :1])


def test_what_was_found_grows(photo):
    damaged, _ = drawn(photo, dust, 0.98)
    found = Finder("dust").hole(damaged)
    wider = Finder("dust", grow=2).hole(damaged)
    assert (wider & found).sum() == found.sum() < wider.sum()


def test_what_cannot_be_searched_for(photo):
    with pytest.raises(
        UnknownNameError, match="unknown kind of defect 'ghosts': the known ones are dust, scratches, text"
    ):
        Finder("ghosts")
    with pytest.raises(SettingsError, match="grow is -1"):
        Finder("dust", -1)

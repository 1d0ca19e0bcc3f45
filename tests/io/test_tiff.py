"""TIFF pages: what their tags mean, and which are refused."""

import numpy as np
import pytest
import skimage.io
import tifffile
import torch
from PIL import Image

from bigprior.io.pictures import read_picture


def test_skimage_reads_the_same(tmp_path, pixels, assert_reads):
    for bits in (8, 16):
        wanted = pixels(6, 9, 3, bits=bits)
        tifffile.imwrite(tmp_path / "a.tif", wanted, photometric="rgb", tile=(16, 16), bigtiff=True)
        np.testing.assert_array_equal(skimage.io.imread(tmp_path / "a.tif"), wanted)
        assert_reads(tmp_path / "a.tif", wanted, bits)


def test_white_is_zero_and_odd_depths_in_tiff(tmp_path, pixels, assert_reads):
    wanted = pixels(4, 6)
    tifffile.imwrite(tmp_path / "a.tif", 255 - wanted, photometric="miniswhite")
    assert_reads(tmp_path / "a.tif", wanted)
    tifffile.imwrite(tmp_path / "b.tif", wanted > 127, photometric="minisblack")
    assert_reads(tmp_path / "b.tif", 255 * (wanted > 127))
    tifffile.imwrite(tmp_path / "c.tif", np.array([[0, 4095]], np.uint16), bitspersample=12, photometric="minisblack")
    assert read_picture(tmp_path / "c.tif").image[0, 0].tolist() == [[0, 1]]


def test_associated_alpha_is_divided_out(tmp_path):
    stored = np.array([[[50, 0, 100, 100], [0, 0, 0, 0]]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    picture = read_picture(tmp_path / "a.tif")
    torch.testing.assert_close(picture.image[0, :, 0, 0], torch.tensor([0.5, 0, 1.0]))
    assert not picture.image[0, :, 0, 1].any()


def test_more_than_four_channels_are_refused(tmp_path, pixels, assert_refused):
    stored = pixels(3, 4, 5)
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["unspecified"] * 2, planarconfig="contig"
    )
    assert_refused(tmp_path / "a.tif", "5 channels")


def test_float_tiff_within_the_range(tmp_path):
    stored = np.random.default_rng(0).random((5, 4, 3), np.float32)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb")
    picture = read_picture(tmp_path / "a.tif")
    assert picture.bits == 16
    np.testing.assert_array_equal(picture.image[0].permute(1, 2, 0).numpy(), stored)


@pytest.mark.parametrize(("bad", "word"), [(np.nan, "NaN"), (np.inf, "infinite"), (255.0, "255"), (-0.1, "-0.1")])
def test_float_tiff_out_of_the_range_is_refused(tmp_path, bad, word, assert_refused):
    stored = np.full((2, 2), 0.5, np.float32)
    stored[1, 0] = bad
    tifffile.imwrite(tmp_path / "a.tif", stored)
    assert_refused(tmp_path / "a.tif", word, "[0, 1]")


@pytest.mark.parametrize("kind", [np.int16, np.uint32, np.int32, np.complex64])
def test_tiff_without_a_plain_range_is_refused_by_name(tmp_path, kind, assert_refused):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((2, 3), kind), photometric="minisblack")
    assert_refused(tmp_path / "a.tif", kind.__name__)


def test_lab_and_volumes_are_refused_by_name(tmp_path, assert_refused):
    Image.new("LAB", (3, 2)).save(tmp_path / "a.tif")
    assert_refused(tmp_path / "a.tif", "CIELAB")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((16, 32, 32), np.uint8), volumetric=True, photometric="minisblack")
    assert_refused(tmp_path / "b.tif", "depth 16")


@pytest.mark.parametrize("tags", ["size", "tile", "samples"])
def test_tiff_bomb_is_refused_from_its_header(tmp_path, tags, monkeypatch, pixels, assert_refused):
    tifffile.imwrite(tmp_path / "a.tif", pixels(16, 16), tile=(16, 16), photometric="minisblack")
    patches = {"size": {256: 100_000, 257: 100_000}, "tile": {322: 2**20, 323: 2**20}, "samples": {277: 60_000}}[tags]
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        for code, value in patches.items():
            tiff.pages[0].tags[code].overwrite(value, dtype="I")
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda self: pytest.fail("decoded before the size was checked"))
    wanted = {"size": "100000x100000", "tile": "1048576x1048576", "samples": "60000 channels"}
    assert_refused(tmp_path / "a.tif", wanted[tags])


@pytest.mark.parametrize("code", [257, 279])
def test_tiff_with_missing_strips_is_not_filled_with_black(tmp_path, code, pixels, assert_refused):
    tifffile.imwrite(tmp_path / "a.tif", pixels(16, 16), rowsperstrip=8, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        tag = tiff.pages[0].tags[code]
        tag.overwrite(160 if code == 257 else (tag.value[0], 0))
    assert_refused(tmp_path / "a.tif", "a part is missing")

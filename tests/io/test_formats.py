"""HEIC, JPEG XL and raw files: as their makers wrote them, and one line where a package is missing."""

import sys

import imagecodecs
import numpy as np
import pytest
import tifffile

from bigprior.errors import ImageError
from bigprior.io.folders import list_pictures
from bigprior.io.pictures import read_picture

# A Bayer mosaic, 14 bits, as little as a DNG can say of it.
DNG = [
    (50706, 1, 4, bytes([1, 4, 0, 0]), True),
    (33421, 3, 2, (2, 2), True),
    (33422, 1, 4, bytes([0, 1, 1, 2]), True),
    (50708, 2, 0, "Camera", True),
    (50717, 3, 1, 16383, True),
    (50721, 10, 9, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1), True),
    (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),
]


def smooth(bits):
    """A picture without any corner, (48, 64, 3), of so many bits."""
    y, x = np.mgrid[:48, :64]
    picture = np.stack([x / 63, y / 47, (x + y) / 110], 2) * 0.8 + 0.1
    return (picture * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)


def dng(path):
    """A raw file of a grey card, 80 wide and 64 high."""
    tifffile.imwrite(path, np.full((64, 80), 4000, np.uint16), photometric=32803, extratags=DNG)


@pytest.mark.parametrize("bits", [8, 16])
def test_heic(tmp_path, bits):
    heif = pytest.importorskip("pillow_heif", reason="needs pillow-heif: pip install 'bigprior[formats]'")
    wanted, mode = smooth(bits), "RGB" if bits == 8 else "RGB;16"
    heif.from_bytes(mode, (64, 48), wanted.tobytes()).save(tmp_path / "a.heic", quality=-1)
    picture = read_picture(tmp_path / "a.heic")
    assert picture.bits == bits and not picture.is_grey
    difference = picture.image[0].permute(1, 2, 0).numpy() - wanted / (2**bits - 1)
    # HEIC has fewer pixels of colour than of light; 10 bits of the 16.
    assert np.abs(difference).max() < 6 / 255 and np.abs(difference).mean() < 1 / 255
    assert len(np.unique(picture.image)) > (250 if bits == 16 else 0)
    (tmp_path / "a.heic").write_bytes((tmp_path / "a.heic").read_bytes()[:200])
    with pytest.raises(ImageError, match="truncated or damaged"):
        read_picture(tmp_path / "a.heic")


@pytest.mark.parametrize("bits", [8, 16])
def test_jpeg_xl(tmp_path, bits, assert_reads, assert_refused):
    pytest.importorskip("pillow_jxl", reason="needs pillow-jxl-plugin: pip install 'bigprior[formats]'")
    wanted = smooth(bits)
    (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(wanted, lossless=True))
    assert_reads(tmp_path / "a.jxl", wanted, bits)
    (tmp_path / "a.jxl").write_bytes((tmp_path / "a.jxl").read_bytes()[:40])
    assert_refused(tmp_path / "a.jxl")


@pytest.mark.parametrize("suffix", ["dng", "tif"])
def test_a_raw_file_is_developed(tmp_path, suffix, assert_refused):
    pytest.importorskip("rawpy", reason="needs rawpy: pip install 'bigprior[formats]'")
    dng(tmp_path / f"a.{suffix}")
    picture = read_picture(tmp_path / f"a.{suffix}")
    assert picture.image.shape == (1, 3, 64, 80) and picture.bits == 16
    inner = picture.image[..., 4:-4, 4:-4]
    assert inner.std() < 1e-3 and 0.3 < inner.mean() < 0.7  # a grey card, on the scale of a screen
    (tmp_path / "b.dng").write_bytes((tmp_path / f"a.{suffix}").read_bytes()[:300])
    assert_refused(tmp_path / "b.dng")


@pytest.mark.parametrize(
    ("package", "name", "head"),
    [
        ("pillow_heif", "a.heic", b"\0\0\0\x1cftypheic\0\0\0\0"),
        ("pillow_jxl", "a.jxl", b"\xff\n\xcb@"),
        ("rawpy", "a.raf", b"FUJIFILMCCD-RAW 0201"),
        ("rawpy", "a.cr3", b"\0\0\0\x18ftypcrx "),
        ("rawpy", "a.nef", b"MM\0*\0\0\0\x08"),
    ],
)
def test_without_its_package_a_file_says_what_to_install(tmp_path, monkeypatch, package, name, head, assert_refused):
    for module in (package, "pillow_jxl.JpegXLImagePlugin"):
        monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / name).write_bytes(head + bytes(64))
    assert_refused(tmp_path / name, package.replace("_", "-"), "pip install 'bigprior[formats]'")


def test_folders_hold_them(tmp_path):
    for name in ("a.HEIC", "b.jxl", "c.nef", "d.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in list_pictures(tmp_path)] == ["a.HEIC", "b.jxl", "c.nef"]

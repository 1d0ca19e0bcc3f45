"""Every kind of file that is read, and every refusal, against Pillow and tifffile."""

import os
import struct
import warnings
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from bigprior.errors import ImageError
from bigprior.io import samples
from bigprior.io.arrays import to_numpy
from bigprior.io.pictures import read_picture, write_picture


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, data: bytes, *before: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_png_and_tiff_of_other_writers(tmp_path, channels, bits, pixels, assert_reads):
    wanted = pixels(7, 5, channels, bits=bits)
    flat = wanted[:, :, 0] if channels == 1 else wanted
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(flat))
    assert_reads(tmp_path / "a.png", wanted, bits)
    kind = "rgb" if channels > 2 else "minisblack"
    extras = ["unassalpha"] if channels in (2, 4) else None
    for options in ({}, {"compression": "lzw"}, {"compression": "lzw", "predictor": True}, {"compression": "zlib"}):
        planes = [("contig", flat)] if channels > 1 else [(None, flat)]
        planes += [("separate", np.moveaxis(wanted, 2, 0))] if channels > 1 else []
        for planar, array in planes:
            for order in "<>":
                tifffile.imwrite(
                    tmp_path / "a.tif", array, photometric=kind, planarconfig=planar, extrasamples=extras,
                    byteorder=order, rowsperstrip=3, **options,
                )  # fmt: skip
                assert_reads(tmp_path / "a.tif", wanted, bits)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "gif"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_pillow_modes(tmp_path, suffix, mode, pixels):
    original = Image.fromarray(pixels(9, 6, 3)).convert("P" if (suffix, mode) == ("gif", "RGB") else mode)
    original.save(tmp_path / f"a.{suffix}")
    picture = read_picture(tmp_path / f"a.{suffix}")
    assert (picture.bits, picture.alpha) == (8, None)
    np.testing.assert_array_equal(to_numpy(picture.image), np.asarray(original.convert("RGB")))
    if suffix in ("png", "tif"):  # the others hold grey as a palette
        assert picture.is_grey == (mode in ("1", "L"))


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_as_pillow_reads_it(tmp_path, lossless, pixels, assert_reads):
    Image.fromarray(pixels(20, 30, 4)).save(tmp_path / "a.webp", lossless=lossless)
    with Image.open(tmp_path / "a.webp") as pillow:
        assert_reads(tmp_path / "a.webp", np.asarray(pillow))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_avif_as_pillow_reads_it(tmp_path, mode, orientation, pixels, assert_reads):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels(20, 30, 4), "RGBA").convert(mode).save(tmp_path / "a.avif", exif=exif)
    with Image.open(tmp_path / "a.avif") as pillow:
        assert_reads(tmp_path / "a.avif", np.asarray(ImageOps.exif_transpose(pillow)))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_as_pillow_reads_it(tmp_path, mode, pixels, assert_reads):
    Image.fromarray(pixels(20, 30, 3)).convert(mode).save(tmp_path / "a.jpg", progressive=True)
    with Image.open(tmp_path / "a.jpg") as pillow:
        assert_reads(tmp_path / "a.jpg", np.asarray(pillow))


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    Image.new("CMYK", (4, 2), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    red = read_picture(tmp_path / "a.jpg")
    assert not red.is_grey
    torch.testing.assert_close(red.image[0, :, 0, 0], torch.tensor([1.0, 0.0, 0.0]), atol=0.03, rtol=0)


def test_cmyk_and_ycbcr_tiff_become_rgb(tmp_path, assert_reads):
    Image.new("CMYK", (4, 2), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    assert_reads(tmp_path / "a.tif", np.full((2, 4, 3), (255, 0, 0)))
    ramp = np.repeat(np.linspace(0, 255, 32).astype(np.uint8)[None, :, None], 32, 0).repeat(3, 2)
    tifffile.imwrite(tmp_path / "b.tif", ramp, photometric="rgb", compression="jpeg")
    assert np.abs(to_numpy(read_picture(tmp_path / "b.tif").image).astype(int) - ramp).max() < 8


def test_palette_with_transparency_has_alpha(tmp_path, assert_reads):
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putdata([0, 1])
    picture.save(tmp_path / "a.png", transparency=bytes([255, 64]))
    assert_reads(tmp_path / "a.png", np.array([[[255, 0, 0, 255], [0, 0, 255, 64]]]))
    picture.save(tmp_path / "a.gif", transparency=1)
    assert read_picture(tmp_path / "a.gif").alpha.flatten().tolist() == [1, 0]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_png_with_one_transparent_colour(tmp_path, bits, channels, assert_reads):
    wanted = 10 * np.arange(2 * 3 * channels).reshape(2, 3, channels)
    wanted = wanted.astype(np.uint8 if bits == 8 else ">u2")
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in wanted))
    key = png_chunk(b"tRNS", struct.pack(f">{channels}H", *wanted[1, 1].tolist()))
    (tmp_path / "a.png").write_bytes(png(3, 2, bits, 0 if channels == 1 else 2, rows, key))
    alpha = np.full((2, 3, 1), 2**bits - 1)
    alpha[1, 1] = 0
    assert_reads(tmp_path / "a.png", np.concatenate([wanted, alpha], 2), bits)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_orientation_as_pillow_turns_it(tmp_path, orientation, suffix, pixels, assert_reads):
    original = Image.fromarray(np.kron(pixels(2, 3, 3), np.ones((8, 8, 1), np.uint8)))
    exif = Image.Exif()
    exif[274] = orientation
    options = {"tiffinfo": {274: orientation}} if suffix == "tif" else {"exif": exif}
    original.save(tmp_path / f"a.{suffix}", **options)
    with Image.open(tmp_path / f"a.{suffix}") as pillow:
        assert_reads(tmp_path / f"a.{suffix}", np.asarray(ImageOps.exif_transpose(pillow)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_16_bits_is_that_of_8(tmp_path, orientation, pixels, samples_of):
    wanted = pixels(3, 5, 3, bits=16)
    tag = (274, "H", 1, orientation, True)
    tifffile.imwrite(tmp_path / "a.tif", wanted, photometric="rgb", extratags=[tag])
    Image.fromarray((wanted >> 8).astype(np.uint8)).save(tmp_path / "b.tif", tiffinfo={274: orientation})
    with Image.open(tmp_path / "b.tif") as pillow:
        pillow.load()
        upright = np.asarray(pillow)
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(samples_of(picture) >> 8, upright)

    exif = Image.Exif()
    exif[274] = orientation
    chunk = png_chunk(b"eXIf", exif.tobytes()[6:])  # after the pixels, where some programs put it
    whole = imagecodecs.png_encode(wanted)
    (tmp_path / "a.png").write_bytes(whole[:-12] + chunk + whole[-12:])
    assert torch.equal(read_picture(tmp_path / "a.png").image, picture.image)


def test_damaged_exif_does_not_cost_the_picture(tmp_path, pixels):
    Image.fromarray(pixels(8, 8, 3)).save(tmp_path / "a.jpg", exif=b"Exif\0\0garbage that is no TIFF")
    assert read_picture(tmp_path / "a.jpg").image.shape == (1, 3, 8, 8)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif", "palette.tif"])
def test_of_several_pages_or_frames_one_is_named(tmp_path, suffix, assert_refused):
    path, frames = tmp_path / f"a.{suffix}", [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue", "lime")]
    held = [frame.convert("P") for frame in frames] if "palette" in suffix else frames
    options = {"lossless": True} if suffix == "webp" else {}
    held[0].save(path, save_all=True, append_images=held[1:], **options)
    for number, frame in enumerate(frames, start=1):
        np.testing.assert_array_equal(to_numpy(read_picture(path, number).image), np.asarray(frame))
    assert_refused(path, "holds 3 pages or frames", "--page 1 to 3")
    for number in (0, -1, 4):
        with pytest.raises(ImageError, match=rf"page is {number} but .* holds 3: expected 1 to 3"):
            read_picture(path, number)
    frames[0].save(path, **options)
    assert torch.equal(read_picture(path, 1).image, read_picture(path).image)
    with pytest.raises(ImageError, match=r"page is 2 but .* holds 1: expected 1$"):
        read_picture(path, 2)


def test_smaller_versions_of_a_page_are_no_pages(tmp_path, pixels, assert_reads):
    large, small = pixels(16, 12, 3), pixels(8, 6, 3)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(small, photometric="rgb", subfiletype=1)
        tiff.write(large, photometric="rgb")
        tiff.write(large[:, :, 0] > 9, photometric="minisblack", subfiletype=4)
    assert_reads(tmp_path / "a.tif", large)


@pytest.mark.parametrize(
    ("shape", "kind", "said"),
    [((6, 5, 6), "rgb", "6 channels"), ((6, 5, 5), "separated", "5 channels"), ((6, 5, 4), "minisblack", "4 samples")],
)
def test_more_channels_than_a_picture_has(tmp_path, shape, kind, said, pixels, assert_refused):
    tifffile.imwrite(tmp_path / "a.tif", pixels(*shape), photometric=kind, planarconfig="contig")
    assert_refused(tmp_path / "a.tif", said)


def interlaced(samples, bits=16, before=b""):
    """A PNG of integers (H, W, C) whose rows lie in the seven passes of Adam7."""
    (height, width, channels), rows = samples.shape, b""
    for left, top, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        part = samples[top::dy, left::dx]
        rows += b"".join(b"\0" + row.astype(">u2" if bits == 16 else ">u1").tobytes() for row in part if part.size)
    header = struct.pack(">IIBBBBB", width, height, bits, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 1)
    data = png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + before + data


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (9, 13), (16, 17)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_interlaced_png_without_noise(tmp_path, bits, size, channels, pixels, assert_reads, assert_refused, capfd):
    wanted = pixels(*size, channels, bits=bits)
    (tmp_path / "a.png").write_bytes(interlaced(wanted, bits))
    assert_reads(tmp_path / "a.png", wanted, bits)
    if bits == 16:
        (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-20])
        assert_refused(tmp_path / "a.png", "truncated or damaged")
    assert capfd.readouterr() == ("", "")


def test_an_interlaced_png_with_one_transparent_colour(tmp_path, pixels, assert_reads):
    wanted = pixels(5, 6, 3, bits=16)
    key = png_chunk(b"tRNS", struct.pack(">3H", *wanted[1, 1].tolist()))
    (tmp_path / "a.png").write_bytes(interlaced(wanted, before=key))
    alpha = np.full((5, 6, 1), 2**16 - 1)
    alpha[1, 1] = 0
    assert_reads(tmp_path / "a.png", np.concatenate([wanted, alpha], 2), 16)


def test_odd_chunks_of_a_16_bit_png_make_no_noise(tmp_path, pixels, assert_reads, capfd):
    wanted = pixels(4, 5, 3, bits=16)
    odd = png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"no profile")) + png_chunk(b"gAMA", b"\0\0\0\0")
    whole = imagecodecs.png_encode(wanted)
    (tmp_path / "a.png").write_bytes(whole[:33] + odd + whole[33:])
    assert_reads(tmp_path / "a.png", wanted, 16)
    assert capfd.readouterr() == ("", "")


def test_the_format_is_told_by_the_contents(tmp_path, assert_reads):
    write_picture(tmp_path / "a.png", torch.zeros(1, 3, 2, 2))
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert_reads(tmp_path / "a.jpg", np.zeros((2, 2, 3)))


def test_no_file_a_folder_an_empty_file_and_a_text(tmp_path, assert_refused):
    assert_refused(tmp_path / "none.png", "no picture", "check the name")
    (tmp_path / "folder").mkdir()
    assert_refused(tmp_path / "folder", "a folder")
    (tmp_path / "empty.png").touch()
    assert_refused(tmp_path / "empty.png", "empty")
    (tmp_path / "text.png").write_text("a poem,\nin two lines")
    assert_refused(tmp_path / "text.png", "not a picture", "expected a PNG")
    (tmp_path / "sound.webp").write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + bytes(40))
    assert_refused(tmp_path / "sound.webp", "not a picture")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        assert_refused(tmp_path / "pipe.png", "not a plain file")


def test_postscript_is_never_run(tmp_path, assert_refused):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    assert_refused(tmp_path / "a.png", "not a picture")


def test_no_permission(tmp_path, monkeypatch, assert_refused):
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    if os.geteuid() == 0:  # root may read everything

        def refuse(self, *args, **kwargs):
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "open", refuse)
    else:
        path.chmod(0)
    assert_refused(path, "Permission denied", "check its name and permissions")


@pytest.mark.parametrize("bits", [8, 16])
def test_png_bomb_is_refused_from_its_header(tmp_path, bits, assert_refused):
    (tmp_path / "a.png").write_bytes(png(100_000, 100_000, bits, 2, zlib.compress(bytes(1000))))
    assert_refused(tmp_path / "a.png", "100000x100000", "200 megapixels")


def test_other_bombs_are_refused_from_their_headers(tmp_path, monkeypatch, assert_refused):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.bmp")
    bmp = bytearray((tmp_path / "a.bmp").read_bytes())
    bmp[18:26] = struct.pack("<ii", 60_000, 60_000)
    (tmp_path / "a.bmp").write_bytes(bmp)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    jpeg = bytearray((tmp_path / "a.jpg").read_bytes())
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    (tmp_path / "a.jpg").write_bytes(jpeg)
    gif = b"GIF89a" + struct.pack("<HHBBB", 60_000, 60_000, 0, 0, 0)
    (tmp_path / "a.gif").write_bytes(
        gif + b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x02\x4c\x01\0;"
    )
    monkeypatch.setattr(Image.Image, "convert", lambda *a: pytest.fail("decoded before the size was checked"))
    for suffix in ("bmp", "jpg", "gif"):
        assert_refused(tmp_path / f"a.{suffix}", "60000x60000")


def test_our_limit_not_pillows(tmp_path, monkeypatch, assert_refused):
    path = tmp_path / "a.png"
    write_picture(path, torch.zeros(1, 3, 10, 10))
    before = Image.MAX_IMAGE_PIXELS
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_picture(path).image.shape == (1, 3, 10, 10)
    assert Image.MAX_IMAGE_PIXELS == 40
    monkeypatch.undo()
    assert before == Image.MAX_IMAGE_PIXELS
    monkeypatch.setattr(samples, "MAX_PIXELS", 99)
    assert_refused(path, "10x10")


SAMPLES = {
    "png": lambda p, pixels: Image.fromarray(pixels(40, 50, 3)).save(p),
    "16.png": lambda p, pixels: p.write_bytes(imagecodecs.png_encode(pixels(40, 50, 3, bits=16))),
    "jpg": lambda p, pixels: Image.fromarray(pixels(40, 50, 3)).save(p),
    "webp": lambda p, pixels: Image.fromarray(pixels(40, 50, 3)).save(p),
    "bmp": lambda p, pixels: Image.fromarray(pixels(40, 50, 3)).save(p),
    "gif": lambda p, pixels: Image.fromarray(pixels(40, 50)).save(p),
    "tif": lambda p, pixels: tifffile.imwrite(p, pixels(40, 50, 3), photometric="rgb"),
    "16.tif": lambda p, pixels: tifffile.imwrite(p, pixels(40, 50, 3, bits=16), photometric="rgb", rowsperstrip=8),
    "z.tif": lambda p, pixels: tifffile.imwrite(
        p, pixels(40, 50, 3), photometric="rgb", compression="zlib", rowsperstrip=8
    ),
    "lzw.tif": lambda p, pixels: tifffile.imwrite(
        p, pixels(40, 50, 3), photometric="rgb", compression="lzw", rowsperstrip=8
    ),
    "palette.tif": lambda p, pixels: Image.fromarray(pixels(40, 50)).convert("P").save(p, compression="tiff_lzw"),
}


@pytest.mark.parametrize("suffix", SAMPLES)
@pytest.mark.parametrize("share", [0.002, 0.02, 0.3, 0.5, 0.9])
def test_truncated(tmp_path, suffix, share, capfd, pixels, assert_refused):
    path = tmp_path / f"a.{suffix}"
    SAMPLES[suffix](path, pixels)
    whole = path.read_bytes()
    path.write_bytes(whole[: max(5, int(share * len(whole)))])
    assert_refused(path)
    assert capfd.readouterr() == ("", "")


@settings(max_examples=25)
@given(st.sampled_from(sorted(SAMPLES)), st.integers(0, 2**32), st.integers(0, 255))
def test_any_damaged_byte_gives_a_picture_or_one_line(pixels, tmp_path, suffix, place, byte):
    path = tmp_path / f"a.{suffix}"
    SAMPLES[suffix](path, pixels)
    data = bytearray(path.read_bytes())
    data[place % min(len(data), 300)] = byte  # the header is where damage is most varied
    path.write_bytes(data)
    try:
        assert read_picture(path).image.isfinite().all()
    except ImageError as error:
        assert "\n" not in str(error)

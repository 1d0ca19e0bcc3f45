"""Pictures: every kind that is read, every refusal, and round trips, against Pillow, scikit-image and tifffile."""

import os
import stat
import struct
import warnings
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import skimage.io
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

import bigprior.io.pictures as images
from bigprior.errors import BigpriorError, ImageError, MaskError, OutputError, SettingsError
from bigprior.io.pictures import read_layers, read_mask, read_picture, to_uint8, write_layers, write_picture

SIDE = st.integers(1, 17)
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def pixels(*shape: int, bits: int = 8, seed: int = 0) -> np.ndarray:
    kind = np.uint8 if bits == 8 else np.uint16
    return np.random.default_rng(seed).integers(0, 2**bits, shape, dtype=kind)


def samples_of(picture: images.Picture) -> np.ndarray:
    """The picture as stored: HWC integers, with its alpha."""
    planes = [picture.image[:, :1] if picture.is_grey else picture.image]
    planes += [] if picture.alpha is None else [picture.alpha]
    whole = (torch.cat(planes, 1)[0].permute(1, 2, 0).double() * (2**picture.bits - 1)).numpy()
    assert np.abs(whole - whole.round()).max() < 0.01
    return whole.round().astype(np.uint8 if picture.bits == 8 else np.uint16)


def assert_reads(path: Path, wanted: np.ndarray, bits: int = 8) -> images.Picture:
    picture = read_picture(path)
    assert picture.bits == bits
    assert picture.image.dtype == torch.float32
    assert picture.image.shape == (1, 3, *wanted.shape[:2])
    np.testing.assert_array_equal(samples_of(picture), np.atleast_3d(wanted))
    return picture


def assert_refused(path: Path, *words: str, error: type[BigpriorError] = ImageError) -> None:
    with pytest.raises(error) as caught:
        read_picture(path)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in (*words, path.name)), message


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, data: bytes, *before: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


# ---- round trips


@quick
@given(
    SIDE, SIDE, st.sampled_from([1, 3]), st.booleans(), st.sampled_from([8, 16]), st.sampled_from(["png", "tif"]), SIDE
)
def test_what_is_written_is_read_bit_for_bit(tmp_path, height, width, channels, has_alpha, bits, suffix, seed):
    wanted = pixels(height, width, channels + has_alpha, bits=bits, seed=seed)
    tensor = torch.from_numpy((wanted / (2**bits - 1)).astype(np.float32)).permute(2, 0, 1)[None]
    path = tmp_path / f"picture.{suffix}"
    write_picture(path, tensor[:, :channels], bits=bits, alpha=tensor[:, channels:] if has_alpha else None)
    picture = assert_reads(path, wanted, bits)
    assert picture.is_grey == (channels == 1)
    assert (picture.alpha is not None) == has_alpha
    assert torch.equal(picture.image[:, :channels], tensor[:, :channels])

    independent = imagecodecs.png_decode(path.read_bytes()) if suffix == "png" else tifffile.imread(path)
    np.testing.assert_array_equal(independent, wanted[:, :, 0] if wanted.shape[2] == 1 else wanted)
    if bits == 8:
        with Image.open(path) as pillow:
            np.testing.assert_array_equal(np.atleast_3d(np.asarray(pillow)), wanted)


@quick
@given(SIDE, SIDE, st.booleans())
def test_webp_is_lossless_even_under_transparent_pixels(tmp_path, height, width, has_alpha):
    wanted = pixels(height, width, 3 + has_alpha)
    if has_alpha:
        wanted[..., 3] = np.where(wanted[..., 3] < 100, 0, wanted[..., 3])
        wanted[0, 0, 3] = 0  # WebP drops an alpha that is all opaque
    tensor = torch.from_numpy(wanted).permute(2, 0, 1)[None] / 255
    write_picture(tmp_path / "a.webp", tensor[:, :3], alpha=tensor[:, 3:] if has_alpha else None)
    assert_reads(tmp_path / "a.webp", wanted)


def test_jpeg_is_close_and_keeps_grey(tmp_path):
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
    write_picture(tmp_path / "a.jpg", ramp)
    assert (read_picture(tmp_path / "a.jpg").image - ramp).abs().max() < 0.03
    write_picture(tmp_path / "b.JPEG", ramp[:, :1])
    assert read_picture(tmp_path / "b.JPEG").is_grey


@pytest.mark.parametrize("size", [(1, 1), (3, 5000), (5000, 3)])
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_extreme_sizes(tmp_path, size, name):
    wanted = pixels(*size, 3)
    write_picture(tmp_path / name, torch.from_numpy(wanted).permute(2, 0, 1)[None] / 255)
    assert_reads(tmp_path / name, wanted)


def test_values_are_clipped_and_rounded(tmp_path):
    image = torch.tensor([-0.5, 0.0, 0.4999 / 255, 0.5001 / 255, 1.0, 7.0], requires_grad=True).expand(1, 3, 1, 6)
    assert to_uint8(image)[0, :, 1].tolist() == [0, 0, 0, 1, 255, 255]
    write_picture(tmp_path / "a.png", image.double())
    assert samples_of(read_picture(tmp_path / "a.png"))[0, :, 1].tolist() == [0, 0, 0, 1, 255, 255]


def test_to_uint8_shapes_and_order():
    image = torch.stack([torch.full((2, 4), v) for v in (0.0, 0.2, 1.0)])
    assert to_uint8(image).dtype == np.uint8
    assert to_uint8(image)[1, 3].tolist() == [0, 51, 255]
    assert to_uint8(image[None]).shape == (2, 4, 3)
    assert to_uint8(image[None, :1].bfloat16()).shape == (2, 4, 1)


# ---- kinds of file


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_png_and_tiff_of_other_writers(tmp_path, channels, bits):
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


def test_skimage_reads_the_same(tmp_path):
    for bits in (8, 16):
        wanted = pixels(6, 9, 3, bits=bits)
        tifffile.imwrite(tmp_path / "a.tif", wanted, photometric="rgb", tile=(16, 16), bigtiff=True)
        np.testing.assert_array_equal(skimage.io.imread(tmp_path / "a.tif"), wanted)
        assert_reads(tmp_path / "a.tif", wanted, bits)


RGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = bytes(16) + b"GRAY" + bytes(108)


@pytest.mark.parametrize(
    ("suffix", "bits"), [("png", 8), ("png", 16), ("tif", 8), ("tif", 16), ("jpg", 8), ("webp", 8)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_colour_profile_is_kept(tmp_path, suffix, bits, channels):
    if suffix == "webp" and channels == 1:
        return  # has no grey
    path, profile = tmp_path / f"a.{suffix}", {1: GREY_PROFILE, 3: RGB_PROFILE}[channels]
    image = torch.rand(1, channels, 6, 7)
    write_picture(tmp_path / f"plain.{suffix}", image, bits=bits)
    write_picture(path, image, bits=bits, profile=profile)
    read, plain = read_picture(path), read_picture(tmp_path / f"plain.{suffix}")
    assert read.profile == profile and plain.profile is None
    assert torch.equal(read.image, plain.image) and read.bits == bits  # kept, not applied
    with Image.open(path) as picture:
        assert picture.info["icc_profile"] == profile
    if (suffix, bits) == ("png", 8):  # every reader's own check of the chunk
        np.testing.assert_array_equal(imagecodecs.png_decode(path.read_bytes()), skimage.io.imread(path))


def test_a_profile_of_other_colours_is_not_kept(tmp_path):
    with pytest.raises(SettingsError, match="profile is not of grey"):
        write_picture(tmp_path / "a.png", torch.rand(1, 1, 6, 7), profile=RGB_PROFILE)
    assert not (tmp_path / "a.png").exists()
    cmyk = Image.fromarray(pixels(6, 7, 4), "CMYK")
    cmyk.save(tmp_path / "a.jpg", icc_profile=bytes(16) + b"CMYK" + bytes(108))
    assert read_picture(tmp_path / "a.jpg").profile is None


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "gif"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_pillow_modes(tmp_path, suffix, mode):
    original = Image.fromarray(pixels(9, 6, 3)).convert("P" if (suffix, mode) == ("gif", "RGB") else mode)
    original.save(tmp_path / f"a.{suffix}")
    picture = read_picture(tmp_path / f"a.{suffix}")
    assert (picture.bits, picture.alpha) == (8, None)
    np.testing.assert_array_equal(to_uint8(picture.image), np.asarray(original.convert("RGB")))
    if suffix in ("png", "tif"):  # the others hold grey as a palette
        assert picture.is_grey == (mode in ("1", "L"))


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_as_pillow_reads_it(tmp_path, lossless):
    Image.fromarray(pixels(20, 30, 4)).save(tmp_path / "a.webp", lossless=lossless)
    with Image.open(tmp_path / "a.webp") as pillow:
        assert_reads(tmp_path / "a.webp", np.asarray(pillow))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_as_pillow_reads_it(tmp_path, mode):
    Image.fromarray(pixels(20, 30, 3)).convert(mode).save(tmp_path / "a.jpg", progressive=True)
    with Image.open(tmp_path / "a.jpg") as pillow:
        assert_reads(tmp_path / "a.jpg", np.asarray(pillow))


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    Image.new("CMYK", (4, 2), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    red = read_picture(tmp_path / "a.jpg")
    assert not red.is_grey
    torch.testing.assert_close(red.image[0, :, 0, 0], torch.tensor([1.0, 0.0, 0.0]), atol=0.03, rtol=0)


def test_cmyk_and_ycbcr_tiff_become_rgb(tmp_path):
    Image.new("CMYK", (4, 2), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    assert_reads(tmp_path / "a.tif", np.full((2, 4, 3), (255, 0, 0)))
    ramp = np.repeat(np.linspace(0, 255, 32).astype(np.uint8)[None, :, None], 32, 0).repeat(3, 2)
    tifffile.imwrite(tmp_path / "b.tif", ramp, photometric="rgb", compression="jpeg")
    assert np.abs(to_uint8(read_picture(tmp_path / "b.tif").image).astype(int) - ramp).max() < 8


def test_palette_with_transparency_has_alpha(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putdata([0, 1])
    picture.save(tmp_path / "a.png", transparency=bytes([255, 64]))
    assert_reads(tmp_path / "a.png", np.array([[[255, 0, 0, 255], [0, 0, 255, 64]]]))
    picture.save(tmp_path / "a.gif", transparency=1)
    assert read_picture(tmp_path / "a.gif").alpha.flatten().tolist() == [1, 0]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_png_with_one_transparent_colour(tmp_path, bits, channels):
    wanted = 10 * np.arange(2 * 3 * channels).reshape(2, 3, channels)
    wanted = wanted.astype(np.uint8 if bits == 8 else ">u2")
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in wanted))
    key = png_chunk(b"tRNS", struct.pack(f">{channels}H", *wanted[1, 1].tolist()))
    (tmp_path / "a.png").write_bytes(png(3, 2, bits, 0 if channels == 1 else 2, rows, key))
    alpha = np.full((2, 3, 1), 2**bits - 1)
    alpha[1, 1] = 0
    assert_reads(tmp_path / "a.png", np.concatenate([wanted, alpha], 2), bits)


def test_white_is_zero_and_odd_depths_in_tiff(tmp_path):
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


def test_unspecified_extra_channels_are_dropped(tmp_path):
    stored = pixels(3, 4, 5)
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["unspecified"] * 2, planarconfig="contig"
    )
    assert_reads(tmp_path / "a.tif", stored[:, :, :3])


def test_float_tiff_within_the_range(tmp_path):
    stored = np.random.default_rng(0).random((5, 4, 3), np.float32)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb")
    picture = read_picture(tmp_path / "a.tif")
    assert picture.bits == 16
    np.testing.assert_array_equal(picture.image[0].permute(1, 2, 0).numpy(), stored)


@pytest.mark.parametrize(("bad", "word"), [(np.nan, "NaN"), (np.inf, "infinite"), (255.0, "255"), (-0.1, "-0.1")])
def test_float_tiff_out_of_the_range_is_refused(tmp_path, bad, word):
    stored = np.full((2, 2), 0.5, np.float32)
    stored[1, 0] = bad
    tifffile.imwrite(tmp_path / "a.tif", stored)
    assert_refused(tmp_path / "a.tif", word, "[0, 1]")


@pytest.mark.parametrize("kind", [np.int16, np.uint32, np.int32, np.complex64])
def test_tiff_without_a_plain_range_is_refused_by_name(tmp_path, kind):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((2, 3), kind), photometric="minisblack")
    assert_refused(tmp_path / "a.tif", kind.__name__)


def test_lab_and_volumes_are_refused_by_name(tmp_path):
    Image.new("LAB", (3, 2)).save(tmp_path / "a.tif")
    assert_refused(tmp_path / "a.tif", "CIELAB")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((16, 32, 32), np.uint8), volumetric=True, photometric="minisblack")
    assert_refused(tmp_path / "b.tif", "depth 16")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_orientation_as_pillow_turns_it(tmp_path, orientation, suffix):
    original = Image.fromarray(np.kron(pixels(2, 3, 3), np.ones((8, 8, 1), np.uint8)))
    exif = Image.Exif()
    exif[274] = orientation
    options = {"tiffinfo": {274: orientation}} if suffix == "tif" else {"exif": exif}
    original.save(tmp_path / f"a.{suffix}", **options)
    with Image.open(tmp_path / f"a.{suffix}") as pillow:
        assert_reads(tmp_path / f"a.{suffix}", np.asarray(ImageOps.exif_transpose(pillow)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_16_bits_is_that_of_8(tmp_path, orientation):
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


def test_damaged_exif_does_not_cost_the_picture(tmp_path):
    Image.fromarray(pixels(8, 8, 3)).save(tmp_path / "a.jpg", exif=b"Exif\0\0garbage that is no TIFF")
    assert read_picture(tmp_path / "a.jpg").image.shape == (1, 3, 8, 8)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_the_first_frame_of_an_animation(tmp_path, suffix):
    red, blue = (Image.new("RGB", (4, 3), c) for c in ("red", "blue"))
    options = {"lossless": True} if suffix == "webp" else {}
    red.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[blue], **options)
    assert_reads(tmp_path / f"a.{suffix}", np.asarray(red))


def test_the_format_is_told_by_the_contents(tmp_path):
    write_picture(tmp_path / "a.png", torch.zeros(1, 3, 2, 2))
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert_reads(tmp_path / "a.jpg", np.zeros((2, 2, 3)))


@pytest.mark.parametrize(
    ("channels", "alpha", "bits", "wanted"),
    [
        (3, False, 8, "<Picture 640x480 RGB 8-bit>"),
        (1, True, 16, "<Picture 640x480 grey+alpha 16-bit>"),
    ],
)
def test_repr(tmp_path, channels, alpha, bits, wanted):
    plane = torch.zeros(1, 1, 480, 640) if alpha else None
    write_picture(tmp_path / "a.png", torch.zeros(1, channels, 480, 640), bits=bits, alpha=plane)
    assert repr(read_picture(tmp_path / "a.png")) == wanted


# ---- refusals


def test_no_file_a_folder_an_empty_file_and_a_text(tmp_path):
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


def test_postscript_is_never_run(tmp_path):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    assert_refused(tmp_path / "a.png", "not a picture")


def test_no_permission(tmp_path, monkeypatch):
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
def test_png_bomb_is_refused_from_its_header(tmp_path, bits):
    (tmp_path / "a.png").write_bytes(png(100_000, 100_000, bits, 2, zlib.compress(bytes(1000))))
    assert_refused(tmp_path / "a.png", "100000x100000", "200 megapixels")


@pytest.mark.parametrize("tags", ["size", "tile", "samples"])
def test_tiff_bomb_is_refused_from_its_header(tmp_path, tags, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", pixels(16, 16), tile=(16, 16), photometric="minisblack")
    patches = {"size": {256: 100_000, 257: 100_000}, "tile": {322: 2**20, 323: 2**20}, "samples": {277: 60_000}}[tags]
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        for code, value in patches.items():
            tiff.pages[0].tags[code].overwrite(value, dtype="I")
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda self: pytest.fail("decoded before the size was checked"))
    wanted = {"size": "100000x100000", "tile": "1048576x1048576", "samples": "60000 samples"}
    assert_refused(tmp_path / "a.tif", wanted[tags])


def test_other_bombs_are_refused_from_their_headers(tmp_path, monkeypatch):
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


def test_our_limit_not_pillows(tmp_path, monkeypatch):
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
    monkeypatch.setattr(images, "MAX_PIXELS", 99)
    assert_refused(path, "10x10")


SAMPLES = {
    "png": lambda p: Image.fromarray(pixels(40, 50, 3)).save(p),
    "16.png": lambda p: p.write_bytes(imagecodecs.png_encode(pixels(40, 50, 3, bits=16))),
    "jpg": lambda p: Image.fromarray(pixels(40, 50, 3)).save(p),
    "webp": lambda p: Image.fromarray(pixels(40, 50, 3)).save(p),
    "bmp": lambda p: Image.fromarray(pixels(40, 50, 3)).save(p),
    "gif": lambda p: Image.fromarray(pixels(40, 50)).save(p),
    "tif": lambda p: tifffile.imwrite(p, pixels(40, 50, 3), photometric="rgb"),
    "16.tif": lambda p: tifffile.imwrite(p, pixels(40, 50, 3, bits=16), photometric="rgb", rowsperstrip=8),
    "z.tif": lambda p: tifffile.imwrite(p, pixels(40, 50, 3), photometric="rgb", compression="zlib", rowsperstrip=8),
    "lzw.tif": lambda p: tifffile.imwrite(p, pixels(40, 50, 3), photometric="rgb", compression="lzw", rowsperstrip=8),
    "palette.tif": lambda p: Image.fromarray(pixels(40, 50)).convert("P").save(p, compression="tiff_lzw"),
}


@pytest.mark.parametrize("suffix", SAMPLES)
@pytest.mark.parametrize("share", [0.002, 0.02, 0.3, 0.5, 0.9])
def test_truncated(tmp_path, suffix, share, capfd):
    path = tmp_path / f"a.{suffix}"
    SAMPLES[suffix](path)
    whole = path.read_bytes()
    path.write_bytes(whole[: max(5, int(share * len(whole)))])
    assert_refused(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("code", [257, 279])
def test_tiff_with_missing_strips_is_not_filled_with_black(tmp_path, code):
    tifffile.imwrite(tmp_path / "a.tif", pixels(16, 16), rowsperstrip=8, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        tag = tiff.pages[0].tags[code]
        tag.overwrite(160 if code == 257 else (tag.value[0], 0))
    assert_refused(tmp_path / "a.tif", "a part is missing")


@quick
@given(st.sampled_from(sorted(SAMPLES)), st.integers(0, 2**32), st.integers(0, 255))
def test_any_damaged_byte_gives_a_picture_or_one_line(tmp_path, suffix, place, byte):
    path = tmp_path / f"a.{suffix}"
    SAMPLES[suffix](path)
    data = bytearray(path.read_bytes())
    data[place % min(len(data), 300)] = byte  # the header is where damage is most varied
    path.write_bytes(data)
    try:
        assert read_picture(path).image.isfinite().all()
    except ImageError as error:
        assert "\n" not in str(error)


# ---- masks


def test_mask_is_one_where_known(tmp_path):
    Image.fromarray(np.array([[0, 127, 128, 255]], np.uint8)).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png")
    assert mask.shape == (1, 1, 1, 4)
    assert mask.dtype == torch.float32
    assert mask.flatten().tolist() == [0, 0, 1, 1]
    tifffile.imwrite(tmp_path / "m.tif", np.array([[32767, 32768]], np.uint16))
    assert read_mask(tmp_path / "m.tif").flatten().tolist() == [0, 1]


def test_mask_ignores_alpha(tmp_path):
    Image.fromarray(np.array([[[255, 255, 255, 0], [0, 0, 0, 255]]], np.uint8)).save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png").flatten().tolist() == [1, 0]


@pytest.mark.parametrize(("value", "word"), [(255, "nothing to fill"), (0, "nothing to keep")])
def test_mask_of_one_value_is_refused(tmp_path, value, word):
    Image.new("L", (3, 2), value).save(tmp_path / "m.png")
    with pytest.raises(MaskError, match=word):
        read_mask(tmp_path / "m.png")


# ---- writing that is refused, or fails


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(1, 2, 4, 4),
        torch.zeros(2, 3, 4, 4),
        torch.zeros(4, 4),
        torch.zeros(1, 3, 0, 4),
        torch.zeros(1, 3, 4, 4, dtype=torch.uint8),
        torch.full((1, 3, 2, 2), torch.nan),
        torch.full((1, 3, 2, 2), torch.inf),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path, image):
    with pytest.raises(ImageError, match="expected floats in"):
        to_uint8(image)
    with pytest.raises(ImageError, match="expected floats in"):
        write_picture(tmp_path / "a.png", image)
    assert not list(tmp_path.iterdir())


def test_settings_that_a_format_cannot_hold(tmp_path):
    image, alpha = torch.zeros(1, 3, 2, 2), torch.ones(1, 1, 2, 2)
    with pytest.raises(SettingsError, match=r"'\.gif': expected one of \.png"):
        write_picture(tmp_path / "a.gif", image)
    with pytest.raises(SettingsError, match="expected 8 or 16"):
        write_picture(tmp_path / "a.png", image, bits=12)
    for name in ("a.jpg", "a.webp"):
        with pytest.raises(SettingsError, match="holds 8 bits, not 16"):
            write_picture(tmp_path / name, image, bits=16)
    with pytest.raises(SettingsError, match="holds no alpha"):
        write_picture(tmp_path / "a.jpg", image, alpha=alpha)
    with pytest.raises(ImageError, match="alpha is"):
        write_picture(tmp_path / "a.png", image, alpha=alpha[..., :1])
    with pytest.raises(ImageError, match="alpha has NaN"):
        write_picture(tmp_path / "a.png", image, alpha=alpha * torch.nan)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", "a.webp"])
@pytest.mark.parametrize("cause", [RuntimeError("the encoder\nfell over"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, name, cause):
    path = tmp_path / name
    write_picture(path, torch.ones(1, 3, 4, 4))
    old = path.read_bytes()

    def fail(*args, **kwargs):
        raise cause

    monkeypatch.setattr(imagecodecs, "png_encode", fail)
    monkeypatch.setattr(tifffile.TiffWriter, "write", fail)
    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(KeyboardInterrupt if isinstance(cause, KeyboardInterrupt) else OutputError) as caught:
        write_picture(path, torch.zeros(1, 3, 4, 4))
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "folder.png", tmp_path / "file" / "a.png"):
        with pytest.raises(OutputError, match="cannot write"):
            write_picture(path, torch.zeros(1, 3, 2, 2))
    with pytest.raises(OutputError, match="cannot write"):  # WebP ends at 16383 pixels a side
        write_picture(tmp_path / "a.webp", torch.zeros(1, 3, 1, 16384))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    write_picture(tmp_path / "new" / "a.png", torch.zeros(1, 3, 2, 2))
    modes = {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "usual", tmp_path / "new" / "a.png")}
    assert len(modes) == 1


# ---- layers

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


@quick
@given(st.dictionaries(NAMES, st.tuples(st.sampled_from([1, 3]), SIDE, SIDE), min_size=1, max_size=4), SIDE)
def test_layers_come_back_bit_for_bit(tmp_path, shapes, seed):
    random = np.random.default_rng(seed)
    layers = {}
    for name, shape in shapes.items():  # any bits, so NaN, infinities and subnormals too
        bits = random.integers(0, 2**32, (1, *shape), dtype=np.uint32)
        layers[name] = torch.from_numpy(bits.view(np.float32))
    write_layers(tmp_path / "layers.tif", layers)
    again = read_layers(tmp_path / "layers.tif")
    assert list(again) == list(layers)
    for name, layer in layers.items():
        assert torch.equal(again[name].view(torch.int32), layer.view(torch.int32))


def test_layers_are_pages_that_others_read(tmp_path):
    layers = {"fidelity": torch.rand(1, 3, 5, 6), "phi map": torch.rand(1, 1, 5, 6, requires_grad=True)}
    write_layers(tmp_path / "layers.tiff", layers)
    with tifffile.TiffFile(tmp_path / "layers.tiff") as tiff:
        assert [page.description for page in tiff.pages] == list(layers)
        assert [page.tags[285].value for page in tiff.pages] == list(layers)
        np.testing.assert_array_equal(tiff.pages[0].asarray(), layers["fidelity"][0].permute(1, 2, 0))
        np.testing.assert_array_equal(tiff.pages[1].asarray(), layers["phi map"][0, 0].detach())
    assert torch.equal(read_picture(tmp_path / "layers.tiff").image, layers["fidelity"])


@pytest.mark.parametrize(
    ("name", "layers", "error", "match"),
    [
        ("a.tif", {}, SettingsError, "at least one"),
        ("a.png", {"phi": torch.zeros(1, 1, 2, 2)}, SettingsError, "'.png'"),
        ("a.tif", {"": torch.zeros(1, 1, 2, 2)}, SettingsError, "layer name ''"),
        ("a.tif", {" phi": torch.zeros(1, 1, 2, 2)}, SettingsError, "layer name ' phi'"),
        ("a.tif", {"φ": torch.zeros(1, 1, 2, 2)}, SettingsError, "layer name"),
        ("a.tif", {"phi": torch.zeros(1, 1, 2, 2).double()}, ImageError, "float64"),
        ("a.tif", {"phi": torch.zeros(1, 2, 2, 2)}, ImageError, "'phi' is float32"),
        ("a.tif", {"phi": torch.zeros(1, 1, 0, 2)}, ImageError, "'phi' is float32"),
    ],
)
def test_layers_that_are_refused(tmp_path, name, layers, error, match):
    with pytest.raises(error, match=match):
        write_layers(tmp_path / name, layers)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_of_layers_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "layers.tif"
    write_layers(path, {"phi": torch.zeros(1, 1, 2, 2)})
    old = path.read_bytes()
    calls = []
    real = tifffile.TiffWriter.write

    def fail_second(self, *args, **kwargs):
        calls.append(0)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(tifffile.TiffWriter, "write", fail_second)
    with pytest.raises(OutputError, match="No space left"):
        write_layers(path, {"a": torch.ones(1, 1, 2, 2), "b": torch.ones(1, 1, 2, 2)})
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_foreign_files_are_no_layers(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", pixels(2, 3), description="phi")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((2, 3), np.float32), metadata=None)
    Image.new("RGB", (2, 2)).save(tmp_path / "c.png")
    (tmp_path / "d.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:60])
    for name in ("a.tif", "b.tif", "c.png", "d.tif", "none.tif"):
        with pytest.raises(ImageError, match=name):
            read_layers(tmp_path / name)

"""Pictures as tensors: round trips, masks, and writes that are refused or fail."""

import stat
import struct

import imagecodecs
import numpy as np
import pytest
import skimage.io
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from bigprior.errors import ImageError, MaskError, OutputError, SettingsError
from bigprior.io.arrays import to_numpy
from bigprior.io.pictures import read_mask, read_picture, write_picture

SIDE = st.integers(1, 17)


@settings(max_examples=25)
@given(
    SIDE, SIDE, st.sampled_from([1, 3]), st.booleans(), st.sampled_from([8, 16]), st.sampled_from(["png", "tif"]), SIDE
)
def test_what_is_written_is_read_bit_for_bit(
    pixels, assert_reads, tmp_path, height, width, channels, has_alpha, bits, suffix, seed
):
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


@settings(max_examples=25)
@given(SIDE, SIDE, st.booleans())
def test_webp_is_lossless_even_under_transparent_pixels(pixels, assert_reads, tmp_path, height, width, has_alpha):
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
def test_extreme_sizes(tmp_path, size, name, pixels, assert_reads):
    wanted = pixels(*size, 3)
    write_picture(tmp_path / name, torch.from_numpy(wanted).permute(2, 0, 1)[None] / 255)
    assert_reads(tmp_path / name, wanted)


def test_values_are_clipped_and_rounded(tmp_path, samples_of):
    image = torch.tensor([-0.5, 0.0, 0.4999 / 255, 0.5001 / 255, 1.0, 7.0], requires_grad=True).expand(1, 3, 1, 6)
    assert to_numpy(image)[0, :, 1].tolist() == [0, 0, 0, 1, 255, 255]
    write_picture(tmp_path / "a.png", image.double())
    assert samples_of(read_picture(tmp_path / "a.png"))[0, :, 1].tolist() == [0, 0, 0, 1, 255, 255]


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


def test_a_profile_of_other_colours_is_not_kept(tmp_path, pixels):
    with pytest.raises(SettingsError, match="profile is not of grey"):
        write_picture(tmp_path / "a.png", torch.rand(1, 1, 6, 7), profile=RGB_PROFILE)
    assert not (tmp_path / "a.png").exists()
    cmyk = Image.fromarray(pixels(6, 7, 4), "CMYK")
    cmyk.save(tmp_path / "a.jpg", icc_profile=bytes(16) + b"CMYK" + bytes(108))
    assert read_picture(tmp_path / "a.jpg").profile is None


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


def test_mask_is_one_where_known(tmp_path):
    Image.fromarray(np.array([[0, 127, 128, 255, 255, 255]], np.uint8)).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png")
    assert mask.shape == (1, 1, 1, 6)
    assert mask.dtype == torch.float32
    assert mask.flatten().tolist() == [0, 0, 0, 1, 1, 1]  # what is not wholly known is hole
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
        to_numpy(image)
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


def test_places_that_cannot_be_written(tmp_path, pixels):
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


def test_floats_on_a_scale_of_255_are_no_white_picture(tmp_path):
    for image, peak in ((torch.rand(1, 3, 4, 4) * 255, 255), (torch.full((1, 1, 4, 4), 60000.0), 65535)):
        with pytest.raises(ImageError, match=f"expected floats in .0, 1.; pass x / {peak}"):
            write_picture(tmp_path / "a.png", image)
    assert not list(tmp_path.iterdir())


def profile_with(curve: bytes) -> bytes:
    """An RGB profile that has a tone curve of red alone."""
    return bytes(16) + b"RGB " + bytes(108) + struct.pack(">I4sII", 1, b"rTRC", 144, len(curve)) + curve


@pytest.mark.parametrize(
    ("curve", "linear"),
    [
        (struct.pack(">4s4xI", b"curv", 0), True),
        (struct.pack(">4s4xIH", b"curv", 1, 256), True),
        (struct.pack(">4s4xIH", b"curv", 1, 563), False),
        (struct.pack(">4s4xIHH", b"curv", 2, 0, 65535), False),
        (struct.pack(">4s4xHxxi", b"para", 0, 1 << 16), True),
        (struct.pack(">4s4xHxxi", b"para", 3, 157286), False),
        (b"", False),
    ],
)
def test_a_profile_says_whether_a_picture_is_linear(tmp_path, curve, linear):
    path = tmp_path / "a.png"
    write_picture(path, torch.rand(1, 3, 4, 5), bits=16, profile=profile_with(curve))
    assert read_picture(path).is_linear == linear


def test_a_common_profile_is_not_linear(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write_picture(tmp_path / "a.png", torch.rand(1, 3, 4, 5), profile=profile)
    assert not read_picture(tmp_path / "a.png").is_linear
    write_picture(tmp_path / "a.png", torch.rand(1, 3, 4, 5))
    assert not read_picture(tmp_path / "a.png").is_linear

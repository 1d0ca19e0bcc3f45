"""Arrays in and out: every layout and type that is taken, and one clear line for every other."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bigprior.errors import ImageError
from bigprior.io.arrays import as_picture, in_eight_bits, to_numpy, to_pil
from bigprior.io.pictures import read_picture

SIDE = st.integers(1, 17)


def test_to_numpy_shapes_and_order():
    image = torch.stack([torch.full((2, 4), v) for v in (0.0, 0.2, 1.0)])
    assert to_numpy(image).dtype == np.uint8
    assert to_numpy(image)[1, 3].tolist() == [0, 51, 255]
    assert to_numpy(image[None]).shape == (2, 4, 3)
    assert to_numpy(image[None, :1].bfloat16()).shape == (2, 4, 1)


@given(SIDE, SIDE, st.sampled_from([(), (1,), (3,)]), st.sampled_from(["uint8", "uint16", "float32", "float64"]))
def test_what_goes_in_comes_out(height, width, last, dtype):
    random = np.random.default_rng(height * width)
    shape = (height, width, *last)
    most = np.iinfo(dtype).max if dtype.startswith("uint") else 1
    array = random.random(shape, np.float32).astype(dtype) if most == 1 else random.integers(0, most, shape, dtype)
    picture = as_picture(array)
    assert picture.dtype == torch.float32
    assert picture.shape == (1, 3 if last == (3,) else 1, height, width)
    np.testing.assert_array_equal(to_numpy(picture, dtype), array.reshape(*shape[:2], -1))
    assert torch.equal(as_picture(to_numpy(picture, dtype)), picture)


@pytest.mark.parametrize("shape", [(1, 5, 6), (3, 5, 6), (1, 1, 5, 6), (4, 3, 5, 6), (2, 1, 5, 6)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.uint8, torch.uint16])
def test_tensors_of_every_layout(shape, dtype):
    whole = torch.randint(0, 256, shape)
    tensor = (whole / 255).to(dtype) if dtype.is_floating_point else whole.to(dtype)
    picture = as_picture(tensor)
    assert picture.dtype == torch.float32 and picture.shape == (*(1,) * (4 - len(shape)), *shape)
    wanted = whole / (65535 if dtype == torch.uint16 else 255)
    torch.testing.assert_close(picture.view(shape), wanted, atol=5e-4 if dtype == torch.float16 else 0, rtol=0)


def test_a_tensor_that_is_what_is_asked_for_is_not_copied():
    x = torch.rand(2, 3, 4, 5, requires_grad=True)
    assert as_picture(x) is x


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "I;16"])
def test_pillow_images_are_read_as_their_files_are(tmp_path, pixels, mode):
    deep = mode == "I;16"
    image = Image.fromarray(pixels(9, 6, bits=16) if deep else pixels(9, 6, 3)).convert(mode)
    assert image.mode == mode
    image.save(tmp_path / "a.tif")
    try:
        with Image.open(tmp_path / "a.tif") as again:
            again.load()
    except OSError:
        pytest.skip("this Pillow cannot read the file that it has written")
    held = as_picture(image)
    assert torch.equal(held.expand(-1, 3, -1, -1), read_picture(tmp_path / "a.tif").image)
    assert held.shape[1] == (1 if mode in ("1", "L", "I;16") else 3)


@given(SIDE, SIDE, st.sampled_from(["L", "RGB"]))
def test_pillow_images_come_back(pixels, height, width, mode):
    image = Image.fromarray(pixels(height, width, 3)).convert(mode)
    again = to_pil(as_picture(image))
    assert again.mode == mode and again.size == (width, height)
    np.testing.assert_array_equal(np.asarray(again), np.asarray(image))


def test_noise_beyond_the_range_is_kept():
    y = torch.rand(1, 3, 20, 20) + torch.randn(1, 3, 20, 20)
    assert torch.equal(as_picture(y), y)
    assert torch.equal(as_picture(to_numpy(y, np.float32)), y)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((4, 5), bool), ["bool (4, 5)", "a mask is no picture"]),
        (torch.zeros(1, 1, 4, 5, dtype=torch.bool), ["bool", "a mask is no picture"]),
        (np.zeros((4, 5, 3), np.int64), ["int64 (4, 5, 3)", "expected uint8, uint16, or floats in [0, 1]"]),
        (torch.zeros(3, 4, 5, dtype=torch.int32), ["int32 (3, 4, 5)", "expected uint8"]),
        (np.zeros((4, 5, 3), np.uint32), ["uint32", "expected uint8"]),
        (np.full((4, 5, 3), 200.0), ["float64 (4, 5, 3)", "up to 200", "x / 255"]),
        (np.full((4, 5), 4000, np.float32), ["up to 4000", "x / 65535"]),
        (torch.full((1, 3, 4, 5), 255.0), ["up to 255", "x / 255"]),
        (torch.tensor([-20.0, 270.0]).view(1, 1, 1, 2), ["up to 270"]),
        (np.full((4, 5), np.nan), ["NaN or infinite"]),
        (torch.full((1, 3, 4, 5), torch.inf), ["NaN or infinite"]),
        (np.zeros((4, 5, 4), np.uint8), ["alpha", "x[:, :, :3]"]),
        (np.zeros((4, 5, 2), np.uint8), ["alpha", "x[:, :, :1]"]),
        (np.zeros((3, 40, 50), np.uint8), ["channels first", "x.transpose(1, 2, 0)"]),
        (np.zeros((2, 4, 5, 3), np.uint8), ["(2, 4, 5, 3)", "one picture", "(N, 3, H, W)"]),
        (np.zeros(7, np.uint8), ["(7,)", "one picture"]),
        (np.zeros((4, 0, 3), np.uint8), ["at least one pixel"]),
        (torch.zeros(0, 3, 4, 5), ["at least one pixel"]),
        (torch.zeros(4, 5), ["(4, 5)", "(N, 3, H, W)"]),
        (torch.zeros(40, 50, 3), ["(40, 50, 3)", "x.movedim(-1, -3)"]),
        (torch.zeros(2, 4, 40, 50), ["(2, 4, 40, 50)", "(N, 3, H, W)"]),
        (Image.new("RGBA", (3, 2)), ["'RGBA'", "alpha", ".convert('RGB')"]),
        (Image.new("LA", (3, 2)), ["'LA'", ".convert('L')"]),
        (Image.new("F", (3, 2)), ["'F'"]),
        ("photo.png", ["a str is not a picture", "read_picture reads a file"]),
        ([[0.5]], ["a list is not a picture", "expected a numpy array"]),
    ],
    ids=lambda x: "" if isinstance(x, list) else type(x).__name__,
)
def test_what_is_no_picture_is_refused_in_one_line(x, words):
    with pytest.raises(ImageError) as caught:
        as_picture(x)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize("dtype", [np.int16, bool, np.float16])
def test_types_that_are_not_given(dtype):
    with pytest.raises(ImageError, match="expected uint8, uint16, float32 or float64"):
        to_numpy(torch.zeros(1, 3, 2, 2), dtype)


def test_a_batch_is_no_picture_to_give():
    for give in (to_numpy, to_pil):
        with pytest.raises(ImageError, match=r"float32 \(2, 3, 4, 4\): expected"):
            give(torch.zeros(2, 3, 4, 4))


def test_eight_bits_cut_and_round():
    values = torch.tensor([-0.2, 0.0, 0.4 / 255, 0.6 / 255, 100.2 / 255, 1.0, 1.3])
    assert (255 * in_eight_bits(values)).tolist() == pytest.approx([0, 0, 0, 1, 100, 255, 255])

"""Pictures in and out of memory: numpy arrays, Pillow images and tensors of every usual layout."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from bigprior.errors import ImageError
from bigprior.io.samples import Array, plain_mode, scaled

#: Floats above this are not of [0, 1], whatever noise was added to them: they were on a scale of 255 or 65535.
NO_SUCH_NOISE = 16.0
#: And without a single negative, which noise would have, this is far enough.
_NO_SUCH_LIGHT = 2.0
_DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N")


def as_picture(x: Array | Image.Image | Tensor) -> Tensor:
    """A picture, however it is held, as float32 (N, C, H, W), nominally in [0, 1]; C is 1 of a grey one, else 3.

    Args:
        x: one of

            - numpy (H, W), (H, W, 1) or (H, W, 3) RGB: uint8, uint16, or floats in [0, 1];
            - a Pillow image, grey or colour, without alpha; as it is held, not turned by its orientation tag;
            - a tensor (1, H, W), (3, H, W), (N, 1, H, W) or (N, 3, H, W) of the same kinds of number. One that is what
              is asked for comes back as it is, on its device.

    Raises:
        ImageError: anything else: another layout or type, alpha, no pixel, or floats on a scale of 255 or 65535.
    """
    if isinstance(x, Image.Image):
        return _from_pillow(x)
    if isinstance(x, Tensor):
        return _from_tensor(x)
    if isinstance(x, np.ndarray):
        return _from_numpy(x)
    raise ImageError(
        f"a {type(x).__name__} is not a picture: expected a numpy array, a Pillow image or a tensor"
        + ("; read_picture reads a file" if isinstance(x, str) or hasattr(x, "__fspath__") else "")
    )


def to_numpy(image: Tensor, dtype: npt.DTypeLike = np.uint8, *, name: str = "image") -> Array:
    """One picture as (H, W, C), C = 3 (RGB) or 1.

    Args:
        image: floats in [0, 1], (1, C, H, W) or (C, H, W).
        dtype: uint8 or uint16, clipped to [0, 1] and rounded; or float32 or float64, as they are.
        name: what an error calls it.

    Raises:
        ImageError: not such a tensor, NaN or infinite values, values on a scale of 255 or 65535, or another ``dtype``.
    """
    kind = np.dtype(dtype)
    if kind not in (np.uint8, np.uint16, np.float32, np.float64):
        raise ImageError(f"dtype is {kind}: expected uint8, uint16, float32 or float64")
    batch = image[None] if image.ndim == 3 else image
    if not batch.is_floating_point() or not is_one_picture(batch):
        raise ImageError(f"{name} is {described(image)}: expected floats in [0, 1], (1, 3, H, W) or (1, 1, H, W)")
    batch = batch.detach().cpu()
    batch = batch if kind == np.float64 else batch.float()
    if not batch.isfinite().all():
        raise ImageError(f"{name} has NaN or infinite values: expected floats in [0, 1]; mend what computed it")
    if kind.kind == "u":
        if (most := float(batch.max())) > NO_SUCH_NOISE:
            raise ImageError(other_scale(f"{name} is {described(image)}", most))
        batch = (batch.clamp(0, 1) * np.iinfo(kind).max).round()
    samples: Array = batch[0].permute(1, 2, 0).contiguous().numpy().astype(kind)
    return samples


def to_pil(image: Tensor) -> Image.Image:
    """One picture as a Pillow image of 8 bits, RGB or grey; ``image`` as for :func:`to_numpy`.

    Raises:
        ImageError: not such a tensor, or NaN or infinite values.
    """
    samples = to_numpy(image)
    return Image.fromarray(samples[:, :, 0] if samples.shape[2] == 1 else samples)


def in_eight_bits(x: Tensor) -> Tensor:
    """Values (...), nominally in [0, 1], as a file of 8 bits holds them: cut to [0, 1] and rounded."""
    return (x.clamp(0, 1) * 255).round() / 255


def is_one_picture(tensor: Tensor) -> bool:
    """Whether it is (1, 1, H, W) or (1, 3, H, W) with at least one pixel."""
    return tensor.ndim == 4 and tuple(tensor.shape[:2]) in ((1, 1), (1, 3)) and tensor.numel() > 0


def described(x: Array | Tensor) -> str:
    """The type and shape of an array, as an error says them: ``float32 (1, 3, 20, 30)``."""
    return f"{str(x.dtype).removeprefix('torch.')} {tuple(x.shape)}"


def _from_pillow(picture: Image.Image) -> Tensor:
    if picture.mode in _DEEP_MODES:
        return _from_numpy(np.asarray(picture).astype(np.uint16))
    mode = plain_mode(picture, "the image")
    if mode.endswith("A"):
        raise ImageError(f"the image has alpha (Pillow mode {picture.mode!r}): pass .convert({mode[:-1]!r})")
    return _from_numpy(np.asarray(picture.convert(mode)))


def _from_numpy(array: Array) -> Tensor:
    shape, what = array.shape, f"array is {described(array)}"
    if array.ndim == 3 and shape[2] in (2, 4):
        raise ImageError(f"{what}, with an alpha: expected (H, W, 3) or (H, W); drop it, x[:, :, :{shape[2] - 1}]")
    if array.ndim == 3 and shape[2] not in (1, 3) and shape[0] in (1, 3):
        raise ImageError(f"{what}, channels first: expected (H, W, 3) or (H, W); pass x.transpose(1, 2, 0)")
    if array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (1, 3)):
        raise ImageError(f"{what}: expected one picture, (H, W, 3) or (H, W); several are a tensor (N, 3, H, W)")
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        values = scaled(np.atleast_3d(array), int(np.iinfo(array.dtype).max))
    elif array.dtype.kind == "f":
        values = np.atleast_3d(array).astype(np.float32)
    else:
        raise ImageError(f"{what}: {_wanted(str(array.dtype))}")
    return _checked(torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None], what)


def _from_tensor(tensor: Tensor) -> Tensor:
    what = f"tensor is {described(tensor)}"
    batch = tensor[None] if tensor.ndim == 3 else tensor
    if batch.ndim != 4 or batch.shape[1] not in (1, 3):
        last = (
            "; channels come first, pass x.movedim(-1, -3)" if tensor.ndim >= 3 and tensor.shape[-1] in (1, 3) else ""
        )
        raise ImageError(f"{what}: expected (N, 3, H, W), (3, H, W), (N, 1, H, W) or (1, H, W){last}")
    if batch.dtype in (torch.uint8, torch.uint16):
        return _checked(batch.float() / torch.iinfo(batch.dtype).max, what)
    if not batch.is_floating_point():
        raise ImageError(f"{what}: {_wanted(str(batch.dtype).removeprefix('torch.'))}")
    return _checked(batch.float(), what)


def _wanted(dtype: str) -> str:
    hint = "a mask is no picture" if dtype == "bool" else "say what its numbers stand for by scaling them"
    return f"expected uint8, uint16, or floats in [0, 1]; {hint}"


def _checked(picture: Tensor, what: str) -> Tensor:
    """The picture (N, C, H, W), if it has pixels and can be of [0, 1], noise and all."""
    if picture.numel() == 0:
        raise ImageError(f"{what}: expected at least one pixel")
    least, most = (float(value) for value in picture.detach().aminmax())
    if not math.isfinite(most - least):
        raise ImageError(f"{what} with NaN or infinite values: expected floats in [0, 1]; mend what computed it")
    if most > NO_SUCH_NOISE or (most > _NO_SUCH_LIGHT and least >= 0):
        raise ImageError(other_scale(what, most))
    return picture


def other_scale(what: str, most: float) -> str:
    """What is said of floats up to ``most``, which is too many for [0, 1]."""
    peak = 255 if most <= 255 else 65535
    return f"{what} with values up to {most:g}: expected floats in [0, 1]; pass x / {peak}"

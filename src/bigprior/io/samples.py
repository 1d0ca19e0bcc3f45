"""Pictures as numpy arrays, (H, W, samples): what their numbers stand for, which way is up, how many may come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bigprior.errors import ImageError
from bigprior.io.metadata import Metadata

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 200_000_000  # 2.4 GB as float32 RGB

_GREY_MODES = ("1", "L", "LA", "La")
_COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")

Array = npt.NDArray[Any]

_TURNS: dict[int, Callable[[Array], Array]] = {  # orientation -> how an HWC array is turned upright
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


@dataclass(frozen=True, eq=False)
class Decoded:
    """A picture as its file holds it, upright, before torch is needed.

    Attributes:
        values: float32 (H, W, C) in [0, 1]: grey, grey and alpha, RGB, or RGB and alpha.
        bits: 8 or 16 per channel: what the file held, rounded up (16 for floats).
        profile: the ICC profile of the file, or None if it had none; perhaps of other colours than ``values``.
        metadata: what else the file says about the picture.
    """

    values: Array
    bits: int
    profile: bytes | None = None
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.values.shape[:2]
        return height, width


def scaled(samples: Array, peak: int) -> Array:
    """Stored samples as float32, ``peak`` becoming 1."""
    values: Array = np.divide(samples, np.float32(peak), dtype=np.float32)
    return values


def upright(values: Array, orientation: int) -> Array:
    """(H, W, C) turned as an orientation tag says; an unknown value, and 1, turn nothing."""
    turned: Array = _TURNS.get(orientation, np.asarray)(values)
    return turned


def check_size(path: Path | str, width: int, height: int) -> None:
    """Refuse a picture from its header, before memory is asked for.

    Raises:
        ImageError: more than ``MAX_PIXELS``.
    """
    if width * height > MAX_PIXELS:
        limit = f"{MAX_PIXELS // 10**6} megapixels"
        raise ImageError(f"{path} says it is {width}x{height}: expected at most {limit}; make it smaller or crop it")


def chosen_page(name: str, count: int, number: int | None) -> int:
    """The index of a page, of so many, that was asked for by its number.

    Raises:
        ImageError: none was, or there is none of that number.
    """
    if number is None and count > 1:
        choose = f"choose the photo's with page (--page 1 to {count}), or save one alone"
        raise ImageError(f"{name} holds {count} pages or frames: expected one; {choose}")
    if number is not None and not 1 <= number <= count:
        raise ImageError(f"page is {number} but {name} holds {count}: expected 1{f' to {count}' * (count > 1)}")
    return (number or 1) - 1


def plain_mode(picture: Image, name: Path | str) -> str:
    """The mode of 8 bits, of L, LA, RGB and RGBA, that a Pillow picture converts to without loss of what it shows.

    Raises:
        ImageError: a mode that is neither grey nor colour; the message calls the picture ``name``.
    """
    if picture.mode not in _GREY_MODES + _COLOUR_MODES:
        raise ImageError(f"{name} has Pillow mode {picture.mode!r}: expected grey or colour; save it as RGB")
    plain = "L" if picture.mode in _GREY_MODES else "RGB"
    return {"L": "LA", "RGB": "RGBA"}[plain] if picture.has_transparency_data else plain

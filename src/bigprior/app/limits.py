"""What a stranger may send: how large a file, how many pixels, and which names it may have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bigprior.errors import ImageError, SettingsError

#: The most pixels along a side of a blur's kernel: all of them are gone through for each pixel of a picture.
KERNEL_PX = 255
#: Of a file's name, all that could mean another place.
_UNSAFE = re.compile(r"[^\w.-]+")


class TooLargeError(ImageError):
    """A file of more bytes, or a picture of more pixels, than is taken here."""


@dataclass(frozen=True)
class Limits:
    """The most that is taken.

    Attributes:
        megapixels: of a picture, as its header says.
        megabytes: of all that is sent at once.

    Raises:
        SettingsError: limits that let nothing through.
    """

    megapixels: float = 24
    megabytes: float = 64

    def __post_init__(self) -> None:
        for name in ("megapixels", "megabytes"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"the limit of {name} is {getattr(self, name)}: expected a number above 0")

    def check(self, path: Path) -> None:
        """Refuse a picture by its size and its header, before it is decoded.

        Raises:
            ImageError: not a picture.
            TooLargeError: above a limit.
        """
        self._check_bytes(path)
        if (pixels := _pixels(size := _size(path))) > self.megapixels:
            raise TooLargeError(
                f"{path.name} says it is {size[1]}x{size[0]}, {pixels:.0f} megapixels: expected at most "
                f"{self.megapixels:g}; make it smaller or crop it"
            )

    def check_kernel(self, path: Path) -> None:
        """Refuse what is to be a blur's kernel, a picture or an array in ``.npy``, in the same way.

        Raises:
            ImageError: neither.
            TooLargeError: above a limit of bytes, or of :data:`KERNEL_PX`.
        """
        self._check_bytes(path)
        if max(size := _size(path)) > KERNEL_PX:
            raise TooLargeError(
                f"{path.name} says it is {size[1]}x{size[0]} pixels: expected a kernel of at most {KERNEL_PX} a side"
            )

    def check_result(self, name: str, size: tuple[int, int]) -> None:
        """Refuse a photo by the height and width that its result would have.

        Raises:
            TooLargeError: above a limit.
        """
        if (pixels := _pixels(size)) > self.megapixels:
            raise TooLargeError(
                f"{name} would become {size[1]}x{size[0]}, {pixels:.0f} megapixels: expected at most "
                f"{self.megapixels:g}; enlarge it less, or crop it before"
            )

    def _check_bytes(self, path: Path) -> None:
        if (size := path.stat().st_size / 1e6) > self.megabytes:
            raise TooLargeError(f"{path.name} has {size:.0f} MB: expected at most {self.megabytes:g}; make it smaller")


def _pixels(size: tuple[int, int]) -> float:
    """Megapixels."""
    return size[0] * size[1] / 1e6


def _size(path: Path) -> tuple[int, int]:
    """Height and width as a file's header says."""
    from bigprior.io.decoding import declared_size

    if path.suffix.lower() != ".npy":
        return declared_size(path)
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            (height, width), _, kind = read(file)
            if kind.itemsize > 16:
                raise ValueError(f"{kind} are no numbers")
            return height, width
    except (OSError, ValueError, TypeError) as error:
        why = " ".join(str(error).split())
        raise ImageError(f"{path.name} is no array of a kernel ({why}): expected rows and columns in .npy") from None


def safe_name(name: str | None, otherwise: str) -> str:
    """The last part of a file's name as a stranger gave it, such that it is one within any folder."""
    last = re.split(r"[/\\]", name or "")[-1]
    return _UNSAFE.sub("_", last).lstrip("._")[-80:] or otherwise

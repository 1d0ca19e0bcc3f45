"""What a stranger may send: how large a file, how many pixels, and which names it may have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bigprior.errors import ImageError, SettingsError

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
        from bigprior.io.decoding import declared_size

        if (size := path.stat().st_size / 1e6) > self.megabytes:
            raise TooLargeError(f"{path.name} has {size:.0f} MB: expected at most {self.megabytes:g}; make it smaller")
        height, width = declared_size(path)
        if (pixels := height * width / 1e6) > self.megapixels:
            raise TooLargeError(
                f"{path.name} says it is {width}x{height}, {pixels:.0f} megapixels: expected at most "
                f"{self.megapixels:g}; make it smaller or crop it"
            )


def safe_name(name: str | None, otherwise: str) -> str:
    """The last part of a file's name as a stranger gave it, such that it is one within any folder."""
    last = re.split(r"[/\\]", name or "")[-1]
    return _UNSAFE.sub("_", last).lstrip("._")[-80:] or otherwise

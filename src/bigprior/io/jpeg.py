"""What a JPEG file holds before it is decoded: whole numbers, and what each is a multiple of."""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from bigprior.errors import ImageError, SettingsError
from bigprior.io import metadata
from bigprior.io.files import reading
from bigprior.io.samples import Array, check_size

#: Segments that say something about the picture, and nothing of its numbers: comments, and all of an application's
#: but those of JFIF and Adobe, which say what the components are.
_SAID = frozenset({0xFE, *range(0xE1, 0xF0)} - {0xEE})


@dataclass(frozen=True, eq=False)
class Stored:
    """A JPEG's numbers, upright.

    Attributes:
        coefficients: of each component, grey or Y, Cb and Cr, whole numbers (rows, columns, 8, 8): blocks, and in each
            the frequencies down and across.
        tables: of each component, what they are multiples of, (8, 8).
        sampling: of each component, how many blocks down and across stand for the pixels that the coarsest one's
            single block does.
        size: height and width in pixels.
        corner: where the picture begins in its blocks, down and across, in pixels: 0 unless it was turned.
    """

    coefficients: tuple[Array, ...]
    tables: tuple[Array, ...]
    sampling: tuple[tuple[int, int], ...]
    size: tuple[int, int]
    corner: tuple[int, int] = (0, 0)

    def transposed(self) -> Stored:
        """Rows for columns."""
        return Stored(
            tuple(c.transpose(1, 0, 3, 2) for c in self.coefficients),
            tuple(table.T for table in self.tables),
            tuple((v, h) for h, v in self.sampling),
            (self.size[1], self.size[0]),
            (self.corner[1], self.corner[0]),
        )

    def mirrored(self) -> Stored:
        """The left side on the right."""
        signs = np.where(np.arange(8) % 2, -1, 1).astype(np.int16)
        width = 8 * self.coefficients[0].shape[1] // self.sampling[0][1] * max(h for _, h in self.sampling)
        return replace(
            self,
            coefficients=tuple(c[:, ::-1] * signs for c in self.coefficients),
            corner=(self.corner[0], width - self.size[1] - self.corner[1]),
        )

    def upright(self, orientation: int) -> Stored:
        """Turned as an orientation tag says; an unknown value, and 1, turn nothing."""
        turned = self.transposed() if orientation in (5, 6, 7, 8) else self
        if orientation in (2, 3, 6, 7):
            turned = turned.mirrored()
        if orientation in (3, 4, 7, 8):
            turned = turned.transposed().mirrored().transposed()
        return turned


def read_jpeg(path: Path | str) -> Stored:
    """The numbers of a JPEG file, baseline or progressive, grey or YCbCr.

    Raises:
        ImageError: no such file, not a JPEG, damaged, too large, or of other colours.
        SettingsError: what reads them is not installed.
    """
    reader = _reader()
    with reading(path) as file:
        content = file.read()
        if not content.startswith(b"\xff\xd8\xff"):
            raise ImageError(f"{path} is not a JPEG file: its own numbers are what is restored, not its pixels")
        file.seek(0)
        picture = JpegImageFile(file)
        check_size(path, *picture.size)
        sampling = _sampling(picture, path)
        picture.load()  # refuses what is damaged
        numbers, tables = _numbers(_bare(content), reader)
        size = picture.height, picture.width
        grid = [-(-side // (8 * max(axis))) for side, axis in zip(size, zip(*sampling, strict=True), strict=True)]
        coefficients = tuple(
            np.pad(c, [(0, g * s - there) for g, s, there in zip(grid, one, c.shape, strict=False)] + [(0, 0)] * 2)
            for c, one in zip(numbers, sampling, strict=True)
        )
        stored = Stored(coefficients, tables, sampling, size)
        return stored.upright(metadata.orientation_of(picture))


def tables_of(quality: int) -> Array:
    """The tables of Y, Cb and Cr in files that Pillow writes, (3, 8, 8) float32, for a quality of 1 to 100."""
    stored = io.BytesIO()
    Image.new("YCbCr", (8, 8)).save(stored, "JPEG", quality=quality)
    stored.seek(0)
    written = JpegImageFile(stored)
    tables = [np.array(written.quantization[i], np.float32).reshape(8, 8) for i in (0, 1)]
    return np.stack([tables[0], tables[1], tables[1]])


def _sampling(picture: JpegImageFile, path: Path | str) -> tuple[tuple[int, int], ...]:
    """Blocks down and across of each component.

    Raises:
        ImageError: other colours than grey or YCbCr, or components whose samples cover no whole number of pixels.
    """
    kinds = [kind for kind, *_ in picture.layer]
    adobe = picture.info.get("adobe_transform")
    if len(kinds) not in (1, 3) or adobe == 0 or (adobe is None and kinds == [*b"RGB"]):
        colours = "CMYK" if len(kinds) == 4 else "RGB" if len(kinds) == 3 else f"{len(kinds)} components"
        raise ImageError(f"{path} is a JPEG of {colours}: expected grey or YCbCr, as nearly all are")
    if len(kinds) == 1:
        return ((1, 1),)
    sampling = tuple((v, h) for _, h, v, _ in picture.layer)
    if any(max(axis) % one for axis in zip(*sampling, strict=True) for one in axis):
        raise ImageError(f"{path} has components of {sampling} samples: expected ones that divide each other")
    return sampling


def _bare(content: bytes) -> bytes:
    """A JPEG file's bytes without what it says about the picture, of which a library may expect only so much."""
    kept, at = [content[:2]], 2
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        if content[at + 1] == 0xFF:  # padding
            at += 1
            continue
        after = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if content[at + 1] not in _SAID:
            kept.append(content[at:after])
        at = after
    return b"".join([*kept, content[at:]])


def _reader() -> Any:
    """The package that reads a JPEG's numbers.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        return import_module("jpeglib")
    except ImportError as error:
        raise SettingsError(
            "jpeglib, which reads the numbers of a JPEG file, is not installed: pip install 'bigprior[jpeg]'"
        ) from error


def _numbers(content: bytes, reader: Any) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Of each component, its blocks of coefficients and its table."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bare.jpg"
        file.write_bytes(content)
        read = reader.read_dct(str(file))
        read.load()
    coefficients = tuple(c for c in (read.Y, read.Cb, read.Cr) if c is not None)
    return coefficients, tuple(read.qt[i] for i in read.quant_tbl_no)

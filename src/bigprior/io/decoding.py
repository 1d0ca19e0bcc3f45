"""Picture files to numpy arrays. No torch: a file that is no picture is refused before anything slow is loaded."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np
import tifffile
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from bigprior.errors import ImageError
from bigprior.io.files import reading
from bigprior.io.samples import ORIENTATION_TAG, Decoded, check_size, plain_mode, scaled, upright
from bigprior.io.tiff import check_page, is_tiff, picture_of

_Reader = Callable[[BinaryIO], Image.Image]
# Pillow's classes are called directly: Image.open() would warn or refuse by its own global limit, and would try every
# format it knows, some of which run other programs.
_PILLOW: dict[bytes, _Reader] = {
    b"\x89PNG": PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
    b"RIFF": WebPImageFile,
    b"BM": BmpImageFile,
    b"GIF8": GifImageFile,
}


def decode(path: Path | str) -> Decoded:
    """Decode a PNG, TIFF, JPEG, WebP, BMP or GIF: its first page or frame, turned as its orientation tag says.

    The format is told by the contents, not by the suffix. Palettes and CMYK become RGB; a float TIFF must be in [0, 1].

    Raises:
        ImageError: no such file, not readable, not a picture, damaged, above ``MAX_PIXELS``, or of an unclear range.
    """
    with reading(path) as file:
        return _decode_tiff(file) if is_tiff(file) else _decode_other(file)


def _decode_tiff(file: BinaryIO) -> Decoded:
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages.first
        kind = tifffile.PHOTOMETRIC(page.photometric).name
        check_page(page, file.name)
        if kind not in ("PALETTE", "SEPARATED", "YCBCR") or page.bitspersample > 8:
            return picture_of(page, file.name)
        file.seek(0)
        return _decode_pillow(file, TiffImageFile)


def _decode_other(file: BinaryIO) -> Decoded:
    head = file.read(32)
    file.seek(0)
    reader = next((r for magic, r in _PILLOW.items() if head.startswith(magic)), None)
    if reader is None or (reader is WebPImageFile and head[8:12] != b"WEBP"):
        raise ImageError(f"{file.name} is not a picture: expected a PNG, TIFF, JPEG, WebP, BMP or GIF file")
    if reader is not PngImageFile:
        return _decode_pillow(file, reader)
    width, height, bits = struct.unpack_from(">IIB", head, 16)
    check_size(file.name, width, height)
    return _decode_pillow(file, reader, deep=bits == 16)


def _decode_pillow(file: BinaryIO, reader: _Reader, deep: bool = False) -> Decoded:
    picture = reader(file)
    check_size(file.name, *picture.size)
    picture.load()
    profile = picture.info.get("icc_profile")
    orientation = _orientation(picture)  # after load(): some files end with their tags
    if deep:  # a PNG of 16 bits, of which Pillow keeps 8
        file.seek(0)
        samples = imagecodecs.png_decode(file.read())
        return Decoded(upright(scaled(np.atleast_3d(samples), 2**16 - 1), orientation), 16, profile)
    samples = np.asarray(picture.convert(plain_mode(picture, file.name)))
    return Decoded(upright(scaled(np.atleast_3d(samples), 2**8 - 1), orientation), 8, profile)


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # a damaged tag raises many types, and says nothing about the pixels
        return 1

"""Picture files to numpy arrays. No torch: a file that is no picture is refused before anything slow is loaded."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tifffile
from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from bigprior.errors import ImageError
from bigprior.io import metadata
from bigprior.io.files import reading
from bigprior.io.formats import RAW_SUFFIXES, decode_raw, decoder_of
from bigprior.io.formats import SUFFIXES as MORE_SUFFIXES
from bigprior.io.png import decode_deep
from bigprior.io.samples import Decoded, check_size, chosen_page, plain_mode, scaled, upright
from bigprior.io.tiff import check_page, is_tiff, picture_of

#: The files of a folder that are taken for pictures; what is in them is told by their contents.
USUAL_SUFFIXES = (".avif", ".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
SUFFIXES = (*USUAL_SUFFIXES, *MORE_SUFFIXES, *RAW_SUFFIXES)
#: Bits of a TIFF page's NewSubfileType: a smaller version of another page, and a mask of one.
_NO_PAGE = 1 | 4
_DNG_VERSION = 50706
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
#: Where an AVIF says what it is, behind the length of what it says: still, or moving.
_AVIF = slice(4, 12), (b"ftypavif", b"ftypavis")


def decode(path: Path | str, page: int | None = None) -> Decoded:
    """Decode a PNG, TIFF, JPEG, WebP, AVIF, BMP or GIF, turned as its orientation tag says.

    With the extra ``formats`` also HEIC, JPEG XL and cameras' raw files (:mod:`bigprior.io.formats`).

    The format is told by the contents, not by the suffix. Palettes and CMYK become RGB; a float TIFF must be in [0, 1].

    Args:
        path: the file.
        page: which page of a TIFF or frame of an animation, from 1 on; to be left out only where there is one. Smaller
            versions of a TIFF's page, and masks, are no pages.

    Raises:
        ImageError: no such file, not readable, not a picture, damaged, above ``MAX_PIXELS``, of an unclear range, of
            several pages without ``page``, or without that page.
    """
    with reading(path) as file:
        if (decoder := decoder_of(file)) is not None:
            return decoder(file, page)
        return _decode_tiff(file, page) if is_tiff(file) else _decode_other(file, page)


def declared_size(path: Path | str) -> tuple[int, int]:
    """Height and width in pixels of the largest page or frame, as a file's header says; no pixel is decoded.

    But for what the extra ``formats`` reads, whose headers say no such thing in one place.

    Raises:
        ImageError: no such file, not readable, not a picture, or damaged.
    """
    with reading(path) as file:
        if (decoder := decoder_of(file)) is not None:
            return decoder(file, None).size
        if is_tiff(file):
            with tifffile.TiffFile(file) as tiff:
                sizes = [(page.aspage().imagelength, page.aspage().imagewidth) for page in tiff.pages]
            return max(sizes, key=lambda size: size[0] * size[1])
        width, height = _reader_of(file)(file).size
        return height, width


def _decode_tiff(file: BinaryIO, number: int | None) -> Decoded:
    with tifffile.TiffFile(file) as tiff:
        if _DNG_VERSION in tiff.pages.first.tags:
            file.seek(0)
            return decode_raw(file, number)
        pages = [i for i, page in enumerate(tiff.pages) if not page.aspage().subfiletype & _NO_PAGE] or [0]
        index = pages[chosen_page(file.name, len(pages), number)]
        page = tiff.pages[index].aspage()
        kind = tifffile.PHOTOMETRIC(page.photometric).name
        check_page(page, file.name)
        if kind not in ("PALETTE", "SEPARATED", "YCBCR") or page.bitspersample > 8:
            picture = picture_of(page, file.name)
        else:
            file.seek(0)
            picture = _decode_pillow(file, TiffImageFile, index + 1)
        return replace(picture, metadata=metadata.of_tiff(file))


def _reader_of(file: BinaryIO) -> _Reader:
    """What decodes a file that is no TIFF."""
    head = file.read(32)
    file.seek(0)
    reader = next((r for magic, r in _PILLOW.items() if head.startswith(magic)), None)
    if head[_AVIF[0]] in _AVIF[1]:
        reader = AvifImageFile
    if reader is None or (reader is WebPImageFile and head[8:12] != b"WEBP"):
        raise ImageError(f"{file.name} is not a picture: expected a PNG, TIFF, JPEG, WebP, AVIF, BMP or GIF file")
    return reader


def _decode_other(file: BinaryIO, page: int | None) -> Decoded:
    if (reader := _reader_of(file)) is not PngImageFile:
        return _decode_pillow(file, reader, page)
    head = file.read(32)
    file.seek(0)
    width, height, bits = struct.unpack_from(">IIB", head, 16)
    check_size(file.name, width, height)
    return _decode_pillow(file, reader, page, deep=bits == 16)


def _decode_pillow(file: BinaryIO, reader: _Reader, page: int | None, deep: bool = False) -> Decoded:
    picture = reader(file)
    check_size(file.name, *picture.size)
    if index := chosen_page(file.name, getattr(picture, "n_frames", 1), page):
        if deep:
            raise ImageError(f"page is {page} but {file.name} is an animation of 16 bits: save its frame alone")
        picture.seek(index)
    picture.load()
    profile = picture.info.get("icc_profile")
    orientation = metadata.orientation_of(picture)  # after load(): some files end with their tags
    said = metadata.of_picture(picture)
    if deep:  # a PNG of 16 bits, of which Pillow keeps 8
        file.seek(0)
        samples = decode_deep(file.read())
        return Decoded(upright(scaled(np.atleast_3d(samples), 2**16 - 1), orientation), 16, profile, said)
    samples = np.asarray(picture.convert(plain_mode(picture, file.name)))
    return Decoded(upright(scaled(np.atleast_3d(samples), 2**8 - 1), orientation), 8, profile, said)

"""Formats that need the extra ``formats``: HEIC, JPEG XL and cameras' raw files, as numpy arrays.

A raw file is developed by LibRaw: demosaiced, in the camera's own white balance, as sRGB of 16 bits, no brighter than
it was exposed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np

from bigprior.errors import ImageError
from bigprior.io import metadata
from bigprior.io.samples import Array, Decoded, check_size, chosen_page, plain_mode, scaled

#: Suffixes of these files; a folder's pictures are told by them.
SUFFIXES = (".heic", ".heif", ".jxl")
#: Suffixes of raw files. Most of them begin as any TIFF does.
RAW_SUFFIXES = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".iiq", ".mef", ".mos", ".nef", ".nrw", ".orf", ".pef"),
    *(".raf", ".rw2", ".sr2", ".srw"),
)
_TIFFS = (b"II*\0", b"MM\0*")
_RAW = (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR")
_HEIF = tuple(b"ftyp" + brand for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_JXL = (b"\xff\n", b"\0\0\0\x0cJXL \r\n\x87\n")

_Decoder = Callable[[BinaryIO, int | None], Decoded]


def decoder_of(file: BinaryIO) -> _Decoder | None:
    """What decodes an open file, by how it begins; None for one that needs no extra. Reading starts over.

    It raises an ImageError where the package that it needs is not installed.
    """
    head = file.read(32)
    file.seek(0)
    if head[4:12] in _HEIF:
        return _decode_heif
    if head.startswith(_JXL):
        return _decode_jxl
    of_camera = Path(str(file.name)).suffix.lower() in RAW_SUFFIXES
    if (
        head.startswith(_RAW)
        or head[4:12] == b"ftypcrx "
        or (head.startswith(_TIFFS) and (of_camera or head[8:10] == b"CR"))
    ):
        return decode_raw
    return None


def decode_raw(file: BinaryIO, page: int | None) -> Decoded:
    """A camera's raw file, developed, float32 (H, W, 3) in [0, 1] of 16 bits."""
    rawpy = _needed("rawpy", file.name, "a camera's raw file")
    chosen_page(file.name, 1, page)
    is_tiff = file.read(4) in _TIFFS
    said = metadata.of_tiff(file) if is_tiff else metadata.Metadata()
    file.seek(0)
    with rawpy.imread(file) as raw:
        check_size(file.name, raw.sizes.width, raw.sizes.height)
        samples = raw.postprocess(output_bps=16, use_camera_wb=True, no_auto_bright=True)
    return Decoded(scaled(samples, 2**16 - 1), 16, None, said)


def _decode_heif(file: BinaryIO, page: int | None) -> Decoded:
    heif = _needed("pillow_heif", file.name, "HEIC")
    container = heif.open_heif(file, convert_hdr_to_8bit=False)
    frame: Any = container[chosen_page(file.name, len(container), page)]
    check_size(file.name, *frame.size)
    mode, _, deep = str(frame.mode).partition(";")
    if mode not in ("L", "LA", "RGB", "RGBA"):
        raise ImageError(f"{file.name} has mode {frame.mode!r}: expected grey or colour; save it as PNG")
    bits = int(frame.info.get("bit_depth", 8))
    # Of 10 or 12 bits, libheif gives the upper ones of 16.
    peak = (2**bits - 1) << (16 - bits) if deep else 2**8 - 1
    values = scaled(np.atleast_3d(np.asarray(frame)), peak)  # libheif has turned it as the file says
    return Decoded(values, 16 if deep else 8, frame.info.get("icc_profile"), metadata.of_picture(frame))


def _decode_jxl(file: BinaryIO, page: int | None) -> Decoded:
    plugin = _needed("pillow_jxl.JpegXLImagePlugin", file.name, "JPEG XL")
    picture = plugin.JXLImageFile(file)
    check_size(file.name, *picture.size)
    if index := chosen_page(file.name, getattr(picture, "n_frames", 1), page):
        picture.seek(index)
    picture.load()
    profile, said = picture.info.get("icc_profile"), metadata.of_picture(picture)
    file.seek(0)
    samples: Array = imagecodecs.jpegxl_decode(file.read(), index=index)  # all bits, of which Pillow has 8
    if samples.dtype == np.uint8:
        samples = np.asarray(picture.convert(plain_mode(picture, file.name)))
        return Decoded(scaled(np.atleast_3d(samples), 2**8 - 1), 8, profile, said)
    values = scaled(np.atleast_3d(samples), 2**16 - 1 if samples.dtype == np.uint16 else 1)
    if not (values.min() >= 0 and values.max() <= 1):  # false for NaN too
        raise ImageError(f"{file.name} has floats beyond [0, 1]: expected values in that range; scale them first")
    return Decoded(values, 16, profile, said)


def _needed(package: str, name: str, what: str) -> Any:
    """A package of the extra.

    Raises:
        ImageError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(package)
    except ImportError as error:
        missing = package.partition(".")[0].replace("_", "-")
        raise ImageError(f"{name} is {what}, which needs {missing}: pip install 'bigprior[formats]'") from error

"""Pages of TIFF files: what they hold, exactly as stored or as a picture in [0, 1], and how ours are written."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile

from bigprior.errors import ImageError
from bigprior.io.metadata import ORIENTATION_TAG
from bigprior.io.samples import Array, Decoded, check_size, scaled, upright

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two are BigTIFF


def is_tiff(file: BinaryIO) -> bool:
    """Whether the file begins as a TIFF does; reading starts over."""
    head = file.read(4)
    file.seek(0)
    return head in _TIFF


def check_page(page: tifffile.TiffPage, path: Path | str) -> None:
    """Refuse a page from its tags, before memory is asked for.

    Raises:
        ImageError: too large, a volume, or of too many samples a pixel.
    """
    check_size(path, page.imagewidth, page.imagelength)
    check_size(path, page.tilewidth, page.tilelength)
    if page.imagedepth != 1 or page.samplesperpixel > 4:
        what = f"depth {page.imagedepth} and {page.samplesperpixel} channels"
        raise ImageError(f"{path} has {what}: expected a flat picture of at most 4; save the ones you mean as RGB")


def stored(page: tifffile.TiffPage, path: Path | str) -> Array:
    """The samples of a page as they are, (H, W, samples).

    Raises:
        ImageError: as :func:`check_page`, or a part of the page is missing.
    """
    check_page(page, path)
    counts = page.databytecounts
    ends = [start + count for start, count in zip(page.dataoffsets, counts, strict=False)]
    # tifffile fills what a file lacks with zeros.
    if len(ends) < math.prod(page.chunked) or 0 in counts or max(ends) > page.parent.filehandle.size:
        raise ImageError(f"{path} is truncated or damaged (a part is missing): get a whole copy of it")
    samples = page.asarray()
    if page.axes == "SYX":
        samples = np.moveaxis(samples, 0, 2)
    return samples.reshape(page.imagelength, page.imagewidth, page.samplesperpixel)


def picture_of(page: tifffile.TiffPage, path: Path | str) -> Decoded:
    """A grey or RGB page of 8 or 16 bits, or of floats in [0, 1], as a picture.

    Raises:
        ImageError: as :func:`stored`, another kind of page, or values of an unclear range.
    """
    kind = tifffile.PHOTOMETRIC(page.photometric)
    colours = {"MINISWHITE": 1, "MINISBLACK": 1, "RGB": 3}.get(kind.name)
    if colours is None or not colours <= page.samplesperpixel <= colours + 1:
        what = f"{kind.name}, {page.samplesperpixel} samples of {page.bitspersample} bits"
        raise ImageError(f"{path} is a TIFF of kind {what}: expected grey or RGB; save it as RGB")
    is_float = page.dtype is not None and page.dtype.kind == "f"
    if page.dtype is None or page.dtype.kind not in "buf" or (page.bitspersample > 16 and not is_float):
        raise ImageError(f"{path} holds {page.dtype}: expected 8 or 16 bits, or floats in [0, 1]; save it so")
    samples, peak = stored(page, path), 1 if is_float else 2**page.bitspersample - 1
    extra = page.extrasamples[:1]
    has_alpha = extra in ((tifffile.EXTRASAMPLE.ASSOCALPHA,), (tifffile.EXTRASAMPLE.UNASSALPHA,))
    values = scaled(samples[:, :, : colours + has_alpha], peak)
    if not (values.min() >= 0 and values.max() <= 1):  # false for NaN too; only floats can be out of range
        came = f"{np.nanmin(values):g} to {np.nanmax(values):g}" if np.isfinite(values).all() else "NaN or infinite"
        raise ImageError(f"{path} has values {came}: expected floats in [0, 1]; scale them first")
    if kind == tifffile.PHOTOMETRIC.MINISWHITE:
        values[:, :, :1] = scaled(peak - samples[:, :, :1].astype(np.float32), peak)
    if extra == (tifffile.EXTRASAMPLE.ASSOCALPHA,):  # colours were stored times alpha
        alpha = values[:, :, colours:]
        np.divide(values[:, :, :colours], alpha, out=values[:, :, :colours], where=alpha > 0)
        np.minimum(values, 1, out=values)
    values = upright(values, page.tags.valueof(ORIENTATION_TAG, 1))
    return Decoded(values, 8 if page.bitspersample <= 8 else 16, page.iccprofile)


def write_page(tiff: tifffile.TiffWriter, samples: Array, **options: Any) -> None:
    """Add (H, W) or (H, W, samples), losslessly compressed."""
    flat = samples.ndim == 2
    photometric = "minisblack" if flat or samples.shape[2] == 2 else "rgb"
    options |= {"planarconfig": None if flat else "contig", "compression": "zlib", "predictor": True, "metadata": None}
    tiff.write(samples, photometric=photometric, **options)

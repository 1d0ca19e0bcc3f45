"""Masks in files: which pixels of a picture are known, however a person or a program painted that. No torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from bigprior.errors import MaskError, SettingsError
from bigprior.io.decoding import decode
from bigprior.io.samples import Array, Decoded

#: How far from white a pixel that is wholly known may be: the last digits of a lossy file.
_WHOLE = 0.01
#: Levels between these are neither black nor white.
_DARK, _BRIGHT = 0.05, 0.95
#: An edge is drawn, resized or compressed within so many pixels of what is black or white.
_EDGE_PX = 3
#: A mask may have so much of its pixels, beyond edges and soft slopes, in neither black nor white; and so much at all.
_STRAY, _GREY = 0.005, 0.5
#: Of a soft slope: the least and the most that a level changes from pixel to pixel, and how much that change does.
_SLOPE, _BEND = (0.0005, 0.2), 0.03
#: Levels nearer to each other than this are one level with noise, unless there are two in all.
_NO_CONTRAST = 0.1

Mask = npt.NDArray[np.bool_]


def decode_mask(
    path: Path | str, *, grow: int = 0, invert: bool | None = None, alpha: bool = False, page: int | None = None
) -> Mask:
    """Read which pixels are known, (H, W), from a picture in which those are white, and holes black.

    A pixel that is not wholly known is hole: a soft edge of what is painted over a picture shows through there. Where
    all colours are alike, the transparency is the mask: transparent around a dark painting is known, in a bright one
    it is the hole.

    Args:
        path: any picture.
        grow: the hole by so many pixels on all sides.
        invert: black is known and white the hole. None: as usual, and a mask by which most is hole is refused, since
            such a mask was meant the other way; False: as usual, whatever the hole's size.
        alpha: the transparent pixels are the hole, whatever the colours.
        page: of a file of several, as for :func:`bigprior.io.decoding.decode`.

    Raises:
        ImageError: no such file, or not a picture.
        MaskError: nothing to keep, nothing to fill, most to fill, or more than black, white and edges.
        SettingsError: ``grow`` is negative, or both ``alpha`` and ``invert``.
    """
    if grow < 0:
        raise SettingsError(f"grow is {grow}: expected 0 or more pixels")
    if alpha and invert is not None:
        raise SettingsError("a hole that is transparent cannot be inverted: leave one of both out")
    decoded = decode(path, page)
    levels = _transparency(decoded, path) if alpha else _stretched(_levels(decoded, path), path)
    if not alpha:
        _refuse_pictures(levels, path)
    known: Mask = (1 - levels if invert else levels) > 1 - _WHOLE
    hole = float(1 - known.mean())
    if invert is None and not alpha and hole > 0.5:
        raise MaskError(
            f"mask {path} makes {hole:.0%} of the picture a hole: here white is known and black the hole; masks of "
            "IOPaint, LaMa, OpenCV and A1111 are the other way, pass --invert-mask (or --no-invert-mask if it is right)"
        )
    return grown(known, grow, path)


def grown(known: Mask, grow: int, path: Path | str) -> Mask:
    """The mask with its hole larger by so many pixels on all sides, round at corners.

    Raises:
        MaskError: nothing is left to keep; the message calls the mask ``path``.
    """
    if not grow:
        return known
    wider: Mask = scipy.ndimage.distance_transform_edt(known) > grow
    if not wider.any():
        raise MaskError(f"mask {path} is all hole when its hole grows by {grow} pixels: grow it less")
    return wider


def _levels(mask: Decoded, path: Path | str) -> Array:
    """How bright each pixel is, (H, W); or how opaque, where that alone says something."""
    samples = mask.values.shape[2]
    grey: Array = mask.values[:, :, : 1 if samples < 3 else 3].mean(axis=2)
    if samples in (1, 3):
        return grey
    opacity: Array = mask.values[:, :, -1]
    if np.ptp(opacity) < _NO_CONTRAST:
        return grey
    seen = grey[opacity > 0.5]
    if np.ptp(seen) > 0.5:
        raise MaskError(
            f"mask {path} is black and white and partly transparent too: flatten it, white = known, black = hole"
        )
    painted: Array = 1 - opacity if seen.mean() < 0.5 else opacity
    return painted


def _transparency(photo: Decoded, path: Path | str) -> Array:
    if photo.values.shape[2] in (1, 3) or not (photo.values[:, :, -1] <= 1 - _WHOLE).any():
        raise MaskError(f"{path} has no transparent pixels: erase the hole in it, or pass a mask as a file")
    opacity: Array = photo.values[:, :, -1]
    if not (opacity > 1 - _WHOLE).any():
        raise MaskError(f"{path} is transparent everywhere, with nothing to keep: pass a mask as a file")
    return opacity


def _stretched(levels: Array, path: Path | str) -> Array:
    """Levels from 0, the darkest, to 1, the brightest: some programs write 0 and 1 of 255."""
    least, most = float(levels.min()), float(levels.max())
    if most - least < _NO_CONTRAST and len(np.unique(levels)) != 2:
        known = least + most >= 1
        what = "known (white), with nothing to fill" if known else "hole (black), with nothing to keep"
        raise MaskError(f"mask {path} is all {what}: paint what is known white and the holes black")
    stretched: Array = (levels - least) / (most - least)
    return stretched


def _refuse_pictures(levels: Array, path: Path | str) -> None:
    """That there is nothing but black, white and what lies between them at edges, hard or soft."""
    grey = (levels > _DARK) & (levels < _BRIGHT)
    share = float(grey.mean())
    if share > _GREY or (share > _STRAY and float(_stray(levels, grey).mean()) > _STRAY):
        raise MaskError(
            f"mask {path} is not black and white: {share:.0%} of it is grey or coloured; paint what is known white "
            "and the holes black, on a layer of its own"
        )


def _stray(levels: Array, grey: Mask) -> Mask:
    """What is grey beyond edges, and is no slope either, as a blurred mask has them."""
    near = scipy.ndimage.binary_dilation(~grey, np.ones((3, 3)), iterations=_EDGE_PX)
    # There is no slope along a side of one pixel.
    rows, columns = (np.gradient(levels, axis=i) if levels.shape[i] > 1 else np.zeros_like(levels) for i in (0, 1))
    slope, bend = np.hypot(rows, columns), np.abs(scipy.ndimage.laplace(levels))
    soft = (slope > _SLOPE[0]) & (slope < _SLOPE[1]) & (bend < _BEND)
    stray: Mask = grey & ~near & ~soft
    return stray

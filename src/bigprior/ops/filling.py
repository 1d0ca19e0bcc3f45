"""Holes that need no network: thin ones, and those in flat or smoothly changing surroundings.

Pictures are (H, W, C), any range; holes are (H, W), True where nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from skimage.restoration import inpaint_biharmonic

from bigprior.io.samples import Array
from bigprior.ops.tiling import windows

Hole = npt.NDArray[np.bool_]

#: What is solved at once, in pixels a side, and how far around it is seen: further off, a thin hole knows nothing.
_TILE, _HALO = 64, 16
#: How much of what is known is shown around a hole: a biharmonic surface looks two pixels far.
_MARGIN = 3
#: How wide the ring is, in pixels, that says what surrounds a hole.
_RING_PX = 12
#: How far surroundings may be from smooth: half of a grey level is rounding. The share of them that has to be within.
_ROUNDING, _SHARE = 0.75 / 255, 0.98
#: Flat art around a hole: the most colours, the least that one has of the ring, and all have of it together.
_COLOURS, _LEAST, _TOGETHER = 12, 0.01, 0.95
#: Unknown pixels, above which a hole in flat art is solved at a smaller size.
_MOST = 16_000


def specks(hole: Hole, px: int) -> Hole:
    """The parts of a hole that have no more pixels than a square of ``px`` a side, such as dust on a scan."""
    numbers, _ = scipy.ndimage.label(hole, structure=np.ones((3, 3)))
    few: Hole = hole & (np.bincount(numbers.ravel()) <= px**2)[numbers]
    return few


def thin_part(hole: Hole, px: int) -> Hole:
    """The parts of a hole in which no square of more than ``px`` pixels a side has room, and specks of twice that."""
    if px < 1:
        return np.zeros_like(hole)
    side = px + 1
    core = scipy.ndimage.minimum_filter(hole, size=side, mode="constant", cval=False)
    # All that is near a thick part belongs to it, so that its corners are not filled in another way.
    thick = scipy.ndimage.maximum_filter(core, size=2 * side + 1, mode="constant", cval=False)
    # Scans have hundreds of specks, and all a surface knows of one is near.
    thin: Hole = (hole & ~thick) | specks(hole, 2 * px)
    return thin


def smooth(picture: Array, hole: Hole, thin: Hole | None = None, *, fade_px: float = 3.0) -> Array:
    """Make a filling smooth where it is near what is known: tone and slope go on, as a biharmonic surface has them.

    Args:
        picture: (H, W, C), filled already where the hole is not thin.
        hole: where it is filled.
        thin: where the surface takes the filling's place, as :func:`thin_part` has it; by default nowhere.
        fade_px: elsewhere its share is as large at the edge, and falls by e every so many pixels.
    """
    filled = picture.copy()
    height, width = hole.shape
    for window in windows(height, width, _TILE, _HALO):
        shown, kept = window.shown[1:], window.tile[1:]
        if not hole[kept].any():
            continue
        place = _tightly(hole, (shown[0], shown[1]))
        lost = hole[place]
        depth = scipy.ndimage.distance_transform_edt(lost)
        # Deeper in the hole the filling stands as it is: the surface knows nothing so far from its edge.
        band = lost & (depth <= _HALO)
        surface = inpaint_biharmonic(picture[place].astype(np.float64), band, channel_axis=-1)
        share = np.exp((1 - depth) / fade_px)
        if thin is not None:
            share[thin[place]] = 1.0
        own = np.zeros_like(lost)
        own[tuple(slice(max(0, k.start - p.start), k.stop - p.start) for k, p in zip(kept, place, strict=True))] = True
        own &= band
        weight = share[own][:, None]
        filled[place][own] = weight * surface[own] + (1 - weight) * picture[place][own]
    return filled


def _tightly(hole: Hole, window: tuple[slice, slice]) -> tuple[slice, slice]:
    """What of a window there is around the hole in it, as far as the surface looks."""
    spans = [np.flatnonzero(hole[window].any(axis=1 - axis)) for axis in (0, 1)]
    rows, columns = (
        slice(
            max(side.start, side.start + int(span[0]) - _MARGIN),
            min(side.stop, side.start + int(span[-1]) + 1 + _MARGIN),
        )
        for side, span in zip(window, spans, strict=True)
    )
    return rows, columns


def parts(hole: Hole) -> Iterator[tuple[tuple[slice, slice], Hole]]:
    """Each connected part of a hole: a window of the picture with a ring around it, and the part in that window."""
    numbers, _ = scipy.ndimage.label(hole, structure=np.ones((3, 3)))
    for number, place in enumerate(scipy.ndimage.find_objects(numbers), 1):
        rows, columns = (slice(max(0, span.start - _RING_PX), span.stop + _RING_PX) for span in place)
        yield (rows, columns), numbers[rows, columns] == number


def plain(picture: Array, hole: Hole, part: Hole) -> Array | None:
    """Fill a part of a hole whose surroundings say all that it holds: a plain tone or slope, or flat colours.

    Args:
        picture: (H, W, C), a window of a picture as :func:`parts` gives it.
        hole: all that is unknown there.
        part: of the hole, what is to be filled.

    Returns:
        The values (N, C) of the pixels of the part, in its order; None if the surroundings are neither.
    """
    ring = scipy.ndimage.binary_dilation(part, np.ones((3, 3)), iterations=_RING_PX) & ~hole
    if ring.sum() < 4 * _RING_PX:
        return None
    seen = picture.astype(np.float64)
    found = _sloping(seen, ring, part)
    if found is None:
        found = _flat_colours(seen, ring, part)
    return None if found is None else found.astype(picture.dtype)


def _sloping(picture: Array, ring: Hole, inside: Hole) -> Array | None:
    """A quadratic surface, if the ring is one to a rounding."""
    rows, columns = (
        np.linspace(-1, 1, side)[index] for side, index in zip(inside.shape, np.indices(inside.shape), strict=True)
    )
    terms = np.stack([np.ones_like(rows), rows, columns, rows * columns, rows**2, columns**2], axis=-1)
    fit, *_ = np.linalg.lstsq(terms[ring], picture[ring], rcond=None)
    surface = terms @ fit
    missed = np.abs(picture[ring] - surface[ring]).max(axis=-1)
    if np.quantile(missed, _SHARE) > _ROUNDING:
        return None
    found: Array = np.clip(surface[inside], picture[ring].min(axis=0), picture[ring].max(axis=0))
    return found


def _flat_colours(picture: Array, ring: Hole, inside: Hole) -> Array | None:
    """One of the ring's colours for each pixel, if those are few: whose surface is the highest there."""
    colours, label, count = np.unique(picture[ring], axis=0, return_inverse=True, return_counts=True)
    many = np.flatnonzero(count >= _LEAST * count.sum())
    if len(many) > _COLOURS or count[many].sum() < _TOGETHER * count.sum():
        return None
    is_colour = np.zeros((*inside.shape, len(many)))
    is_colour[ring] = label.reshape(-1)[:, None] == many
    # Pixels of an edge's in-between colours are nobody's: unknown like the hole.
    lost = ~ring | ~is_colour.any(axis=-1)
    near = scipy.ndimage.binary_dilation(inside, np.ones((3, 3)), iterations=4)
    surfaces = inpaint_biharmonic(is_colour, lost & near, channel_axis=-1)
    found: Array = colours[many][surfaces[inside].argmax(axis=-1)]
    return found

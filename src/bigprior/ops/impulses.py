"""Impulses, found without a network: salt and pepper, hot pixels, and values at random.

An impulse says nothing of the picture: its value is not near that of any neighbour, and where it is depends on nothing.
Both tell it from texture, stars and letters: a lens gives a point of light a halo, and what is drawn has pixels beside
each other. One pixel alone could be either, so impulses are found in a picture together, or none is.
"""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from bigprior.io.samples import Array

Where = npt.NDArray[np.bool_]

#: An impulse differs from what is around it by as much, of 1, and by so many times what differences usually are there.
_SEEN, _USUAL = 0.08, 6.0
#: It differs from the nearest of its neighbours by this share of how far it is from their median.
_APART = 0.5
#: So much of its deviation its neighbours may share: more is a halo, of one; and of their median.
_HALO, _HALO_OF_ALL = 0.2, 0.02
#: The fewest that are looked at together, and the most of a picture's samples.
_FEWEST, _MOST = 20, 0.35
#: Least share of them that stands alone, as a share of those that would if they lay at random; and how dense they are
#: where the picture is smooth, as a share of their density.
_ALONE, _IN_SMOOTH = 0.7, 0.5
#: Side of the blocks that are smooth or not, and what the median difference to a median of 9 is in white noise.
_BLOCK_PX, _OF_NOISE = 16, 0.6
#: From so many of them at black and white on, all are, and what is not was mistaken for one. If they are so many of a
#: picture that few of its own are among them, those are found too that hardly differ from what is around.
_EXTREME, _MANY, _SEEN_EXTREME = 0.5, 0.005, 0.03
#: Where a pixel has so many neighbours of its own extreme, of 8, that is an area.
_AREA = 5
#: Share of those that are found in several channels from which on they strike all channels at once.
_TOGETHER = 0.5
#: Rows whose medians are found at once.
_STRIP_PX = 32
#: What to exchange, so that of nine values the fifth is the median.
_EXCHANGES = (
    *((1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3)),
    *((5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2)),
)


def impulses(photo: Array, blank: Where | None = None) -> Where | None:
    """Which samples are impulses, (H, W, C), in a photograph (H, W, C) in [0, 1]; None if there are none.

    Where they strike all channels at once, all samples of such a pixel are.

    Args:
        photo: float32.
        blank: (H, W), where the photograph says nothing.
    """
    planes = [np.ascontiguousarray(photo[:, :, c], dtype=np.float32) for c in range(photo.shape[2])]
    planes = planes[:1] if all(np.array_equal(planes[0], plane) for plane in planes[1:]) else planes
    found, usuals, lie_at_random = [], [], _Evidence()
    for plane in planes:
        rough, usual = _roughness(plane)
        near, halos = _apart(plane, rough > np.maximum(_SEEN, _USUAL * usual))
        if blank is not None:
            near &= ~blank
        lie_at_random.add(near, usual, halos, blank)
        found.append(near)
        usuals.append(usual)
    if not lie_at_random.shown():
        return None
    values = np.concatenate([plane[near] for plane, near in zip(planes, found, strict=True)])
    all_alike = False
    if float(np.mean((values <= 0) | (values >= 1))) > _EXTREME:
        found = [near & ((plane <= 0) | (plane >= 1)) for plane, near in zip(planes, found, strict=True)]
        all_alike = float(np.mean(found)) > _MANY
    count = np.sum(found, axis=0)
    if len(planes) == 1 or float((count[count > 0] > 1).mean()) > _TOGETHER:
        together = count > 0
        if all_alike:
            together |= np.logical_and.reduce([_extreme(*seen) for seen in zip(planes, usuals, strict=True)])
        found = [together] * photo.shape[2]
    elif all_alike:
        found = [near | _extreme(plane, usual) for plane, near, usual in zip(planes, found, usuals, strict=True)]
    where: Where = np.stack(found, axis=2)
    return where if float(where.mean()) < _MOST else None


class _Evidence:
    """What tells impulses from what a picture is made of, of all channels together."""

    def __init__(self) -> None:
        self.count, self.alone, self.expected = 0, 0, 0.0
        self.halos: list[Array] = []
        self.smooth = self.everywhere = 0.0

    def add(self, found: Where, usual: Array, halos: Array, blank: Where | None) -> None:
        count = int(found.sum())
        beside = scipy.ndimage.uniform_filter(found.astype(np.float32), 3, mode="constant") * 9
        self.count += count
        self.alone += int((found & (beside < 1.5)).sum())
        self.expected += count * (1 - count / found.size) ** 8
        self.halos.append(halos)
        seen = np.ones_like(found) if blank is None else ~blank
        if seen.any():
            smooth = seen & (usual <= np.median(usual[seen]))
            self.smooth += float(found[smooth].mean())
            self.everywhere += float(found[seen].mean())

    def shown(self) -> bool:
        if self.count < _FEWEST:
            return False
        halo = abs(float(np.median(np.concatenate(self.halos))))
        alone, smooth = self.alone >= _ALONE * self.expected, self.smooth >= _IN_SMOOTH * self.everywhere
        return alone and smooth and halo <= _HALO_OF_ALL


def _roughness(plane: Array) -> tuple[Array, Array]:
    """How far each pixel is from the median of 3x3, and how much noise or texture usually makes that around there."""
    rough = np.abs(plane - _median_of_9(plane))
    height, width = plane.shape
    whole = np.pad(rough, ((0, -height % _BLOCK_PX), (0, -width % _BLOCK_PX)), mode="symmetric")
    blocks = whole.reshape(whole.shape[0] // _BLOCK_PX, _BLOCK_PX, -1, _BLOCK_PX)
    usual = scipy.ndimage.maximum_filter(np.median(blocks, axis=(1, 3)), size=3) / _OF_NOISE
    return rough, np.kron(usual, np.ones((_BLOCK_PX, _BLOCK_PX), np.float32))[:height, :width]


def _apart(plane: Array, may_be: Where) -> tuple[Where, Array]:
    """Which of the pixels that may be impulses are unlike all around that may not, and the halos of those."""
    rows, columns = np.nonzero(may_be)
    around = [(i, j) for i in range(5) for j in range(5) if (i, j) != (2, 2)]
    values, others = np.pad(plane, 2, mode="reflect" if min(plane.shape) > 2 else "edge"), np.pad(may_be, 2)
    seen = np.stack([values[rows + i, columns + j] for i, j in around], axis=1)
    seen[np.stack([others[rows + i, columns + j] for i, j in around], axis=1)] = np.nan
    beside = np.array([max(abs(i - 2), abs(j - 2)) == 1 for i, j in around])
    own = plane[rows, columns]
    with warnings.catch_warnings():  # where all around may be impulses, nothing is known, and nothing is found
        warnings.simplefilter("ignore", RuntimeWarning)
        middle, highest, lowest = np.nanmedian(seen, axis=1), np.nanmax(seen, axis=1), np.nanmin(seen, axis=1)
        spread = 1.4826 * np.nanmedian(np.abs(seen - middle[:, None]), axis=1)
        halo = (np.nanmean(seen[:, beside], axis=1) - middle) / (own - middle)
    deviation = np.abs(own - middle)
    with np.errstate(invalid="ignore"):
        found = (np.isfinite(seen).sum(axis=1) >= len(around) / 4) & ~(halo > _HALO)
        found &= deviation > np.maximum(_SEEN, _USUAL * spread)
        found &= np.where(own > middle, own - highest, lowest - own) > _APART * deviation
    where = np.zeros_like(may_be)
    where[rows[found], columns[found]] = True
    return where, halo[found & np.isfinite(halo)]


def _extreme(plane: Array, usual: Array) -> Where:
    """The samples at black and white that differ from what is around, where that is no area of theirs."""
    where = np.zeros(plane.shape, dtype=bool)
    lost = (plane <= 0) | (plane >= 1)
    weight = scipy.ndimage.uniform_filter((~lost).astype(np.float32), 5, mode="mirror")
    around = scipy.ndimage.uniform_filter(np.where(lost, 0, plane), 5, mode="mirror") / np.maximum(weight, 1e-3)
    differs = (np.abs(plane - around) > np.maximum(_SEEN_EXTREME, _USUAL / 2 * usual)) & (weight > 1e-2)
    for own in (plane <= 0, plane >= 1):
        alike = scipy.ndimage.uniform_filter(own.astype(np.float32), 3, mode="mirror") * 9 - 1
        where |= own & (alike < _AREA) & differs
    return where


def _median_of_9(plane: Array) -> Array:
    """The median of each pixel's 3x3 neighbourhood, by exchanges (Smith, 1996); edges go on as their mirror image."""
    (height, width), middle = plane.shape, np.empty_like(plane)
    wide = np.pad(plane, 1, mode="symmetric")
    for top in range(0, height, _STRIP_PX):  # some rows at a time, which a processor has at hand
        rows = min(_STRIP_PX, height - top)
        v = [wide[top + i : top + i + rows, j : j + width] for i in range(3) for j in range(3)]
        for a, b in _EXCHANGES:
            v[a], v[b] = np.minimum(v[a], v[b]), np.maximum(v[a], v[b])
        middle[top : top + rows] = v[4]
    return middle

"""Bands: an offset of every row, or of every column, as sensors that are read line by line have it, found and measured.

Offsets of bands are alike over the whole line, and those of neighbouring lines have nothing to do with each other. What
pictures have along their rows, such as mortar, print and horizons, is neither: it ends somewhere, and is as wide as a
lens makes it. Both show in how far a line is from the mean of the lines beside it.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from bigprior.io.samples import Array

#: A line is looked at in so many parts, each of so many pixels at least; and there are so many lines.
_PARTS, _PART_PX, _LINES = 8, 8, 48
#: Least share of the parts' variance that they have in common, and least and most standard deviation of offsets, of 1.
_ALIKE, _LEAST, _MOST = 0.3, 0.4 / 255, 20 / 255
#: Least and most correlation of a line's difference from its neighbours with the next line's: of offsets that have
#: nothing to do with each other it is -2 / 3. And most of the fourth moment over the second squared, 3 of normal ones.
_CORRELATION, _KURTOSIS = (-0.85, -0.5), 6.0
#: From such a correlation on with lines further off, it is a pattern that the picture shows.
_PATTERN = 0.6
#: Variance of what a picture changes from line to line, in the median, over that of offsets.
_CHANGES = 0.1


def bands(photo: Array, lost: Array | None = None) -> tuple[Array | None, Array | None]:
    """The offsets of rows, (H, 1, C), and of columns, (1, W, C), in a photograph (H, W, C); None where there are none.

    Args:
        photo: float32, in [0, 1].
        lost: (H, W), bool: pixels that say nothing.
    """
    values = np.where(lost[:, :, None], np.nan, photo) if lost is not None and lost.any() else photo
    rows = _of_lines(values)
    if rows is not None:
        values = values - rows
    columns = _of_lines(values.swapaxes(0, 1))
    return rows, None if columns is None else columns.swapaxes(0, 1)


def _of_lines(values: Array) -> Array | None:
    """The offset of each line, (H, 1, C), of values (H, W, C), NaN where nothing is known."""
    if values.shape[0] < _LINES or values.shape[1] < _PARTS * _PART_PX:
        return None
    planes = [values[:, :, c] for c in range(values.shape[2])]
    if not all(_banded(plane) for plane in planes):
        return None
    return np.stack([_offsets(plane) for plane in planes], axis=-1)[:, None].astype(np.float32)


def _banded(plane: Array) -> bool:
    apart = plane[1:-1] - (plane[:-2] + plane[2:]) / 2
    parts = np.stack([_medians(part) for part in np.array_split(apart, _PARTS, axis=1)], axis=1)
    line = parts.mean(axis=1)
    energy = float(np.square(line).mean())
    common = energy - float(parts.var(axis=1, ddof=1).mean()) / _PARTS
    if common <= 0 or not _LEAST <= (common / 1.5) ** 0.5 <= _MOST:
        return False
    alike, next_one = common / float(np.square(parts).mean()), float((line[1:] * line[:-1]).mean()) / energy
    peaked = float((line**4).mean()) / energy**2
    again = np.fft.irfft(np.abs(np.fft.rfft(line, 2 * len(line))) ** 2)[3 : len(line) // 2].max() / len(line) / energy
    independent = _CORRELATION[0] < next_one < _CORRELATION[1] and again < _PATTERN
    return alike > _ALIKE and independent and peaked < _KURTOSIS


def _offsets(plane: Array) -> Array:
    """Most likely offsets, (H,), if they are normal, and what the picture changes from line to line is too.

    The minimum of ``sum (s_i - (o_i - o_{i-1}))^2 / (r v) + sum o_i^2 / v``, where ``s`` is the median change.
    """
    change = _medians(plane[1:] - plane[:-1]).astype(np.float64)
    banded = np.zeros((2, len(plane)))
    banded[1] = _CHANGES
    banded[1, 1:] += 1
    banded[1, :-1] += 1
    banded[0, 1:] = -1
    right = np.zeros(len(plane))
    right[1:] += change
    right[:-1] -= change
    found: Array = scipy.linalg.solveh_banded(banded, right)
    return found


def _medians(lines: Array) -> Array:
    """The median of each line, of what is known; 0 if nothing is."""
    if not np.isnan(lines).any():
        medians: Array = np.median(lines, axis=1)
        return medians
    # As np.nanmedian, several times as fast for short lines: sorted, what is unknown comes last.
    known, sorted_ = (~np.isnan(lines)).sum(axis=1), np.sort(lines, axis=1)
    low, high = (np.take_along_axis(sorted_, at[:, None], axis=1)[:, 0] for at in ((known - 1) // 2, known // 2))
    return np.where(known > 0, (low + high) / 2, 0).astype(np.float64)

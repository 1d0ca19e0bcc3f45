"""Colours spread from where they are known over what looks alike (Levin, Lischinski and Weiss, SIGGRAPH 2004)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import scipy.sparse
from scipy.sparse.linalg import spsolve

from bigprior.io.samples import Array

#: The least that the luminance is taken to vary around a pixel: two grey levels.
_LEAST = 2 / 255
#: Differences count in so many variances, as in the authors' code; in twice the variance, values leak over edges.
_SHARP = 0.6
#: How far a value goes over what is alike before it has fallen by e, in longer sides of the picture.
_FAR = 1.0
#: Of the local line between luminance and value, by which values follow edges at a larger size.
_LINE_PX, _STEADY = 5, 1e-4


def spread(values: Array, known: npt.NDArray[np.bool_], luminance: Array) -> Array:
    """Values that agree with their neighbours' wherever the luminance does, and fade far from where they are known.

    Solves ``(1 + l) v(r) = sum_s w(r, s) v(s)`` over the eight neighbours ``s`` of each unknown pixel ``r``, with
    weights ``w`` that fall with the difference in luminance, measured by how much that varies around ``r``.

    Deviates: ``l`` lets values fade, so that a hint says nothing of the picture's other end; theirs go on for ever.

    Args:
        values: (H, W, C); what is not known is not looked at.
        known: (H, W).
        luminance: (H, W) in [0, 1].

    Returns:
        (H, W, C); what is known as it is.
    """
    height, width = known.shape
    mean = scipy.ndimage.uniform_filter(luminance, 3)
    varies = np.maximum(scipy.ndimage.uniform_filter(luminance**2, 3) - mean**2, _LEAST**2)
    number = np.arange(height * width).reshape(height, width)
    rows, columns, weights = [], [], []
    for down, right in ((0, 1), (1, -1), (1, 0), (1, 1)):
        here = (slice(0, height - down), slice(max(0, -right), width - max(0, right)))
        there = (slice(down, height), slice(max(0, right), width - max(0, -right)))
        step = (luminance[here] - luminance[there]) ** 2
        for one, other in ((here, there), (there, here)):
            rows.append(number[one].ravel())
            columns.append(number[other].ravel())
            weights.append(np.maximum(np.exp(-step / (_SHARP * varies[one])), 1e-6).ravel())
    size = height * width
    alike = scipy.sparse.csr_array(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=(size, size)
    )
    alike = scipy.sparse.diags_array(1 / np.maximum(alike.sum(axis=1), 1e-12)) @ alike
    told = known.ravel()
    # The mean of eight neighbours is 3/8 of the Laplacian away from a value.
    fade = 0.375 / (_FAR * max(height, width)) ** 2
    system = (scipy.sparse.eye_array(size) * (1 + fade) - alike).tocsr()
    flat = values.reshape(size, -1).astype(np.float64)
    result = flat.copy()
    if not told.all():
        unknown = system[~told]
        right_side = -(unknown[:, told] @ flat[told])
        result[~told] = spsolve(unknown[:, ~told].tocsc(), right_side, permc_spec="MMD_AT_PLUS_A").reshape(
            -1, flat.shape[1]
        )
    spreading: Array = result.reshape(values.shape).astype(values.dtype)
    return spreading


def local_line(values: Array, luminance: Array) -> tuple[Array, Array]:
    """How values follow the luminance around each pixel, ``slope * luminance + offset`` (He et al., guided filter).

    Args:
        values: (H, W, C).
        luminance: (H, W).

    Returns:
        ``slope`` and ``offset``, (H, W, C) both, which say what the values are at a larger size too.
    """
    near = (_LINE_PX, _LINE_PX, 1)
    light = luminance[..., None]
    means = [scipy.ndimage.uniform_filter(x, near) for x in (light, values, light * values, light**2)]
    slope = (means[2] - means[0] * means[1]) / (means[3] - means[0] ** 2 + _STEADY)
    return slope, means[1] - slope * means[0]

"""Heat that does not cross edges: anisotropic diffusion (Perona and Malik, 1990)."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from bigprior.io.samples import Array

#: Share of the way that a step goes to the neighbours, stable below a quarter; and the most steps.
_STEP, _MOST = 0.2, 200
#: It ends where so much of the noise's variance was taken out: the rest is what the picture has there.
_REMOVED = 0.88
#: Differences above so many times the noise's are edges; noise is looked through by a blur of so many pixels.
_EDGE, _BLUR_PX = 0.5, 0.7


def diffused(picture: Array, sigma: float) -> Array:
    """Diffuse a noisy picture (H, W, C) along its edges until as much was removed as there is noise.

    The edges are those of a slightly blurred picture (Catte et al., 1992), since noise has edges of its own.
    """
    x, edge = picture.astype(np.float64), _EDGE * sigma
    for _ in range(_MOST):
        if np.square(x - picture).mean() >= _REMOVED * sigma**2:
            break
        seen = gaussian_filter(x, (_BLUR_PX, _BLUR_PX, 0))
        flow = np.zeros_like(x)
        for axis in (0, 1):
            square = np.square(np.diff(seen, axis=axis)).mean(axis=2, keepdims=True)
            across = np.diff(x, axis=axis) / (1 + square / edge**2)
            before, after = ([(0, 0)] * 3 for _ in range(2))
            before[axis], after[axis] = (0, 1), (1, 0)
            flow += np.pad(across, before) - np.pad(across, after)
        x += _STEP * flow
    return x

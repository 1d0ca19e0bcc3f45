"""Pictures whose gradients are few: Eq. 3, of any power, of noisy pictures and of pictures with holes.

    x_hat = argmin |x - y|^2 + beta sum_e |x_e|^gamma        (Eq. 3)

over the differences ``x_e`` of neighbours; ``gamma`` = 1 is total variation, less than 1 a hyper-Laplacian (Krishnan
and Fergus, 2009). Where the gradient of Eq. 3 is 0, pixel by pixel, with ``w = |x_e|^(gamma - 2)`` of its four edges,

    (1 + beta gamma / 2 sum w) x = y + beta gamma / 2 sum w x_beyond

which is Eq. 6: a fusion of what was measured and of the mean of the neighbours, with ``phi = 1 / (1 + S)`` and
``S = 2 / (beta gamma sum w)``. One ``beta`` makes another ``phi`` of each pixel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bigprior.filters import Weighed
from bigprior.io.samples import Array

#: Differences that are as good as none, at the end and to begin with: of those of noise, no few are large.
_LEAST, _FIRST, _SMALLER = 1e-3, 0.1, 0.6
#: Rounds of weights, and steps of conjugate gradients for each; more for the last, which says what phi is.
_ROUNDS, _STEPS, _LAST = 15, 20, 120
#: Where conjugate gradients are done: the residual's share of the measurement.
_DONE = 1e-7


def sparse_gradients(y: Array, beta: float, gamma: float, hole: Array | None = None) -> Weighed:
    """Solve Eq. 3 by weights that follow the picture (lagged diffusivity); the prior is the mean of the neighbours.

    Deviates: the difference of a coloured pixel is that of its three channels together, so that they have one edge.

    Args:
        y: what was measured (H, W, C), floats in [0, 1], with noise or without.
        beta: weight of the prior, in units of ``y``.
        gamma: power, above 0, up to 2.
        hole: where nothing was measured (H, W), bool.
    """
    known = np.ones(y.shape[:2]) if hole is None else 1.0 - hole
    known = known[..., None]
    x = _started(y, known)
    for i in range(_ROUNDS):
        weights = _weights(x, gamma, max(_LEAST, _FIRST * _SMALLER**i), beta)
        x = _solved(x, y, known, weights, _LAST if i == _ROUNDS - 1 else _STEPS)
    total = _total(weights)
    # Where nothing pulls, as in a picture of one pixel, the measurement is all there is.
    prior = np.where(total > 0, _gathered(x, weights) / np.maximum(total, 1e-300), x)
    return Weighed(x, total / np.maximum(known + total, 1e-300), prior)


_Weights = tuple[Array, Array]


def _started(y: Array, known: Array) -> Array:
    """``y`` with the mean of what is known in its hole."""
    mean = (y * known).sum((0, 1)) / max(known.sum(), 1)
    started: Array = y * known + mean * (1 - known)
    return started


def _weights(x: Array, gamma: float, least: float, beta: float) -> _Weights:
    """``beta gamma / 2 |x_e|^(gamma - 2)`` of the edges down (H - 1, W, 1) and across (H, W - 1, 1)."""
    squares = (np.square(np.diff(x, axis=axis)).sum(axis=2, keepdims=True) for axis in (0, 1))
    down, across = (beta * gamma / 2 * (square + least**2) ** (gamma / 2 - 1) for square in squares)
    return down, across


def _total(weights: _Weights) -> Array:
    """The sum of the weights of each pixel's edges, (H, W, 1)."""
    down, across = weights
    total = np.zeros((down.shape[0] + 1, across.shape[1] + 1, 1))
    total[1:] += down
    total[:-1] += down
    total[:, 1:] += across
    total[:, :-1] += across
    return total


def _gathered(x: Array, weights: _Weights) -> Array:
    """The weighted sum of each pixel's neighbours, (H, W, C)."""
    (down, across), out = weights, np.zeros_like(x)
    out[1:] += down * x[:-1]
    out[:-1] += down * x[1:]
    out[:, 1:] += across * x[:, :-1]
    out[:, :-1] += across * x[:, 1:]
    return out


def _solved(x: Array, y: Array, known: Array, weights: _Weights, steps: int) -> Array:
    """Conjugate gradients for ``(known + total) x - gathered(x) = known y``, from ``x``."""
    diagonal = np.maximum(known + _total(weights), 1e-300)
    return conjugate_gradients(lambda v: diagonal * v - _gathered(v, weights), known * y, x, diagonal, steps)


def conjugate_gradients(apply: Callable[[Array], Array], b: Array, x: Array, diagonal: Array, steps: int) -> Array:
    """``x`` with ``apply(x) = b``, for a symmetric positive operator with this diagonal, in so many steps at most."""
    residual = b - apply(x)
    preconditioned = residual / diagonal
    direction, energy = preconditioned, float((residual * preconditioned).sum())
    enough = _DONE**2 * float((b * b / diagonal).sum())
    for _ in range(steps):
        if energy <= enough:
            break
        applied = apply(direction)
        length = energy / float((direction * applied).sum())
        x = x + length * direction
        residual = residual - length * applied
        preconditioned = residual / diagonal
        before, energy = energy, float((residual * preconditioned).sum())
        direction = preconditioned + energy / before * direction
    return x

"""Weighted nuclear norm minimization (Gu et al., 2014): similar patches, side by side, are a matrix of low rank.

Of a group of patches as a matrix ``Y``, the estimate is

    X_hat = argmin |Y - X|^2 / sigma^2 + sum_i w_i s_i(X),      w_i = c sqrt(n) / s_i(X)

which has a closed form: the singular vectors of ``Y``, and each singular value shrunk, the more the smaller it is. In
the coordinates of those vectors it is Eq. 6 with a prior of 0 and ``phi_i = 1 - s_i(X) / s_i(Y)``.

Deviates: in the second round of the same groups the singular vectors of the first are taken again, and the singular
values are those of the patches along them; it saves half of the decompositions, and costs no accuracy.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bigprior.filters.groups import AT_ONCE, Sum, in_opponent_colours, patches_of, similar
from bigprior.io.samples import Array

#: By the noise level of 255 up to which it is for: side of a patch, patches in a group, rounds, and how much of the
#: noise is thought to be left after the first; as the authors have it.
_SETTINGS = ((20, (6, 70, 8, 0.54)), (40, (7, 90, 12, 0.56)), (60, (8, 120, 14, 0.58)), (math.inf, (9, 140, 14, 0.58)))
#: How far patches are looked for, how far apart groups begin, how much of what was removed is given back each round,
#: how many rounds use the same groups, and the weight of the norm.
_FAR, _STRIDE, _BACK, _SAME, _C = 15, 4, 0.1, 2, 2 * math.sqrt(2)
#: So many patches fewer make a group each time that groups are looked for again.
_FEWER = 10


def weighted_nuclear_norm(picture: Array, sigma: float) -> Array:
    """Remove white noise from a picture (H, W, C)."""
    side = _settings(sigma)[0]
    return in_opponent_colours(lambda y: _rounds(y, sigma), picture, side, _STRIDE)


def _settings(sigma: float) -> tuple[int, int, int, float]:
    return next(settings for most, settings in _SETTINGS if 255 * sigma <= most)


def _rounds(y: Tensor, sigma: float) -> Tensor:
    side, count, rounds, left = _settings(sigma)
    noisy, x = patches_of(y, side), y
    places, known = y.new_empty(0), list[Tensor]()
    for i in range(rounds):
        x = x + _BACK * (y - x)
        if i % _SAME == 0:
            places, known = similar(x, side, _STRIDE, _FAR, count - _FEWER * (i // _SAME)), []
        patches = patches_of(x, side)
        if i == 0:
            level = torch.full_like(patches[..., 0], sigma)
        else:  # of what is left of the noise in each patch
            level = left * (sigma**2 - (noisy - patches).square().mean(2)).abs().sqrt()
        total = Sum(y, side)
        for k, some in enumerate(places.split(AT_ONCE)):
            group = patches[some].transpose(1, 2)  # (groups, C, count, values)
            mean = group.mean(2, keepdim=True)
            spread = group - mean
            if i % _SAME == 0:
                known.append(torch.linalg.eigh(spread.mT @ spread)[1].half())  # the most that is held at once
            estimate = mean + _shrunk(spread, known[k].float(), level[some[:, 0]][..., None])
            total.add(some.flatten(), estimate.transpose(1, 2).flatten(0, 1))
        x = total.mean(x)
    return x


def _shrunk(spread: Tensor, vectors: Tensor, sigma: Tensor) -> Tensor:
    """The closed form, of groups (groups, C, count, values) along vectors (groups, C, values, values).

    Args:
        spread: patches less their mean.
        vectors: singular ones, as columns.
        sigma: noise (groups, C, 1).
    """
    along = spread @ vectors
    squares = along.square().sum(2).clamp_min_(1e-12)
    weight = _C * math.sqrt(spread.shape[2]) * sigma**2
    # s = (s_Y + sqrt(s_Y^2 - 4 w)) / 2, where that has a root, as a share of s_Y.
    share = torch.where(squares > 4 * weight, (1 + (1 - 4 * weight / squares).clamp_min(0).sqrt()) / 2, 0)
    low: Tensor = (along * share[..., None, :]) @ vectors.mT
    return low

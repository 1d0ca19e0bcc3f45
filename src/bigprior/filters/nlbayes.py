"""Non-local Bayes (Lebrun, Buades and Morel, 2013): Eq. 6 of groups of similar patches.

A group's patches are taken for normally distributed, with the mean and covariance ``C`` that they show. Its estimate

    x_hat = mean + C (C + sigma^2 I)^-1 (y - mean)

is Eq. 6 with matrices: ``phi = (I + S)^-1``, ``S = C / sigma^2``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bigprior.filters.groups import AT_ONCE, Sum, in_opponent_colours, patches_of, similar
from bigprior.io.samples import Array

#: Side of a patch by the least noise level that it is for, how far others are looked for, and how many make a group,
#: by the number of values that a patch has.
_SIDES, _FAR, _MORE = ((0.0, 5), (40 / 255, 7)), 14, 3.0
_STRIDE = 2


def non_local_bayes(picture: Array, sigma: float) -> Array:
    """Remove white noise from a picture (H, W, C): a first estimate, and a second one that knows the first."""
    side = max((least, side) for least, side in _SIDES if sigma >= least)[1]
    return in_opponent_colours(lambda y: _twice(y, sigma, side), picture, side, _STRIDE)


def _twice(y: Tensor, sigma: float, side: int) -> Tensor:
    count = round(_MORE * side**2)
    first = _estimate(y, None, similar(y[:1], side, _STRIDE, _FAR, count), sigma, side)
    return _estimate(y, first, similar(first, side, _STRIDE, _FAR, count), sigma, side)


def _estimate(y: Tensor, pilot: Tensor | None, places: Tensor, sigma: float, side: int) -> Tensor:
    """Every group's estimate, channel by channel, where the patches lie; ``pilot`` says what they are without noise."""
    noisy = patches_of(y, side)
    clean = None if pilot is None else patches_of(pilot, side)
    total, eye = Sum(y, side), torch.eye(side**2)
    for some in places.split(AT_ONCE):
        own = noisy[some].transpose(1, 2)  # (groups, C, count, values)
        known = own if clean is None else clean[some].transpose(1, 2)
        mean = known.mean(2, keepdim=True)
        spread = known - mean
        covariance = spread.mT @ spread / max(1, spread.shape[2] - 1)
        # The covariance of the noisy patches is C + sigma^2 I already.
        wide = covariance + (1e-3 * sigma**2 if clean is None else sigma**2) * eye
        phi = sigma**2 * torch.linalg.inv(wide)
        if clean is None:  # the inverse of what few patches show is too large (Wishart)
            phi *= max(0.0, known.shape[2] - side**2 - 2) / max(1, known.shape[2] - 1)
        estimate = own - (own - mean) @ phi
        if clean is None:
            # A group that shows no more than noise, in grey as in colour, is flat.
            flat = covariance.diagonal(dim1=2, dim2=3).mean(2) < 1.05 * sigma**2
            estimate = torch.where(flat[..., None, None], own.mean((2, 3), keepdim=True), estimate)
        total.add(some.flatten(), estimate.transpose(1, 2).flatten(0, 1))
    return total.mean(y)

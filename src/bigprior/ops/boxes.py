"""Means of the box around every pixel, by sums that double: a few additions, where pooling adds every pixel of it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def box_mean(x: Tensor, height: int, width: int | None = None) -> Tensor:
    """The mean of the box around each pixel of maps (N, C, H, W); beyond the edges nothing counts.

    As ``F.avg_pool2d(x, box, stride=1, padding=box // 2, count_include_pad=False)``, but faster, the more the
    longer the box: with one of an even side come out as many rows or columns, and one more.

    Args:
        height, width: of the box, in pixels; by default it is as wide as high.
    """
    for axis, side in ((2, height), (3, height if width is None else width)):
        if side > 1:
            margin = (side // 2,) * 2
            counted = F.pad(x.new_ones(x.shape[axis]), margin)
            wide = F.pad(x, margin if axis == 3 else (0, 0, *margin))
            x = sliding_sum(wide, axis, side) / sliding_sum(counted, 0, side).view(-1, *(1,) * (3 - axis))
    return x


def sliding_mean(x: Tensor, axis: int, count: int) -> Tensor:
    """The mean of ``count`` neighbours along an axis, wherever there are as many: ``count - 1`` fewer come out."""
    return sliding_sum(x, axis, count) / count


def sliding_sum(x: Tensor, axis: int, count: int) -> Tensor:
    """The sum of ``count`` neighbours along an axis, wherever there are as many: ``count - 1`` fewer come out.

    Every sum adds in the same order, wherever it is: what is seen through a window is what the whole has there.
    """
    places, power = x.shape[axis] - count + 1, 1
    total: Tensor | None = None
    doubled, done = x, 0
    while power <= count:
        if count & power:
            part = doubled.narrow(axis, done, places)
            total, done = (part if total is None else total + part), done + power
        power *= 2
        if power <= count:
            left = doubled.shape[axis] - power // 2
            doubled = doubled.narrow(axis, 0, left) + doubled.narrow(axis, power // 2, left)
    assert total is not None  # a count is at least 1
    return total

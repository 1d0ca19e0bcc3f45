"""Groups of similar patches: where they lie, what they hold, and the picture that patches make where they overlap."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.io.samples import Array
from bigprior.ops.colour import OPPONENT, turned

#: Groups that are worked on at once, few enough for a processor's cache, and distances that are held at once.
AT_ONCE, _DISTANCES = 128, 2**24


def in_opponent_colours(filtered: Callable[[Tensor], Tensor], picture: Array, side: int, stride: int) -> Array:
    """Filter a picture (H, W, C) as a tensor (C, h, w), as :func:`opened` makes it."""
    return closed(filtered(opened(picture, side, stride)), picture.shape[:2])


def opened(picture: Array, side: int, stride: int) -> Tensor:
    """A picture (H, W, C) as a tensor (C, h, w) of grey and, if C is 3, two colours, all with the same noise.

    It is extended by its mirror image so that patches of ``side``, ``stride`` apart, cover it.
    """
    edges = [(0, max(side - n, (side - n) % stride)) for n in picture.shape[:2]]
    wide = np.pad(picture, [*edges, (0, 0)], mode="symmetric").transpose(2, 0, 1)
    x = torch.from_numpy(np.ascontiguousarray(wide)).float()
    return turned(x[None], OPPONENT)[0] if len(x) == 3 else x


def closed(x: Tensor, size: Sequence[int]) -> Array:
    """The picture (H, W, C) of ``size`` that :func:`opened` made a tensor of."""
    height, width = size
    x = turned(x[None], OPPONENT.T)[0] if len(x) == 3 else x
    return x[:, :height, :width].permute(1, 2, 0).double().numpy()


def similar(guide: Tensor, side: int, stride: int, far: int, count: int) -> Tensor:
    """For every patch on a grid of a guide (C, h, w), the places of those most like it, itself first.

    Returns:
        (groups, count), counted along the rows of all places; ``count`` may be fewer in a small picture.
    """
    places = [n - side + 1 for n in guide.shape[1:]]
    grid_rows, grid_columns = (torch.arange(0, n, stride) for n in places)
    shifts = torch.arange(-far, far + 1)
    columns_inside = (grid_columns + shifts[:, None] >= 0) & (grid_columns + shifts[:, None] < places[1])
    padded = F.pad(guide, (far,) * 4)
    band = max(1, _DISTANCES // (len(shifts) ** 2 * len(grid_columns)))
    count = min(count, math.prod(min(far + 1, n) for n in places))  # the least that a corner sees
    found = []
    for rows in grid_rows.split(band):
        top, height = int(rows[0]), int(rows[-1] - rows[0]) + side
        own = guide[:, top : top + height, None]
        unlike = guide.new_empty(len(shifts), len(shifts), len(rows), len(grid_columns))
        for i in range(len(shifts)):
            beside = padded[:, top + i : top + i + height].unfold(2, guide.shape[2], 1)  # (C, height, shifts, w)
            error = (beside - own).square_().sum(0).transpose(0, 1)[:, None]
            unlike[i] = F.avg_pool2d(error, side, stride)[:, 0]
        rows_inside = (rows + shifts[:, None] >= 0) & (rows + shifts[:, None] < places[0])
        unlike.masked_fill_(~(rows_inside[:, None, :, None] & columns_inside[None, :, None]), math.inf)
        unlike[far, far] = -1
        nearest = unlike.flatten(2).flatten(0, 1).T.topk(count, largest=False).indices
        apart = (shifts[:, None] * places[1] + shifts).flatten()[nearest]
        found.append((rows[:, None] * places[1] + grid_columns).flatten()[:, None] + apart)
    return torch.cat(found)


def patches_of(x: Tensor, side: int) -> Tensor:
    """Every patch of a picture (C, h, w): (places, C, side^2), row after row."""
    return F.unfold(x[:, None], side).permute(2, 0, 1).contiguous()


class Sum:
    """Patches laid where they belong, and their weighted mean.

    Args:
        like: the picture that they are of, (C, h, w).
        side: of the patches.
    """

    def __init__(self, like: Tensor, side: int) -> None:
        self.like, self.side = like, side
        places = math.prod(n - side + 1 for n in like.shape[1:])
        self.patches = like.new_zeros(places, len(like), side**2)
        self.weights = like.new_zeros(places)

    def add(self, places: Tensor, patches: Tensor, weights: Tensor | None = None) -> None:
        """Lay patches (n, C, side^2) at places (n,), each with a weight (n,); 1 by default."""
        weights = torch.ones_like(places, dtype=patches.dtype) if weights is None else weights
        self.patches.index_add_(0, places, patches * weights[:, None, None])
        self.weights.index_add_(0, places, weights)

    def mean(self, otherwise: Tensor) -> Tensor:
        """The picture (C, h, w); of pixels that no patch covers, ``otherwise``."""
        size = self.like.shape[1:]
        total = F.fold(self.patches.permute(1, 2, 0), size, self.side)[:, 0]
        weight = F.fold(self.weights.expand(1, self.side**2, -1), size, self.side)[:, 0]
        return torch.where(weight > 0, total / weight.clamp_min(1e-12), otherwise)

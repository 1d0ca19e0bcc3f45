"""Noise removed from similar patches together: the second step of BM3D (Dabov et al., TIP 2007) around a pilot.

A network knows what pictures look like; that this one shows a curtain's folds twenty times, it hardly sees. Here
patches that look alike in the network's answer, the pilot, are filtered together in the noisy picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from scipy.fft import dct
from scipy.linalg import hadamard
from torch import Tensor

#: Side of a patch, distance of those that look for others, how far they look, and how many patches make a group.
_SIDE, _STRIDE, _FAR, _GROUP = 8, 4, 12, 16
#: Patches that share pixels share noise, which a mean of them does not remove: they are taken for less alike by this
#: share of the noise's variance, times the share of their pixels that is the same.
_SHARED = 0.2
#: Shape of the window on a patch where patches overlap.
_KAISER = 2.0
#: Groups at once: few enough for a processor's cache.
_AT_ONCE = 256
#: Least noise that is told from none, in [0, 1] pictures.
LEAST_SIGMA = 1e-3
#: Luminance and two differences of colours, orthonormal.
_OPPONENT = ((3**-0.5, 3**-0.5, 3**-0.5), (2**-0.5, 0.0, -(2**-0.5)), (6**-0.5, -2 * 6**-0.5, 6**-0.5))
#: No pixel depends on a pixel this far away: patches around it come from groups, whose other patches lie elsewhere.
REACH = 2 * (_FAR + _SIDE)


def filtered(y: Tensor, pilot: Tensor, sigma: Tensor) -> Tensor:
    """Wiener filtering of groups of similar patches, with the gains that the pilot suggests.

    Args:
        y: (N, 3, H, W), any size, RGB in [0, 1] with white noise.
        pilot: (N, 3, H, W), an estimate of what is behind ``y``.
        sigma: standard deviation of the noise in each picture (N,), in units of ``y``.

    Returns:
        (N, 3, H, W), nominally in [0, 1].
    """
    height, width = y.shape[2:]
    edges = (0, max(-width % _STRIDE, _SIDE - width), 0, max(-height % _STRIDE, _SIDE - height))
    colours = y.new_tensor(_OPPONENT)
    y, pilot = (torch.einsum("ij,njhw->nihw", colours, F.pad(x, edges, mode="replicate")) for x in (y, pilot))
    variances = sigma.clamp_min(LEAST_SIGMA) ** 2
    out = [_one(*picture) for picture in zip(y, pilot, variances.tolist(), strict=True)]
    return torch.einsum("ij,nihw->njhw", colours, torch.stack(out))[..., :height, :width]


def _one(y: Tensor, pilot: Tensor, variance: float) -> Tensor:
    """One picture (3, h, w) in opponent colours; luminance says which patches are alike."""
    groups = _groups(pilot[0], variance)
    by_place, size = groups.flatten().argsort(), y.shape[1:]
    counts = torch.bincount(groups.flatten(), minlength=(size[0] - _SIDE + 1) * (size[1] - _SIDE + 1))
    starts = counts.cumsum(0) - counts
    channels = zip(y, pilot, strict=True)
    return torch.stack([_spread(*_shrunk(*channel, groups, variance), by_place, starts, size) for channel in channels])


def _shrunk(y: Tensor, pilot: Tensor, groups: Tensor, variance: float) -> tuple[Tensor, Tensor]:
    """One channel's groups (groups * 16, 64), filtered, of cosines still, and how much each group counts (groups,)."""
    cosines, across, _ = (matrix.to(y) for matrix in _transforms())
    noisy, clean = (_patches(x).reshape(-1, _SIDE**2) @ cosines.T for x in (y, pilot))
    patches, weights = y.new_empty(len(groups), _GROUP, _SIDE**2), y.new_empty(len(groups))
    for start in range(0, len(groups), _AT_ONCE):
        some = groups[start : start + _AT_ONCE].flatten()
        gain = (across @ clean.index_select(0, some).view(-1, _GROUP, _SIDE**2)).square_()
        gain = gain.div_(gain + variance)
        values = (across @ noisy.index_select(0, some).view(-1, _GROUP, _SIDE**2)).mul_(gain)
        # A group counts for as much as it has little noise left.
        weight = 1 / gain.square_().sum((1, 2)).clamp_min_(1)
        torch.matmul(across, values.mul_(weight[:, None, None]), out=patches[start : start + _AT_ONCE])
        weights[start : start + _AT_ONCE] = weight
    return patches.flatten(0, 1), weights


def _spread(patches: Tensor, weights: Tensor, by_place: Tensor, starts: Tensor, size: torch.Size) -> Tensor:
    """The weighted mean of all patches where they lie: a map of ``size``.

    Args:
        patches, weights: as :func:`_shrunk` gives them.
        by_place: numbers of the patches in the order of their places (groups * 16,).
        starts: where in that order each place begins (places,).
        size: height and width.
    """
    cosines, _, window = (matrix.to(patches) for matrix in _transforms())
    rows, columns = size[0] - _SIDE + 1, size[1] - _SIDE + 1
    # What is said of one place is added up there, and only then taken back from cosines to pixels.
    said = (cosines * window).T @ F.embedding_bag(by_place, patches, starts, mode="sum").T
    weight = F.embedding_bag(by_place // _GROUP, weights[:, None], starts, mode="sum").view(rows, columns)
    total = _overlapped((weight * share for share in window.tolist()), size)
    return _overlapped(said.view(-1, rows, columns), size) / total


def _groups(guide: Tensor, variance: float) -> Tensor:
    """For every patch on a grid of a guide (h, w), the places of those most like it, itself first: (patches, group)."""
    (height, width), span = guide.shape, 2 * _FAR + 1
    rows, columns = (torch.arange(0, n - _SIDE + 1, _STRIDE, device=guide.device) for n in (height, width))
    shifts = torch.arange(-_FAR, _FAR + 1, device=guide.device)
    inside_rows, inside_columns = (
        (starts + shifts[:, None] >= 0) & (starts + shifts[:, None] <= n - _SIDE)
        for starts, n in ((rows, height), (columns, width))
    )
    shared = (1 - shifts.abs() / _SIDE).clamp_min(0)
    padded = F.pad(guide[None, None], (_FAR,) * 4, mode="replicate")[0, 0]
    unlike = guide.new_empty(span, span, len(rows), len(columns))
    for i in range(span):
        error = (padded[i : i + height].unfold(1, width, 1) - guide[:, None]).square_()  # (h, span, w)
        for dim in (0, 2):
            error = error.unflatten(dim, (-1, _STRIDE)).sum(dim + 1)
            blocks = error.shape[dim] - _SIDE // _STRIDE + 1
            error = sum(error.narrow(dim, k, blocks) for k in range(_SIDE // _STRIDE))
        penalty = _SHARED * variance * shared[i] * shared
        unlike[i] = (error / _SIDE**2 + penalty[:, None]).permute(1, 0, 2)
    unlike.masked_fill_(~(inside_rows[:, None, :, None] & inside_columns[None, :, None, :]), math.inf)
    unlike[_FAR, _FAR] = -1
    distance, nearest = unlike.flatten(2).flatten(0, 1).T.contiguous().topk(_GROUP, dim=1, largest=False)
    nearest[distance.isinf()] = span**2 // 2  # a picture of few patches: a group with itself
    step = width - _SIDE + 1
    places = (rows[:, None] * step + columns).flatten()
    return places[:, None] + (shifts[:, None] * step + shifts).flatten()[nearest]


def _patches(x: Tensor) -> Tensor:
    """Every patch of a map (h, w): (h - 7, w - 7, 8, 8), shared memory."""
    return x.unfold(0, _SIDE, 1).unfold(1, _SIDE, 1)


def _overlapped(values: Iterable[Tensor], size: torch.Size) -> Tensor:
    """The sum of patches where they lie, given a map of all places for each of their pixels: a map of ``size``."""
    total: Tensor | None = None
    for here, (row, column) in zip(values, product(range(_SIDE), repeat=2), strict=True):
        total = here.new_zeros(size) if total is None else total
        total[row : row + here.shape[0], column : column + here.shape[1]] += here
    assert total is not None
    return total


@cache
def _transforms() -> tuple[Tensor, Tensor, Tensor]:
    """The cosine transform of a patch (64, 64), Hadamard's of a group (16, 16), and the window on a patch (64,)."""
    cosines = torch.from_numpy(dct(np.eye(_SIDE), axis=0, norm="ortho"))
    across = torch.from_numpy(hadamard(_GROUP) / math.sqrt(_GROUP))
    window = torch.kaiser_window(_SIDE, periodic=False, beta=_KAISER)
    return torch.kron(cosines, cosines).float(), across.float(), torch.outer(window, window).flatten()

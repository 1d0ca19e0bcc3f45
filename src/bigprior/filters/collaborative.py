"""Noise removed from similar patches together: BM3D (Dabov et al., TIP 2007) around a network's answer.

A network knows what pictures look like; that this one shows a curtain's folds twenty times, it hardly sees. Here
patches that look alike in the network's answer, the pilot, are filtered together in the noisy picture.

What the network took for noise, such as colours that are stronger and sharper than those that it learned from, its
answer does not show. BM3D's first step, hard thresholding, expects nothing, and other waves than those of the second
show it other things: where it finds more than noise leaves, the pilot is moved towards it.
"""

from __future__ import annotations

import math
from functools import cache, partial, reduce
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from scipy.fft import dct
from torch import Tensor

from bigprior.ops.boxes import box_mean
from bigprior.ops.colour import OPPONENT, turned
from bigprior.ops.tiling import in_tiles
from bigprior.progress import Progress

#: Side of a patch, distance of those that look for others, how far they look, and how many patches make a group.
_SIDE, _STRIDE, _FAR, _GROUP = 8, 4, 12, 16
#: Patches that share pixels share noise, which a mean of them does not remove: they are taken for less alike by this
#: share of the noise's variance, times the share of their pixels that is the same.
_SHARED = 0.2
#: The least coefficient that hard thresholding keeps, in units of the noise.
_THRESHOLD = 2.7
#: What hard thresholding finds beyond the pilot is looked at in squares of this side. Noise leaves a variance of about
#: this share of its own there; where it is far more, the pilot is moved by the last number of the way.
_SQUARE, _LEFT, _TRUST = 15, 0.05, 0.5
#: Shape of the window on a patch where patches overlap.
_KAISER = 2.0
#: Side of the tiles of a large picture, in pixels, a multiple of the period: half a gigabyte of patches at most.
_TILE = 384
#: Groups at once: few enough for a processor's cache.
_AT_ONCE = 256
#: Least noise that is told from none, in [0, 1] pictures.
LEAST_SIGMA = 1e-3
#: Pictures that begin this far apart, or a multiple of it, have groups at the same places, in both steps.
_PERIOD = 2 * _STRIDE
#: No pixel depends on a pixel this far away: patches around it come from groups, whose other patches lie elsewhere, in
#: both steps, and squares are looked at between them. A multiple of the period.
RECEPTIVE_RADIUS = 4 * (_FAR + _SIDE) + _PERIOD


def filtered(y: Tensor, pilot: Tensor, sigma: Tensor, progress: Progress | None = None) -> Tensor:
    """Wiener filtering of groups of similar patches, with the gains that the pilot, moved, suggests.

    Args:
        y: (N, 3, H, W), any size, RGB in [0, 1] with white noise.
        pilot: (N, 3, H, W), an estimate of what is behind ``y``.
        sigma: standard deviation of the noise in each picture (N,), in units of ``y``.
        progress: called with (finished, total) tiles.

    Returns:
        (N, 3, H, W), nominally in [0, 1].
    """
    window = partial(_window, sigma=sigma)
    return in_tiles(window, y, pilot, tile=_TILE, halo=RECEPTIVE_RADIUS, progress=progress)


def _window(y: Tensor, pilot: Tensor, sigma: Tensor) -> Tensor:
    height, width = y.shape[2:]
    edges = (0, max(-width % _STRIDE, _SIDE - width), 0, max(-height % _STRIDE, _SIDE - height))
    y, pilot = (turned(F.pad(x, edges, mode="replicate"), OPPONENT) for x in (y, pilot))
    variances = sigma.clamp_min(LEAST_SIGMA) ** 2
    out = [_one(*picture) for picture in zip(y, pilot, variances.tolist(), strict=True)]
    return turned(torch.stack(out), OPPONENT.T)[..., :height, :width]


def _one(y: Tensor, pilot: Tensor, variance: float) -> Tensor:
    """One picture (3, h, w) in opponent colours; luminance says which patches are alike."""
    places, size = _places(pilot[0], variance), y.shape[1:]
    every, some = _Groups(places.flatten(0, 1), size), _Groups(_every_second(places), size)
    # Asked for once: new pages take a process as long as the work on them.
    memory = y.new_empty(3, max(places.numel(), math.prod(n - _SIDE + 1 for n in size)), _SIDE**2)
    channels = []
    for noisy, expected in zip(y, pilot, strict=True):
        moved = _moved(expected, some.filtered(noisy, None, variance, memory), variance)
        channels.append(every.filtered(noisy, moved, variance, memory))
    return torch.stack(channels)


def _moved(pilot: Tensor, strong: Tensor, variance: float) -> Tensor:
    """A channel's pilot (h, w) moved to the thresholded channel, where that holds more than noise leaves."""
    more = strong - pilot
    energy = box_mean(more.square()[None, None], _SQUARE)[0, 0]
    return pilot + _TRUST * (1 - _LEFT * variance / energy).clamp_min(0) * more


class _Groups:
    """Groups of similar patches: where each patch lies (groups, 16), and in what order.

    Attributes:
        places: of the patches, counted along the rows of all places.
        size: height and width of the picture.
    """

    def __init__(self, places: Tensor, size: torch.Size) -> None:
        self.places, self.size = places, size
        self._by_place = places.flatten().argsort()
        self._groups_by_place = self._by_place // _GROUP
        counts = torch.bincount(places.flatten(), minlength=math.prod(n - _SIDE + 1 for n in size))
        self._starts = counts.cumsum(0) - counts

    def filtered(self, y: Tensor, pilot: Tensor | None, variance: float, memory: Tensor) -> Tensor:
        """One channel (h, w): cosines with the gains that a pilot (h, w) suggests, or thresholded wavelets without.

        Args:
            y, pilot: the channel with noise, and what is expected.
            variance: of the noise.
            memory: (3, M, 64) to work in, with M at least the number of places, and of patches.
        """
        waves, across = (_haar(_SIDE) if pilot is None else _cosines()).to(y), _haar(_GROUP).to(y)
        noisy = _transformed(y, waves, memory[0], memory[2])
        clean = None if pilot is None else _transformed(pilot, waves, memory[1], memory[2])
        patches = memory[2, : self.places.numel()].view(*self.places.shape, _SIDE**2)
        weights = y.new_empty(len(self.places))
        for start in range(0, len(self.places), _AT_ONCE):
            some = self.places[start : start + _AT_ONCE].flatten()
            values = across @ noisy.index_select(0, some).view(-1, _GROUP, _SIDE**2)
            if clean is None:
                gain = (values.abs() > _THRESHOLD * math.sqrt(variance)).to(values)
            else:
                gain = (across @ clean.index_select(0, some).view(-1, _GROUP, _SIDE**2)).square_()
                gain = gain.div_(gain + variance)
            values.mul_(gain)
            # A group counts for as much as it has little noise left.
            weight = 1 / gain.square_().sum((1, 2)).clamp_min_(1)
            torch.matmul(across.T, values.mul_(weight[:, None, None]), out=patches[start : start + _AT_ONCE])
            weights[start : start + _AT_ONCE] = weight
        return self._spread(patches.flatten(0, 1), weights, waves, memory[0])

    def _spread(self, patches: Tensor, weights: Tensor, waves: Tensor, memory: Tensor) -> Tensor:
        """The weighted mean of all patches where they lie.

        Args:
            patches: filtered, of waves still, times their group's weight (groups * 16, 64).
            weights: of the groups (groups,).
            waves: (8, 8), orthonormal.
            memory: (M, 64) to work in.
        """
        window = torch.kaiser_window(_SIDE, periodic=False, beta=_KAISER).to(patches)
        rows, columns = (n - _SIDE + 1 for n in self.size)
        # What is said of one place is added up there, and only then taken back from waves to pixels.
        said = F.embedding_bag(self._by_place, patches, self._starts, mode="sum").view(rows, columns, _SIDE, _SIDE)
        weight = F.embedding_bag(self._groups_by_place, weights[:, None], self._starts, mode="sum")
        return _laid(said, waves * window, memory) / _laid(weight.view(rows, columns, 1, 1), window[None], memory)


def _places(guide: Tensor, variance: float) -> Tensor:
    """For every patch on a grid of a guide (h, w), the places of those most like it, itself first.

    Returns:
        (rows of the grid, columns, 16), counted along the rows of all places.
    """
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
            error = reduce(torch.add, error.unflatten(dim, (-1, _STRIDE)).unbind(dim + 1))
            blocks = error.shape[dim] - _SIDE // _STRIDE + 1
            error = reduce(torch.add, (error.narrow(dim, k, blocks) for k in range(_SIDE // _STRIDE)))
        penalty = _SHARED * variance * shared[i] * shared
        unlike[i] = (error / _SIDE**2 + penalty[:, None]).permute(1, 0, 2)
    unlike.masked_fill_(~(inside_rows[:, None, :, None] & inside_columns[None, :, None, :]), math.inf)
    unlike[_FAR, _FAR] = -1
    distance, nearest = unlike.flatten(2).flatten(0, 1).T.contiguous().topk(_GROUP, dim=1, largest=False)
    nearest[distance.isinf()] = span**2 // 2  # a picture of few patches: a group with itself
    step = width - _SIDE + 1
    found = (shifts[:, None] * step + shifts).flatten()[nearest].view(len(rows), len(columns), _GROUP)
    return (rows[:, None] * step + columns)[..., None] + found


def _every_second(places: Tensor) -> Tensor:
    """Half of the groups (rows, columns, 16), as black squares lie, and the corners: every pixel is in one of these."""
    rows, columns = (torch.arange(n, device=places.device) for n in places.shape[:2])
    chosen = (rows[:, None] + columns) % 2 == 0
    for row, column in product((0, -1), repeat=2):
        chosen[row, column] = True
    return places[chosen]


def _transformed(x: Tensor, waves: Tensor, out: Tensor, memory: Tensor) -> Tensor:
    """All patches of a map (h, w), as coefficients of waves (8, 8) down and across: (places, 64), row after row.

    Args:
        x, waves: the map, and the waves.
        out: (M, 64), where the coefficients are put.
        memory: (M, 64) to work in.
    """
    patches = x.unfold(0, _SIDE, 1).unfold(1, _SIDE, 1)
    rows = memory[: patches.shape[:2].numel()]
    rows.view(patches.shape).copy_(patches)
    return torch.mm(rows, torch.kron(waves, waves).T, out=out[: len(rows)])


def _laid(patches: Tensor, waves: Tensor, memory: Tensor) -> Tensor:
    """The sum of patches where they lie: a map (rows + 7, columns + 7).

    Args:
        patches: one at each place (rows, columns, K, K), as coefficients of waves down and across.
        waves: (K, 8), in pixels.
        memory: (M, 64) to work in.
    """
    for dim in (1, 0):  # across, then down
        rows = patches.flatten(0, -2)
        pixels = torch.mm(waves.T, rows.T, out=memory.flatten()[: _SIDE * len(rows)].view(_SIDE, -1))
        places = list(patches.shape[:-1])
        laid = patches.new_zeros([n + (_SIDE - 1) * (i == dim) for i, n in enumerate(places)])
        for i, here in enumerate(pixels.view(_SIDE, *places)):
            laid.narrow(dim, i, here.shape[dim]).add_(here)
        patches = laid
    return patches


@cache
def _cosines() -> Tensor:
    """The cosines of 8 pixels (8, 8), orthonormal."""
    return torch.from_numpy(dct(np.eye(_SIDE), axis=0, norm="ortho")).float()


@cache
def _haar(n: int) -> Tensor:
    """Haar's orthonormal wavelets of ``n`` values, a power of two: what one patch alone shows stays by itself."""
    if n == 1:
        return torch.ones(1, 1)
    sums, differences = (
        torch.kron(_haar(n // 2), torch.ones(1, 2)),
        torch.kron(torch.eye(n // 2), torch.tensor([[1.0, -1.0]])),
    )
    return torch.cat([sums, differences]) / math.sqrt(2)

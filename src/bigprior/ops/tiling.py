"""Large pictures, window by window: exact where a window shows as far around as is looked, else blended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import EllipsisType
from typing import NamedTuple

import torch
from torch import Tensor

from bigprior.progress import Progress

#: An index of the last two dimensions of a tensor.
Index = tuple[EllipsisType, slice, slice]


class Window(NamedTuple):
    """A tile of a picture, and what is shown around it.

    Attributes:
        tile: the tile, as an index of the picture's rows and columns.
        shown: the tile with its halo, cut at the picture's edges.
        inner: the tile as an index of what is shown.
    """

    tile: Index
    shown: Index
    inner: Index


def windows(height: int, width: int, tile: int, halo: int = 0) -> Iterator[Window]:
    """Walk over a picture in tiles of ``tile`` pixels, row by row, each shown with ``halo`` pixels around it."""
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            parts = [(top, height), (left, width)]
            kept = [slice(start, min(start + tile, stop)) for start, stop in parts]
            shown = [slice(max(start - halo, 0), min(start + tile + halo, stop)) for start, stop in parts]
            inner = [slice(k.start - s.start, k.stop - s.start) for k, s in zip(kept, shown, strict=True)]
            yield Window((..., kept[0], kept[1]), (..., shown[0], shown[1]), (..., inner[0], inner[1]))


def in_tiles(
    network: Callable[..., Tensor],
    *inputs: Tensor,
    tile: int,
    halo: int,
    step: int = 1,
    progress: Progress | None = None,
) -> Tensor:
    """What ``network`` makes of pictures of any size, tile by tile.

    Args:
        network: of one window (N, C, h, w) of each input to (N, C', h, w); or, with a ``step``, of as many times fewer
            rows and columns, rounded up.
        inputs: (N, C, H, W), of one H and W.
        tile: side of what is kept of a window, in pixels; a multiple of the network's coarsest pixel.
        halo: pixels around a tile that its window also shows; with no less than the network's receptive-field radius,
            and a multiple of its coarsest pixel, the result is what the whole picture would give.
        step: pixels a side that one value of the result is for; it divides ``tile`` and ``halo``.
        progress: called with (finished, total) tiles.
    """
    height, width = inputs[0].shape[2:]
    walk = list(windows(height, width, tile, halo))
    out: Tensor | None = None
    for done, window in enumerate(walk):
        part = network(*(x[window.shown] for x in inputs))[_places(window.inner, step)]
        if out is None:
            size = (-(-height // step), -(-width // step))
            out = torch.empty(*part.shape[:2], *size, dtype=part.dtype, device=part.device)
        out[_places(window.tile, step)] = part
        if progress is not None:
            progress(done + 1, len(walk))
    assert out is not None  # a picture has at least one pixel
    return out


def _places(index: Index, step: int) -> Index:
    """The values that an index of pixels covers, where each is for ``step`` pixels a side."""
    rows, columns = (slice(part.start // step, -(-part.stop // step)) for part in index[1:])
    return ..., rows, columns


def overlapping(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles of one side begin, so that neighbours share ``overlap`` and the last one ends at ``length``."""
    return [*range(0, length - tile, tile - overlap), length - tile]


class Blend:
    """Pictures that are put together from overlapping squares, without seams.

    Args:
        like: (N, C, H, W): the size, type and place of what is put together.
    """

    def __init__(self, like: Tensor) -> None:
        self.total = torch.zeros_like(like)
        self.weight = like.new_zeros(len(like), 1, *like.shape[2:])

    def add(self, picture: int, corner: Sequence[int], square: Tensor, overlap: int) -> None:
        """Lay a square (C, S, S) on a picture, as far as it lies inside; it fades over ``overlap`` pixels a side."""
        rows, columns = (slice(start, start + square.shape[1]) for start in corner)
        total, weight = self.total[picture, :, rows, columns], self.weight[picture, :, rows, columns]
        h, w = weight.shape[1:]
        share = _faded(square.shape[1], overlap).to(square)[:h, :w]
        total += square[:, :h, :w] * share
        weight += share

    def result(self, otherwise: Tensor | None = None) -> Tensor:
        """The mean of what was laid down; where nothing was, ``otherwise``, or 0."""
        mean = self.total / self.weight.clamp_min(1e-12)
        return mean if otherwise is None else torch.where(self.weight > 0, mean, otherwise)


def _faded(tile: int, overlap: int) -> Tensor:
    """Blending weights (tile, tile): 1 inside, a raised cosine over ``overlap`` pixels at each side, never 0."""
    ramp = torch.ones(tile)
    if overlap:
        edge = 0.5 - 0.5 * torch.cos(torch.pi * (torch.arange(overlap) + 0.5) / overlap)
        ramp[:overlap] = torch.minimum(ramp[:overlap], edge)
        ramp[-overlap:] = torch.minimum(ramp[-overlap:], edge.flip(0))
    return ramp[:, None] * ramp

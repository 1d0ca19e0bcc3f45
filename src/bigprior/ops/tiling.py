"""Large pictures through a network in bounded memory, without seams."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def in_tiles(
    network: Callable[..., Tensor],
    *inputs: Tensor,
    tile: int,
    halo: int,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """What ``network`` makes of pictures of any size, tile by tile.

    Args:
        network: of one window (N, C, h, w) of each input to (N, C', h, w).
        inputs: (N, C, H, W), of one H and W.
        tile: side of what is kept of a window, in pixels; a multiple of the network's coarsest pixel.
        halo: pixels around a tile that its window also shows; with no less than the network's receptive-field radius,
            and a multiple of its coarsest pixel, the result is what the whole picture would give.
        progress: called with (finished, total) tiles.
    """
    height, width = inputs[0].shape[2:]
    corners = [(top, left) for top in range(0, height, tile) for left in range(0, width, tile)]
    out: Tensor | None = None
    for done, (top, left) in enumerate(corners):
        y0, x0 = max(top - halo, 0), max(left - halo, 0)
        window = (..., slice(y0, top + tile + halo), slice(x0, left + tile + halo))
        part = network(*(x[window] for x in inputs))[..., top - y0 : top - y0 + tile, left - x0 : left - x0 + tile]
        if out is None:
            out = torch.empty(*part.shape[:2], height, width, dtype=part.dtype, device=part.device)
        out[..., top : top + tile, left : left + tile] = part
        if progress is not None:
            progress(done + 1, len(corners))
    assert out is not None  # a picture has at least one pixel
    return out

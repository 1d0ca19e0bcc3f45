"""A frame: the orthonormal discrete cosine transform of squares, as JPEG has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior import Band


class CosineFrame:
    """Cosines of squares of 8x8 pixels, channel by channel: their means, and everything else.

    Sizes that the side does not divide are extended by zeros, which leaves the energy as it is.
    """

    name: ClassVar[str] = "cosine"
    side: ClassVar[int] = 8

    def __init__(self) -> None:
        self.bands = (Band("mean", 3, self.side), Band("waves", 3 * (self.side**2 - 1), self.side))
        waves = torch.arange(self.side, dtype=torch.float64)
        self.rows = torch.cos(math.pi / self.side * torch.outer(waves, waves + 0.5)) * math.sqrt(2 / self.side)
        self.rows[0] /= math.sqrt(2)

    def analyse(self, x: Tensor) -> list[Tensor]:
        """A picture (N, 3, H, W) of any size to its means (N, 3, h, w) and waves (N, 3 (S^2 - 1), h, w)."""
        x = F.pad(x, (0, -x.shape[3] % self.side, 0, -x.shape[2] % self.side))
        squares = F.pixel_unshuffle(x, self.side).unflatten(1, (3, self.side, self.side))
        found = self._turned(squares, self.rows).flatten(2, 3)
        return [found[:, :, 0], found[:, :, 1:].flatten(1, 2)]

    def synthesise(self, bands: Sequence[Tensor], height: int, width: int) -> Tensor:
        """Bands to a picture (N, 3, ``height``, ``width``)."""
        found = torch.cat([bands[0][:, :, None], bands[1].unflatten(1, (3, -1))], dim=2)
        squares = self._turned(found.unflatten(2, (self.side, self.side)), self.rows.T)
        return F.pixel_shuffle(squares.flatten(1, 3), self.side)[:, :, :height, :width]

    def _turned(self, squares: Tensor, matrix: Tensor) -> Tensor:
        """Rows and columns of squares (N, 3, S, S, h, w) times a matrix (S, S)."""
        matrix = matrix.to(squares)
        return torch.einsum("ui,vj,ncijhw->ncuvhw", matrix, matrix, squares)


class SmallCosineFrame(CosineFrame):
    """Cosines of squares of 2x2 pixels, whose means a picture of half the resolution knows."""

    name = "cosine-2"
    side = 2

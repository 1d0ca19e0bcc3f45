"""Planes of grey and colours as JPEG stores them: blocks of coefficients in units of steps, colours perhaps coarser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.errors import SettingsError
from bigprior.ops.cosines import SIDE, from_cosines, to_cosines

#: A density that is as wide as so many steps is flat in each of them.
_WIDE = 100.0


@dataclass(frozen=True, eq=False)
class Blocks:
    """How a picture's planes lie in blocks.

    Packed, (N, C, rows, columns), the numbers of one square of pixels, all of its blocks of all components, are the
    channels: 64 of each block, by component, block down, frequency down, block across and frequency across.

    Attributes:
        tables: of each component, what its numbers are multiples of, (components, 8, 8).
        sampling: of each component, blocks down and across in a square of pixels.
        most: the most of them, down and across.

    Raises:
        SettingsError: samples that do not divide the most.
    """

    tables: Tensor
    sampling: tuple[tuple[int, int], ...]
    most: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        """Refuse samples that cover no whole number of pixels."""
        most = max(v for v, _ in self.sampling), max(h for _, h in self.sampling)
        object.__setattr__(self, "most", most)
        if len(self.sampling) != len(self.tables) or any(most[0] % v or most[1] % h for v, h in self.sampling):
            raise SettingsError(f"sampling is {self.sampling}: expected a pair for each table, that divide the largest")

    @property
    def channels(self) -> int:
        """Of packed numbers."""
        return SIDE**2 * sum(v * h for v, h in self.sampling)

    def density(self, i: int) -> float:
        """Numbers of component ``i`` a pixel."""
        v, h = self.sampling[i]
        return v * h / (self.most[0] * self.most[1])

    def grid(self, y: Tensor) -> tuple[int, int]:
        """Height and width of all that the blocks of a measurement cover."""
        return SIDE * self.most[0] * y.shape[2], SIDE * self.most[1] * y.shape[3]

    def numbers(
        self, planes: Tensor, corner: tuple[int, int] = (0, 0), around: Sequence[Tensor] | None = None
    ) -> Tensor:
        """Planes (N, C, H, W) as coefficients in units of their steps, packed.

        Args:
            planes: of a picture.
            corner: where it begins in its blocks, down and across, in pixels.
            around: planes above, below, to the left and to the right of it, to the edges of its blocks; by default it
                goes on as its first and last rows and columns.
        """
        if around is None:
            steps = [SIDE * m for m in self.most]
            sides = zip(corner, planes.shape[2:], steps, strict=True)
            rows, columns = ((first, -(first + side) % step) for first, side, step in sides)
            planes = F.pad(planes, (*columns, *rows), mode="replicate")
        else:
            above, below, left, right = (part.to(planes) for part in around)
            planes = torch.cat([above, torch.cat([left, planes, right], dim=3), below], dim=2)
        found = []
        for i, ((v, h), table) in enumerate(zip(self.sampling, self.tables, strict=True)):
            plane = F.avg_pool2d(planes[:, i : i + 1], (self.most[0] // v, self.most[1] // h))
            steps = table.to(plane).repeat(plane.shape[2] // SIDE, plane.shape[3] // SIDE)
            found.append(to_cosines(plane) / steps)
        return self.packed(found)

    def decoded(self, y: Tensor) -> Tensor:
        """Numbers as planes (N, C, H, W), around 0, of all that they cover."""
        return torch.cat([self.spread(from_cosines(c), i) for i, c in enumerate(self.stepped(y))], dim=1)

    def stepped(self, y: Tensor) -> list[Tensor]:
        """Numbers times their steps, by component."""
        planes = self.unpacked(y)
        return [
            plane * table.to(plane).repeat(plane.shape[2] // SIDE, plane.shape[3] // SIDE)
            for plane, table in zip(planes, self.tables, strict=True)
        ]

    def spread(self, plane: Tensor, i: int) -> Tensor:
        """A plane of component ``i`` with each value copied to all pixels that it stands for."""
        v, h = self.sampling[i]
        return plane.repeat_interleave(self.most[0] // v, 2).repeat_interleave(self.most[1] // h, 3)

    def packed(self, planes: Sequence[Tensor]) -> Tensor:
        """Planes of numbers (N, 1, H, W), each of its own size, as a measurement."""
        parts = []
        for plane, (v, h) in zip(planes, self.sampling, strict=True):
            squares = plane[:, 0].unflatten(1, (-1, SIDE * v)).unflatten(3, (-1, SIDE * h))
            parts.append(squares.permute(0, 2, 4, 1, 3).flatten(1, 2))
        return torch.cat(parts, dim=1)

    def unpacked(self, y: Tensor) -> list[Tensor]:
        """The inverse of :meth:`packed`."""
        planes, at = [], 0
        for v, h in self.sampling:
            part = y[:, at : at + SIDE**2 * v * h].unflatten(1, (SIDE * v, SIDE * h))
            planes.append(part.permute(0, 3, 1, 4, 2).flatten(3, 4).flatten(1, 2)[:, None])
            at += SIDE**2 * v * h
        return planes


def error_in_zero(mean: Tensor) -> Tensor:
    """The mean square, in steps, of what was rounded to 0, where the mean of all numbers is this, in absolute terms."""
    # Rounded, Laplace's density has the mean t / (1 - t^2), where t = exp(-1 / (2 b)).
    m = mean.double().clamp(1e-12, _WIDE)
    t = 2 * m / (1 + (1 + 4 * m.square()).sqrt())
    b = -0.5 / t.log()
    return ((2 * b.square() - t * (0.25 + b + 2 * b.square())) / (1 - t)).to(mean)

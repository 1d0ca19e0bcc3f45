"""A degradation: half the resolution lost. Its measurement is smaller than the picture."""

from __future__ import annotations

from typing import Any, Self

import deepinv as dinv
import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior import Degradation, Protocol


def _halved(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    physics = Doubling((x.shape[2], x.shape[3]))
    return physics.f(x), physics


class Doubling(Degradation, dinv.physics.LinearPhysics):
    """Half the resolution lost: ``f`` is the mean of each square of 2x2 pixels; ``g_inv`` fills the square with it.

    Args:
        size: height and width of the picture, in pixels; by default twice those of the measurement.
    """

    name = "doubling"
    verb = "double"
    placement = "tiles"
    grid = 2
    frame = "cosine-2"
    measured = ("mean",)
    metrics = ("psnr", "mae")
    protocols = {"doubling": Protocol(_halved)}  # noqa: RUF012 (a ClassVar of the base)
    phi = "shares"

    def __init__(self, size: tuple[int, int] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def A(self, x: Tensor, **kwargs: Any) -> Tensor:  # noqa: N802 (deepinv's name)
        """The mean of each square; of those that the edge cuts, of what lies inside."""
        return F.avg_pool2d(x, 2, ceil_mode=True)

    def A_adjoint(self, y: Tensor, **kwargs: Any) -> Tensor:  # noqa: N802 (deepinv's name)
        """Each pixel gets its share of the square's mean."""
        height, width = self.picture_size(y)
        inside = F.pad(y.new_ones(1, 1, height, width), (0, width % 2, 0, height % 2))
        return self.g_inv(y / (4 * F.avg_pool2d(inside, 2)))

    def g_inv(self, y: Tensor) -> Tensor:
        """Copies each value into its square: a picture (N, 3, H, W)."""
        height, width = self.picture_size(y)
        return y.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)[:, :, :height, :width].contiguous()

    def g(self, x: Tensor) -> Tensor:
        """The first pixel of each square."""
        return x[:, :, ::2, ::2]

    def consistent(self, prior: Tensor, y: Tensor) -> Tensor:
        """The prior's details around the measured means, so that ``f`` of the result is ``y``."""
        return prior + self.g_inv(y - self.f(prior))

    def picture_size(self, y: Tensor) -> tuple[int, int]:
        """As given, or twice as large as ``y``."""
        return self.size or (2 * y.shape[2], 2 * y.shape[3])

    def crop(self, y: Tensor, top: int, left: int, height: int, width: int) -> tuple[Tensor, Self]:
        """The squares of a window that starts at a multiple of :attr:`grid`."""
        size = self.picture_size(y)
        below, right = min(top + height, size[0]), min(left + width, size[1])
        part = y[:, :, top // 2 : -(-below // 2), left // 2 : -(-right // 2)]
        return part, type(self)((below - top, right - left))

    def pad(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """The last squares repeated."""
        more = (0, -(-width // 2) - y.shape[3], 0, -(-height // 2) - y.shape[2])
        return F.pad(y, more, mode="replicate"), type(self)((height, width))

    def resize(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """The means of the picture at another size."""
        small = F.interpolate(y, size=(-(-height // 2), -(-width // 2)), mode="bilinear", antialias=True)
        return small, type(self)((height, width))

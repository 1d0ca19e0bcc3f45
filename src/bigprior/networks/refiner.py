"""A second look at a denoised picture: what its similar patches say together, merged with what the denoiser said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.filters.collaborative import LEAST_SIGMA, PERIOD, RECEPTIVE_RADIUS, filtered
from bigprior.io.weights import built
from bigprior.ops.tiling import in_tiles
from bigprior.progress import Progress

#: Side of the tiles of a large picture, in pixels: half a gigabyte of patches at most.
_TILE = 384
#: About how large, in units of the noise, the difference of both estimates is, and the correction of their mean.
_DIFFERENCE, _CORRECTION = 0.25, 0.3


class Refiner(nn.Module):
    """A noisy picture and a denoiser's answer to a better one.

    Similar patches are filtered together around the answer (:mod:`bigprior.filters.collaborative`); a small network at
    full resolution weighs both estimates, place by place, and corrects them. Trained by ``bigprior train refiner``.

    Args:
        width: channels.
        blocks: residual blocks of two convolutions.
    """

    def __init__(self, width: int = 32, blocks: int = 3) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"width": width, "blocks": blocks}
        self.head = nn.Conv2d(10, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(width, width, 3, padding=1)
            )
            for _ in range(blocks)
        )
        self.tail = nn.Conv2d(width, 6, 3, padding=1)
        with torch.no_grad():  # it starts as the mean of both
            for parameter in self.tail.parameters():
                parameter.zero_()
        #: No pixel depends on a pixel further away; a multiple of the filter's period.
        self.receptive_radius = RECEPTIVE_RADIUS + PERIOD * math.ceil(2 * (1 + blocks) / PERIOD)

    @torch.no_grad()
    def forward(self, y: Tensor, answer: Tensor, sigma: Tensor, progress: Progress | None = None) -> Tensor:
        """A better estimate of what is behind ``y``, nominally in [0, 1].

        Args:
            y, answer: (N, 3, H, W), any size, RGB in [0, 1]: with noise, and as a denoiser answered.
            sigma: standard deviation of the noise in each picture (N,), in units of ``y``.
            progress: called with (finished, total) tiles.
        """
        return in_tiles(
            partial(self._window, sigma=sigma), y, answer, tile=_TILE, halo=self.receptive_radius, progress=progress
        )

    def _window(self, y: Tensor, answer: Tensor, sigma: Tensor) -> Tensor:
        return self.merge(y, answer, filtered(y, answer, sigma), sigma)

    def merge(self, y: Tensor, answer: Tensor, together: Tensor, sigma: Tensor) -> Tensor:
        """The network alone: the same as ``forward``, with what similar patches said together (N, 3, H, W)."""
        s = sigma.clamp_min(LEAST_SIGMA).view(-1, 1, 1, 1)
        middle, difference = (answer + together) / 2, together - answer
        told = (y - middle) / s, difference / (_DIFFERENCE * s), middle - 0.5, 5 * s.expand(-1, 1, *y.shape[2:])
        x = F.relu(self.head(torch.cat(told, dim=1).contiguous(memory_format=torch.channels_last)))
        for block in self.blocks:
            x = x + block(x)
        weight, correction = self.tail(x).chunk(2, dim=1)
        merged: Tensor = middle + 2 * weight * difference + _CORRECTION * s * correction
        return merged

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Refiner:
        """Build the network that ``settings`` describes around ``state``.

        Raises:
            WeightsError: they do not fit each other.
        """
        return built(cls, "a refiner", state, settings)

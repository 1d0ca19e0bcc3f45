"""A small network that finds a picture's noise: how much there is, where, in grey and in colours, and how coarse.

Noise of a camera is stronger where there is more light, and demosaicing, resizing and JPEG have spread it over several
pixels. What it is described by is the variance of its orthonormal Haar details at four scales: for white noise it is
the same at all of them, for coarse noise it grows with the scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.frames import WaveletFrame
from bigprior.io.weights import built

#: Scales of the details, the finest of squares of 2 pixels; and channels of a description: grey and colours of each.
SCALES, NOISE_CHANNELS = 4, 8
#: Pixels a side that one value of a description is for.
PLACE = 4
#: Least variance that is told from none: of a third of a grey level of 255.
LEAST_VARIANCE = (0.3 / 255) ** 2


class NoiseEstimator(nn.Module):
    """A picture to the logarithm of the variance of its noise's details.

    Trained by the likelihood of the true noise (:func:`noise_likelihood`), so that it knows expectations, not draws.

    Args:
        widths: channels from the finest level, at a quarter of the resolution, to the coarsest.
        blocks: residual blocks on each side of each level.
    """

    def __init__(self, widths: Sequence[int] = (48, 64, 96), blocks: int = 2) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"widths": list(widths), "blocks": blocks}
        self.step = PLACE * 2 ** (len(widths) - 1)

        def level(width: int) -> nn.Sequential:
            return nn.Sequential(*(_Block(width) for _ in range(blocks)))

        self.head = nn.Conv2d(3 * PLACE**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(level(c) for c in widths[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.middle = level(widths[-1])
        self.grow = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(level(c) for c in widths[:-1])
        self.tail = nn.Conv2d(widths[0], NOISE_CHANNELS, 3, padding=1)
        convolutions = [4 * blocks * 2**i for i in range(len(widths) - 1)] + [2 * blocks * 2 ** (len(widths) - 1), 2]
        #: No value depends on a pixel this far away; a multiple of the coarsest pixel.
        self.receptive_radius = (math.ceil(PLACE * sum(convolutions) / self.step) + 1) * self.step
        with torch.no_grad():  # it starts with about the noise of a sigma of 13 of 255, everywhere
            self.tail.weight.mul_(0.1)
            assert self.tail.bias is not None
            self.tail.bias.fill_(-6.0)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, H, W), any size, to (N, :data:`NOISE_CHANNELS`, H / 4, W / 4), sides rounded up.

        Channels are grey and colours of the finest scale, then of the next, in units of [0, 1] pictures squared.
        """
        height, width = x.shape[2:]
        x = F.pad(x, (0, -width % self.step, 0, -height % self.step), mode="replicate")
        x = F.pixel_unshuffle(4 * (x - 0.5), PLACE).contiguous(memory_format=torch.channels_last)
        x = self.head(x)
        skips = []
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            x = blocks(x)
            skips.append(x)
            x = shrink(x)
        x = self.middle(x)
        for blocks, grow, skip in zip(reversed(self.up), reversed(self.grow), reversed(skips), strict=True):
            x = blocks(grow(x) + skip)
        levels: Tensor = self.tail(x).float().clamp(-14, 2)
        return levels[:, :, : -(-height // PLACE), : -(-width // PLACE)]

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], settings: Mapping[str, Any]) -> NoiseEstimator:
        """Build the network that ``settings`` describes around ``state``.

        Raises:
            WeightsError: they do not fit each other.
        """
        return built(cls, "a noise estimator", state, settings)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():  # near the identity
            self.second.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(F.relu(self.first(x)))
        return x + change


def densities(like: Tensor) -> Tensor:
    """What each channel of a description counts for in the variance of a pixel, (:data:`NOISE_CHANNELS`,)."""
    # A scale's details are 3 in 4 of what is left of the pixels; a third of the channels is grey.
    counts = [3 / 4**scale for scale in range(1, SCALES)] + [3 / 4**SCALES + 1 / 4**SCALES]
    return like.new_tensor([count * share for count in counts for share in (1 / 3, 2 / 3)])


def noise_likelihood(log_variance: Tensor, noise: Tensor) -> Tensor:
    """Mean negative logarithm of the likelihood of noise (N, 3, H, W) whose details have these variances: a scalar.

    Args:
        log_variance: as :class:`NoiseEstimator` gives it, (N, 8, H / 4, W / 4).
        noise: noisy minus clean pictures, sides multiples of 16.
    """
    total = noise.new_zeros(())
    for scale, details in enumerate(WaveletFrame(levels=SCALES).analyse(noise)[:-1]):
        squared = details.unflatten(1, (3, 3)).square()
        energy = torch.cat([squared[:, :1].mean(2), squared[:, 1:].mean((1, 2))[:, None]], dim=1)
        expected = log_variance[:, 2 * scale : 2 * scale + 2]
        if scale == 0:
            expected = F.interpolate(expected, scale_factor=2.0, mode="nearest")
        elif scale > 1:
            expected = F.avg_pool2d(expected.exp(), 2 ** (scale - 1)).log()
        total = total + (expected + (energy + LEAST_VARIANCE) / expected.exp()).mean()
    return total / SCALES

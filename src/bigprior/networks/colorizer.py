"""Colours from what things are: a guess at a grey picture's colours, by a network that knew ImageNet before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.io.weights import built
from bigprior.networks.efficientnet import EfficientNetLite
from bigprior.ops.colour import LUMINANCE

#: Side, in pixels, of the squares that it learns from, and of their colours.
RESOLUTION, GUESSED = 256, 64
#: Sides of the squares that are as large as a picture is where it is seen; the mean of both guesses is taken, since
#: the smaller one shows the scene, and the larger one what is in it.
_SEEN = (256, 384)
#: Sides of what is seen are multiples of the one; the longer is at the most the square of the other times the shorter.
_STEP, _LONGEST = 32, 2.0
#: About how far a colour is from grey: steps of its size for the last layer are as large as for all others.
_TYPICAL = 0.05


class ColorizationNetwork(nn.Module):
    """Luminance to a picture of that luminance whose colours are guessed, at a quarter of what it is seen at.

    A denoiser learns what a wall looks like from a few thousand photographs; what has seen ImageNet knows a window or a
    plant by its shape. From the coarsest of its features to the finest, each is added to what the coarser ones have
    made of the picture (feature pyramids: Lin et al., CVPR 2017). ``bigprior train colorizer`` trains it for the median
    colour, as the AuC counts it.

    Args:
        width: channels of what is made of the features.
        depth: blocks of the EfficientNet that sees, more than 11.

    Attributes:
        seen: that EfficientNet.
    """

    def __init__(self, width: int = 48, depth: int = 13) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"width": width, "depth": depth}
        self.seen = EfficientNetLite(depth)
        channels = self.seen.channels[1:]
        self.lateral = nn.ModuleList(nn.Conv2d(count, width, 1) for count in channels)
        self.whole = nn.Linear(channels[-1], width)
        self.finer = nn.ModuleList(_residual(width) for _ in channels[1:])
        self.colours = nn.Conv2d(width, 2, 1)

    def forward(self, y: Tensor) -> Tensor:
        """Luminance (N, 1, H, W) in [0, 1], any size, to pictures (N, 3, H, W) of it, which may leave [0, 1] a bit."""
        seen = [F.interpolate(y, size=_shape(y.shape[2:], side), mode="bilinear", antialias=True) for side in _SEEN]
        *others, finest = [self.chroma(x) for x in seen]
        total = sum((F.interpolate(x, size=finest.shape[2:], mode="bilinear") for x in others), finest)
        return y + F.interpolate(total / len(seen), size=y.shape[2:], mode="bilinear")

    def chroma(self, y: Tensor) -> Tensor:
        """What is added to luminance (N, 1, H, W) in [0, 1], and has none itself: (N, 3, H / 4, W / 4).

        It has learned from 256x256; sides are multiples of 32.
        """
        # Colours are few channels on many places, as convolutions of depth are: fastest with the channels together.
        features = self.seen(y.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last))[1:]
        x = self.lateral[-1](features[-1]) + self.whole(features[-1].mean(dim=(2, 3)))[:, :, None, None]
        for feature, lateral, finer in zip(features[-2::-1], self.lateral[-2::-1], self.finer[::-1], strict=True):
            x = F.interpolate(x, size=feature.shape[2:], mode="bilinear") + lateral(feature)
            x = x + finer(x)
        red, blue = (_TYPICAL * self.colours(F.relu(x)).float()).unbind(1)
        green = -(LUMINANCE[0] * red + LUMINANCE[2] * blue) / LUMINANCE[1]
        return torch.stack([red, green, blue], dim=1)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], settings: Mapping[str, Any]) -> ColorizationNetwork:
        """Build the network that ``settings`` describes around ``state``.

        Raises:
            WeightsError: they do not fit each other.
        """
        return built(cls, "a colorizer", state, settings)


def _shape(size: Sequence[int], side: int) -> tuple[int, int]:
    """Of a picture as large as a square of ``side``, of the proportions of ``size`` as far as they are not extreme."""
    longer = min(max(math.sqrt(size[0] / size[1]), 1 / _LONGEST), _LONGEST)
    return round(side * longer / _STEP) * _STEP, round(side / longer / _STEP) * _STEP


def _residual(width: int) -> nn.Module:
    first, second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
    return nn.Sequential(nn.ReLU(), first, nn.ReLU(), second)

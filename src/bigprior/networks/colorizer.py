"""Colours from what things are: a guess at a grey picture's colours, read from what a frozen AlexNet sees in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.io.weights import built
from bigprior.ops.colour import LUMINANCE
from bigprior.ops.perceptual import alexnet_features
from bigprior.ops.winograd import Conv3x3

#: Side, in pixels, that pictures are seen at; one place of the features is so many pixels.
RESOLUTION, PLACE = 256, 16
#: About how far a colour is from grey: steps of its size for the last layer are as large as for all others.
_TYPICAL = 0.05
#: Channels of AlexNet's second to fifth convolution together.
_SEEN = 192 + 384 + 256 + 256


class ColorizationNetwork(nn.Module):
    """Luminance to a picture of that luminance whose colours are guessed, at an eighth of its resolution.

    A denoiser learns what a wall looks like from a few thousand photographs; AlexNet, which has seen ImageNet, knows a
    window or a plant by its shape (hypercolumns: Larsson et al., ECCV 2016). It is trained by ``bigprior train
    colorizer`` for the median colour, as the AuC counts it.

    Args:
        width: channels of the network on top of AlexNet's features.
        blocks: residual blocks, each of which sees the mean of the whole picture too.
        dropout: share of the channels left out in training.
    """

    def __init__(self, width: int = 96, blocks: int = 2, dropout: float = 0.1) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"width": width, "blocks": blocks, "dropout": dropout}
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", torch.zeros(1, _SEEN, 1, 1))
        self.register_buffer("spread", torch.ones(1, _SEEN, 1, 1))
        self.drop = _Dropout2d(dropout)
        self.seen = nn.Conv2d(_SEEN, width, 1)
        self.luminance = nn.Conv2d((PLACE // 4) ** 2, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.ReLU(), Conv3x3(width, width), nn.ReLU(), _Dropout2d(dropout), Conv3x3(width, width))
            for _ in range(blocks)
        )
        self.whole = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.colours = nn.Conv2d(width, 2 * 2**2, 1)

    def forward(self, y: Tensor) -> Tensor:
        """Luminance (N, 1, H, W) in [0, 1], any size, to pictures (N, 3, H, W) of it, which may leave [0, 1] a bit."""
        small = F.interpolate(y, size=(RESOLUTION, RESOLUTION), mode="bilinear", antialias=True)
        return y + self.chroma(features(small), quarter(small), (y.shape[2], y.shape[3]))

    def chroma(self, seen: Tensor, luminance: Tensor, size: tuple[int, int]) -> Tensor:
        """What is added to the luminance, and has none itself.

        Args:
            seen: :func:`features` of the picture.
            luminance: (N, 1, 64, 64) in [0, 1], :func:`quarter` of it.
            size: height and width of the result (N, 3, height, width).
        """
        # A few channels are hardly ever active, and their standard units have no bound.
        x = self.drop(((seen.float() - self.mean) / self.spread).clamp(-5, 5))
        x = self.seen(x) + self.luminance(F.pixel_unshuffle(luminance - 0.5, PLACE // 4))
        for block, whole in zip(self.blocks, self.whole, strict=True):
            x = x + block(x + whole(x.mean(dim=(2, 3)))[:, :, None, None])
        colours = _TYPICAL * F.pixel_shuffle(self.colours(F.relu(x)), 2)
        red, blue = F.interpolate(colours, size=size, mode="bilinear").unbind(1)
        green = -(LUMINANCE[0] * red + LUMINANCE[2] * blue) / LUMINANCE[1]
        return torch.stack([red, green, blue], dim=1)

    @torch.no_grad()
    def standardise(self, seen: Tensor) -> None:
        """Take the units of the features from examples of them."""
        self.mean.copy_(seen.float().mean(dim=(0, 2, 3), keepdim=True))
        self.spread.copy_(seen.float().std(dim=(0, 2, 3), keepdim=True) + 1e-3)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], settings: Mapping[str, Any]) -> ColorizationNetwork:
        """Build the network that ``settings`` describes around ``state``.

        Raises:
            WeightsError: they do not fit each other.
        """
        return built(cls, "a colorizer", state, settings)


class _Dropout2d(nn.Dropout2d):
    """As torch's, but drawn on the processor: every device leaves out the same channels."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.p:
            return x
        kept = torch.empty(*x.shape[:2], 1, 1).bernoulli_(1 - self.p).div_(1 - self.p)
        return x * kept.to(x)


@torch.no_grad()
def features(luminance: Tensor) -> Tensor:
    """What AlexNet sees in luminance (N, 1, 256, 256) in [0, 1]: its second to fifth convolution, (N, C, 16, 16)."""
    places = (RESOLUTION // PLACE, RESOLUTION // PLACE)
    maps = alexnet_features(luminance.expand(-1, 3, -1, -1))[1:]
    return torch.cat([F.interpolate(x, size=places, mode="bilinear", antialias=True) for x in maps], dim=1)


def quarter(x: Tensor) -> Tensor:
    """Pictures (N, C, 256, 256) to a quarter of their side."""
    return F.avg_pool2d(x, 4)

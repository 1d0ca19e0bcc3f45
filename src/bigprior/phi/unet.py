"""``phi`` of pixels by a small U-Net that sees the measurement and the prior."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.errors import SettingsError
from bigprior.frames import Bands, Frame, PixelFrame
from bigprior.phi.base import PhiNetwork


class UNetPhi(PhiNetwork):
    """A small U-Net that sees the measurement and the prior, and so can judge the prior that it weighs.

    Deviates: the paper's network sees ``y`` alone, and is unbounded as released; the sigmoid makes ``phi`` a share by
    construction.

    Args:
        widths: channels from the finest level to the coarsest; each further level halves the side.
        channels: of ``phi``: 1, a share a pixel, or 3, a share a pixel and colour.
        shuffle: the finest level works on blocks of this side, folded into channels: 2 costs a quarter of 1.
        sees_prior: without it, the measurement stands in the prior's place.
        bounded: sigmoid of the output; without it ``phi`` is a share no more.

    Raises:
        SettingsError: other ``channels``.
    """

    kind: ClassVar[str] = "unet"

    def __init__(
        self,
        widths: Sequence[int] = (24, 48, 96),
        channels: int = 1,
        shuffle: int = 1,
        sees_prior: bool = True,
        bounded: bool = True,
    ) -> None:
        if channels not in (1, 3):
            raise SettingsError(f"channels is {channels}: expected 1, a share a pixel, or 3, one a pixel and colour")
        settings = {
            "widths": list(widths),
            "channels": channels,
            "shuffle": shuffle,
            "sees_prior": sees_prior,
            "bounded": bounded,
        }
        # A multiple of the coarsest pixel, which is an eighth of it.
        super().__init__(PixelFrame.name, 8 * shuffle * 2 ** (len(widths) - 1), settings)
        self.shuffle, self.sees_prior, self.bounded = shuffle, sees_prior, bounded
        inputs = (9 * shuffle**2, *widths)
        self.down = nn.ModuleList(_block(c_in, c) for c_in, c in zip(inputs, widths, strict=False))
        self.up = nn.ModuleList(_block(c + deep, c) for c, deep in pairwise(widths))
        self.head = nn.Conv2d(widths[0], channels * shuffle**2, 3, padding=1)

    def forward(self, fidelity: Tensor, prior: Tensor, frame: Frame, *, mean: Tensor, weight: Tensor) -> Bands:
        """One band: ``phi`` (N, channels, H, W) in [0, 1]; neither ``mean`` nor ``weight`` is looked at."""
        # Values far outside [0, 1] say no more than values a little outside, and could overflow.
        fidelity, prior = fidelity.clamp(-1, 2), prior.clamp(-1, 2)
        prior = prior if self.sees_prior else fidelity
        # The difference is what the decision is about; a convolution could form it, but starts from it sooner.
        x = torch.cat([fidelity - 0.5, prior - 0.5, prior - fidelity], dim=1)
        height, width = x.shape[2:]
        step = self.shuffle * 2 ** len(self.up)
        x = F.pad(x, (0, -width % step, 0, -height % step), mode="replicate")
        x = F.pixel_unshuffle(x, self.shuffle)
        skips = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else F.avg_pool2d(x, 2))
            skips.append(x)
        for block, skip in zip(reversed(self.up), reversed(skips[:-1]), strict=True):
            x = block(torch.cat([skip, F.interpolate(x, scale_factor=2.0, mode="nearest")], dim=1))
        # In single precision whatever the context: a bfloat16 share near 1 is 1, and learns nothing any more.
        phi = F.pixel_shuffle(self.head(x).float(), self.shuffle)[:, :, :height, :width]
        return [torch.sigmoid(phi) if self.bounded else phi]


def _block(c_in: int, c_out: int) -> nn.Sequential:
    conv = [nn.Conv2d(c_in, c_out, 3, padding=1), nn.GELU(), nn.Conv2d(c_out, c_out, 3, padding=1), nn.GELU()]
    return nn.Sequential(*conv)

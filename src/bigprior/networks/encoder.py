"""Where an inversion begins: codes and channel weights straight from the measurement."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.degradations import CONDITION_CHANNELS, Measurement
from bigprior.io.weights import built


class CodeEncoder(nn.Module):
    """A measurement to ``z`` and ``alpha`` of Eq. 13: one pass instead of an inversion's first steps.

    It is trained for one frozen generator (``bigprior train encoder``), one number of codes and one composing layer,
    and says how far ``z`` and ``alpha`` are from a start that all pictures share.

    Args:
        resolution: side of the measurements, a power of two from 8 on.
        codes, layer: ``N`` and ``l`` of the inversion that it begins.
        z_dim: length of a code.
        channels: of the maps that enter ``layer``: the length of one ``alpha``.
        width: channels at the finest level, which is half as wide as the picture; all others have twice as many.
        hidden: length of the summary that codes and weights are read from.
    """

    def __init__(
        self, resolution: int, codes: int, layer: int, z_dim: int, channels: int, width: int = 64, hidden: int = 192
    ) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {
            "resolution": resolution,
            "codes": codes,
            "layer": layer,
            "z_dim": z_dim,
            "channels": channels,
            "width": width,
            "hidden": hidden,
        }
        self.codes, self.layer = codes, layer
        widths = [width if i == 0 else 2 * width for i in range(int(math.log2(resolution)) - 2)]
        self.head = nn.Conv2d(4 * (3 + CONDITION_CHANNELS), widths[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths))
        self.refine = nn.ModuleList(nn.Conv2d(b, b, 3, padding=1) for b in widths[1:])
        self.summary = nn.Linear(16 * widths[-1], hidden)
        self.codes_head = nn.Linear(hidden, codes * z_dim)
        self.weights_head = nn.Linear(hidden, codes * channels)
        self.start = nn.Parameter(torch.randn(codes, z_dim))
        with torch.no_grad():  # the first answer is the start that all pictures share
            for layer_ in (self.codes_head, self.weights_head):
                for parameter in layer_.parameters():
                    parameter.zero_()

    def forward(self, m: Measurement) -> tuple[Tensor, Tensor]:
        """Measurements of pictures (N, 3, R, R) to ``z`` (N, codes, z_dim) and ``alpha`` (N, codes, channels)."""
        fidelity, condition = m.fidelity, m.condition
        if condition is None:
            condition = fidelity.new_zeros(len(fidelity), CONDITION_CHANNELS, *fidelity.shape[2:])
        x = torch.cat([2 * fidelity.clamp(-1, 2) - 1, condition], dim=1)
        x = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        x = F.gelu(self.head(x))
        for down, refine in zip(self.down, self.refine, strict=True):
            x = F.gelu(down(x))
            x = x + F.gelu(refine(x))
        x = F.gelu(self.summary(x.flatten(1)))
        z = self.start + self.codes_head(x).unflatten(1, self.start.shape)
        alpha = (1 + self.weights_head(x).unflatten(1, (self.codes, -1))) / self.codes
        return z.float(), alpha.float()

    def fits(self, codes: int, layer: int) -> bool:
        """Whether it begins inversions of so many codes at this layer."""
        return (self.codes, self.layer) == (codes, layer)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], settings: Mapping[str, Any]) -> CodeEncoder:
        """Build the network that ``settings`` describes around ``state``.

        Raises:
            WeightsError: they do not fit each other.
        """
        return built(cls, "an encoder", state, settings)

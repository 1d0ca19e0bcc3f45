"""IRCNN's denoisers (Zhang et al., CVPR 2017): seven dilated convolutions, one network for each noise level."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn

from bigprior.errors import WeightsError
from bigprior.io.weights import built

_LAYER = re.compile(r"(?:(\d+)\.)?model\.(0|2|4|6|8|10|12)\.(weight|bias)")
_DILATIONS = (1, 2, 3, 4, 3, 2, 1)


class IRCNN(nn.Module):
    """So many networks; the ``k``-th, from 1 on, is for noise of ``2 k`` of 255.

    Layers are called as in the authors' PyTorch release: ``K.model.0``, ``K.model.2``, ... with ``K`` from 0 on.

    Args:
        channels: of a picture, 1 or 3.
        width: of the hidden layers.
        levels: how many networks.

    Attributes:
        channels: of a picture.
    """

    def __init__(self, channels: int = 3, width: int = 64, levels: int = 25) -> None:
        super().__init__()
        self.channels = channels
        for k in range(levels):
            self.add_module(str(k), _Level(channels, width))

    @classmethod
    def knows(cls, state: Mapping[str, Tensor]) -> bool:
        """Whether tensors are those of such networks, by their names and shapes."""
        matches = [_LAYER.fullmatch(name) for name in state]
        first = state.get("0.model.0.weight", state.get("model.0.weight"))
        if not state or not all(matches) or first is None or first.ndim != 4 or first.shape[1] not in (1, 3):
            return False
        levels = {match[1] for match in matches if match is not None}
        return len(state) == 2 * len(_DILATIONS) * len(levels)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Rebuild from tensors, whose shapes say all; of one network alone, it is for every noise level.

        Raises:
            WeightsError: they do not fit.
        """
        whole = {name if name[0].isdigit() else f"0.{name}": tensor for name, tensor in state.items()}
        first, levels = whole.get("0.model.0.weight"), len(whole) // (2 * len(_DILATIONS))
        if first is None:
            raise WeightsError("not the weights of IRCNN (no tensor 0.model.0.weight)")
        settings = {"channels": first.shape[1], "width": first.shape[0], "levels": levels}
        return built(cls, "IRCNN", whole, settings)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """A noisy picture (N, C, H, W) in [0, 1], and its noise level (N,), to a clean one."""
        levels = list(self.children())
        chosen = (min(max(math.ceil(round(255 * level / 2, 3)) - 1, 0), len(levels) - 1) for level in sigma.tolist())
        return torch.cat([one - levels[k](one) for one, k in zip(x.split(1), chosen, strict=True)])


class _Level(nn.Module):
    """One network, which gives the noise."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        widths = [channels, *[width] * (len(_DILATIONS) - 1), channels]
        layers: list[nn.Module] = []
        for (before, after), dilation in zip(pairwise(widths), _DILATIONS, strict=True):
            layers += [nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation), nn.ReLU()]
        self.model = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        noise: Tensor = self.model(x)
        return noise

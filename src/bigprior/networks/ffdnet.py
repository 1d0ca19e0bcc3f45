"""FFDNet (Zhang et al., IEEE TIP 2018): a denoiser that is told the noise level, on four small pictures of one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.errors import WeightsError
from bigprior.io.weights import built

_LAYER = re.compile(r"model\.(\d+)\.(weight|bias)")


class FFDNet(nn.Module):
    """Every second pixel of a row and column makes a small picture; all four go through plain convolutions.

    A map of the noise level is a channel more. The layers are called as in the authors' own PyTorch code: ``model.0``,
    ``model.2``, ...

    Args:
        channels: of a picture, 1 or 3.
        width: of the hidden layers.
        depth: convolutions.

    Attributes:
        channels: of a picture.
    """

    def __init__(self, channels: int = 3, width: int = 96, depth: int = 12) -> None:
        super().__init__()
        self.channels = channels
        widths = [4 * channels + 1, *[width] * (depth - 1), 4 * channels]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True)]
        self.model = nn.Sequential(*layers[:-1])

    @classmethod
    def knows(cls, state: Mapping[str, Tensor]) -> bool:
        """Whether tensors are those of such a network, by their names and shapes."""
        first, last = state.get("model.0.weight"), state.get(f"model.{_last(state)}.weight")
        if not all(_LAYER.fullmatch(name) for name in state) or first is None or last is None:
            return False
        return last.shape[0] in (4, 12) and first.ndim == 4 and first.shape[1] == last.shape[0] + 1

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Rebuild from tensors, whose shapes say all.

        Raises:
            WeightsError: they do not fit.
        """
        last = _last(state)
        if last > 2 * len(state):  # before memory is asked for
            raise WeightsError(f"not the weights of an FFDNet (a layer {last} but {len(state)} tensors)")
        first, outs = state["model.0.weight"].shape, state[f"model.{last}.weight"].shape[0]
        settings = {"channels": outs // 4, "width": first[0], "depth": last // 2 + 1}
        return built(cls, "an FFDNet", state, settings)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """A noisy picture (N, C, H, W) in [0, 1], of even sides, and its noise level (N,), to a clean one."""
        small = F.pixel_unshuffle(x, 2)
        level = sigma.view(-1, 1, 1, 1).expand(len(x), 1, *small.shape[2:])
        return F.pixel_shuffle(self.model(torch.cat([small, level], dim=1)), 2)


def _last(state: Mapping[str, Tensor]) -> int:
    """The number of the last layer."""
    return max((int(found[1]) for name in state if (found := _LAYER.fullmatch(name))), default=0)

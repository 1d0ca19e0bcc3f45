"""A generator with styles: what a layer gets is its feature maps, and a style that scales their channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior import Generator, State, WeightsError


class Modulated(Generator):
    """Grows a learned 4x4 map to a picture; every layer convolves its maps and doubles their side.

    Args:
        width: channels of the maps.
        layers: how many; each doubles the side of 4.
    """

    def __init__(self, width: int = 16, layers: int = 2) -> None:
        super().__init__()
        self.resolution, self.z_dim, self.layers, self.width = 4 << layers, 12, layers, width
        self.constant = nn.Parameter(torch.randn(1, width, 4, 4))
        self.mapping = nn.Sequential(nn.Linear(self.z_dim, 16), nn.GELU(), nn.Linear(16, 8))
        self.scales = nn.ModuleList(nn.Linear(8, width) for _ in range(layers))
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(layers))
        self.output = nn.Conv2d(width, 3, 1)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that build this network again."""
        return {"width": self.width, "layers": self.layers}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Build the network that ``state`` fits."""
        try:
            network = cls(state["constant"].shape[1], sum(key.startswith("scales.") for key in state) // 2)
            network.load_state_dict(dict(state))
        except (KeyError, RuntimeError) as error:
            raise WeightsError(f"not such a generator: {error}") from error
        return network

    def channels_at(self, layer: int) -> int:
        """The same at every layer."""
        self.checked(layer)
        return self.width

    def first(self, z: Tensor, layer: int) -> State:
        """Codes (N, z_dim) to the maps (N, C, h, w) that enter ``layer``, and the style (N, 8) of all layers."""
        style = self.mapping(z)
        return State(self._through(self.constant.expand(len(z), -1, -1, -1), style, 0, self.checked(layer)), style)

    def second(self, state: State, layer: int) -> Tensor:
        """What enters ``layer`` to pictures (N, 3, R, R), RGB in [0, 1]."""
        assert state.style is not None
        return self.output(self._through(state.features, state.style, self.checked(layer), self.layers)).sigmoid()

    def _through(self, maps: Tensor, style: Tensor, start: int, end: int) -> Tensor:
        for scale, convolve in list(zip(self.scales, self.convolutions, strict=True))[start:end]:
            maps = F.gelu(convolve(maps * (1 + scale(style))[:, :, None, None]))
            maps = F.interpolate(maps, scale_factor=2, mode="bilinear")
        return maps

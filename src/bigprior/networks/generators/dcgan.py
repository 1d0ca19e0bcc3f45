"""The generator of DCGAN (Radford et al., ICLR 2016), in the layout of PyTorch's own example.

The tensors have the names of that example's files (``main.0.weight``, ``main.1.running_mean``, ...), so those load as
they are, for pictures of any side that is a power of two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor, nn

from bigprior.errors import SettingsError, WeightsError
from bigprior.networks.generators.base import Generator, State


class DCGAN(Generator):
    """Transposed convolutions that double the side, each but the last with batch normalisation and ReLU; then tanh.

    Layers count transposed convolutions from 0: layer 0 makes the 4x4 map of the code, and layer 1 takes it.

    Args:
        z_dim: length of a code.
        widths: channels of the maps of side 4, 8, ...; pictures are twice as wide as the last.

    Raises:
        SettingsError: no widths.
    """

    normalises = False
    stepwise = True

    def __init__(self, z_dim: int = 100, widths: Sequence[int] = (512, 256, 128, 64)) -> None:
        super().__init__()
        if not widths:
            raise SettingsError("widths are empty: expected the channels of the maps of side 4, 8, ...")
        self.z_dim, self.widths = z_dim, tuple(widths)
        self.layers, self.resolution = len(self.widths), 4 << len(self.widths)
        steps: list[nn.Module] = []
        for i, (c_in, c_out) in enumerate(pairwise([z_dim, *self.widths])):
            stride, padding = (2, 1) if i else (1, 0)
            steps += [nn.ConvTranspose2d(c_in, c_out, 4, stride, padding, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()]
        self.main = nn.Sequential(*steps, nn.ConvTranspose2d(self.widths[-1], 3, 4, 2, 1, bias=False), nn.Tanh())

    def extra_repr(self) -> str:
        """Size, code length and widths."""
        return f"resolution={self.resolution}, z_dim={self.z_dim}, widths={self.widths}"

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that build this network again."""
        return {"z_dim": self.z_dim, "widths": list(self.widths)}

    @property
    def cut(self) -> int:
        """Halfway: maps of 8x8 of pictures of 64x64 pixels, where faces are found again best."""
        return self.layers // 2

    def channels_at(self, layer: int) -> int:
        """Channels of the feature maps that enter ``layer`` (``z_dim`` at layer 0)."""
        return (self.z_dim, *self.widths)[self.checked(layer)]

    def first(self, z: Tensor, layer: int) -> State:
        """``G_1^(l)``: codes (N, z_dim) to the feature maps (N, C, h, w) that enter ``layer``."""
        return self.through(State(z[:, :, None, None]), 0, self.checked(layer))

    def through(self, state: State, start: int, end: int) -> State:
        """The maps that enter ``start`` to those that enter ``end``."""
        return State(self.main[3 * start : 3 * end](state.features))

    def second(self, state: State, layer: int) -> Tensor:
        """``G_2^(l)``: the feature maps that enter ``layer`` to pictures (N, 3, R, R), RGB in [0, 1]."""
        picture: Tensor = self.main[3 * self.checked(layer) :](state.features)
        return (picture + 1) / 2

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Build the network that ``state`` fits, for use: its normalisation is the one that it learned.

        Raises:
            WeightsError: a tensor is missing, has another shape, or is not one of this architecture.
        """
        state = {k.removeprefix("module."): v for k, v in state.items()}
        kernels = [state[name] for i in range(len(state)) if (name := f"main.{3 * i}.weight") in state]
        if len(kernels) < 2 or any(kernel.ndim != 4 or 0 in kernel.shape for kernel in kernels):
            raise WeightsError("not a DCGAN generator: no transposed convolutions main.0.weight, main.3.weight, ...")
        if kernels[-1].shape[1] != 3:
            raise WeightsError(f"this DCGAN makes pictures of {kernels[-1].shape[1]} channels: expected 3, for RGB")
        network = cls(kernels[0].shape[0], [kernel.shape[1] for kernel in kernels[:-1]])
        counts = {
            k: torch.zeros((), dtype=torch.long) for k in network.state_dict() if k.endswith("num_batches_tracked")
        }
        return network.fill(counts | state, "a DCGAN generator").eval()  # older files have no counts

"""The decoder of a small convolutional autoencoder, in the layout of TAESD (Bohan, 2023), with or without its encoder.

TAESD decodes the latent maps of large diffusion models; its files are MIT-licensed. Both of its namings load: its own
(``1.weight``, ``3.conv.0.weight``, ..., a file for the decoder alone) and that of diffusers
(``decoder.layers.0.weight``, ``encoder.layers.0.weight``, ...), which is ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from bigprior.errors import SettingsError, WeightsError
from bigprior.networks.generators.base import Generator, State

#: Blocks of a side, of all but the finest, which has one.
_BLOCKS = 3
#: Of a file that does not say it: the side of its pictures, in pixels.
_RESOLUTION = 256


class TAESD(Generator):
    """Residual blocks of 3x3 convolutions and ReLU, and nearest upsampling; a code is a latent map.

    Layers count residual blocks, each with the upsampling that comes before it, from 1; layer 0 takes the latent map
    itself, whose values are kept within 3, as published.

    Args:
        resolution: side of the pictures, a multiple of what the decoder enlarges by. The network works at any; this one
            is how long a code is.
        channels: of a latent map.
        width: channels of all other maps.
        doublings: of the side.
        encoder: whether the encoder is there too, which says where inversions begin.

    Raises:
        SettingsError: a resolution that is no such multiple.
    """

    normalises = False
    stepwise = True

    def __init__(
        self,
        resolution: int = _RESOLUTION,
        channels: int = 4,
        width: int = 64,
        doublings: int = 3,
        encoder: bool = False,
    ) -> None:
        super().__init__()
        if resolution < 1 or resolution % (1 << doublings):
            raise SettingsError(f"resolution is {resolution}: expected a multiple of {1 << doublings}")
        self.resolution, self.channels, self.width, self.doublings = resolution, channels, width, doublings
        self.latent_shape = (channels, resolution >> doublings, resolution >> doublings)
        self.z_dim = channels * (resolution >> doublings) ** 2
        self.layers = _BLOCKS * doublings + 1
        self.side: Tensor  # of a latent map, which is in no other tensor
        self.register_buffer("side", torch.tensor(resolution >> doublings))
        self.decoder = nn.ModuleDict({"layers": _decoder(channels, width, doublings)})
        self.encoder = nn.ModuleDict({"layers": _encoder(channels, width, doublings)}) if encoder else None
        # Where each layer begins: before the upsampling and the convolution of a new side, else before its block.
        steps = self._steps
        blocks = [i for i, step in enumerate(steps) if isinstance(step, _Block)]
        self._starts = [0, *(i - 2 if isinstance(steps[i - 2], nn.Upsample) else i for i in blocks)]

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that build this network again."""
        own = {k: getattr(self, k) for k in ("resolution", "channels", "width", "doublings")}
        return own | {"encoder": self.encoder is not None}

    def extra_repr(self) -> str:
        """Size and code shape."""
        return f"resolution={self.resolution}, latent_shape={self.latent_shape}, width={self.width}"

    @property
    def _steps(self) -> nn.Sequential:
        steps = self.decoder["layers"]
        assert isinstance(steps, nn.Sequential)
        return steps

    @property
    def cut(self) -> int:
        """The latent map itself, which says all that there is of a picture."""
        return 0

    def channels_at(self, layer: int) -> int:
        """Those of the latent map at layer 0, and the width."""
        return self.width if self.checked(layer) else self.channels

    def first(self, z: Tensor, layer: int) -> State:
        """``G_1^(l)``: codes (N, z_dim) to the maps (N, C, h, w) that enter ``layer``."""
        return self.through(State(z.unflatten(1, self.latent_shape)), 0, self.checked(layer))

    def second(self, state: State, layer: int) -> Tensor:
        """``G_2^(l)``: maps that enter ``layer`` to pictures (N, 3, R, R), a linear output: values can leave [0, 1]."""
        at = self.through(state, self.checked(layer), self.layers)
        picture: Tensor = self._steps[self._starts[-1] :](at.features)
        return picture

    def through(self, state: State, start: int, end: int) -> State:
        """The maps that enter ``start`` to those that enter ``end``."""
        maps = state.features
        if start == 0 < end:
            maps = 3 * torch.tanh(maps / 3)
        return State(self._steps[self._starts[start] : self._starts[end]](maps))

    def guess(self, pictures: Tensor) -> Tensor | None:
        """Codes (N, z_dim) of pictures (N, 3, R, R), RGB in [0, 1], by the encoder; None without one."""
        return None if self.encoder is None else self.encoder["layers"](pictures).flatten(1)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Build the network that ``state`` fits; a file that does not say it makes pictures of 256x256 pixels.

        Raises:
            WeightsError: a tensor is missing, has another shape, or is not one of this architecture.
        """
        state = {_renamed(k.removeprefix("module.")): v for k, v in state.items()}
        first = state.get("decoder.layers.0.weight", torch.empty(0))
        doublings = sum(re.fullmatch(r"decoder\.layers\.\d+\.weight", k) is not None for k in state) - 2
        if first.ndim != 4 or doublings < 1:
            raise WeightsError("not a TAESD decoder: no convolutions decoder.layers.0.weight, nor 1.weight and on")
        side = state.setdefault("side", torch.tensor(_RESOLUTION >> doublings)).long()
        encoder = any(name.startswith("encoder.") for name in state)
        width, channels = first.shape[:2]
        return cls(int(side) << doublings, channels, width, doublings, encoder).fill(state, "a TAESD decoder")


def _renamed(name: str) -> str:
    """TAESD's own name of a decoder's tensor as that of diffusers, which do not count the step that bounds values."""
    found = re.fullmatch(r"(\d+)\.(.+)", name)
    return f"decoder.layers.{int(found[1]) - 1}.{found[2]}" if found else name


class _Block(nn.Module):
    """Three convolutions, and what they are of beside them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        steps = (nn.ReLU() if i % 2 else nn.Conv2d(width, width, 3, padding=1) for i in range(5))
        self.conv = nn.Sequential(*steps)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x) + x)


def _decoder(channels: int, width: int, doublings: int) -> nn.Sequential:
    steps: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
    for _ in range(doublings):
        steps += [*(_Block(width) for _ in range(_BLOCKS)), nn.Upsample(scale_factor=2)]
        steps.append(nn.Conv2d(width, width, 3, padding=1, bias=False))
    return nn.Sequential(*steps, _Block(width), nn.Conv2d(width, 3, 3, padding=1))


def _encoder(channels: int, width: int, doublings: int) -> nn.Sequential:
    steps: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), _Block(width)]
    for _ in range(doublings):
        steps += [nn.Conv2d(width, width, 3, 2, 1, bias=False), *(_Block(width) for _ in range(_BLOCKS))]
    return nn.Sequential(*steps, nn.Conv2d(width, channels, 3, padding=1))

"""The generator of StyleGAN2 (Karras et al., CVPR 2020), of any width and resolution, splittable at any convolution.

The tensors have the names and the meaning of NVIDIA's PyTorch files (``mapping.fc0.weight``,
``synthesis.b8.conv0.affine.weight``, ...); :mod:`~bigprior.networks.generators.stylegan2_files` knows other namings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.networks.generators.base import Latent, State
from bigprior.networks.generators.styled import Linear, MappingNetwork, StyleGenerator, arguments_of
from bigprior.networks.generators.stylegan2_files import canonical
from bigprior.ops.winograd import Kept

_EPSILON = 1e-8
_SLOPE = 0.2
#: Names of tensors of a block: those of a kernel that each has, and one that is as long as it has channels.
_KERNEL = r"synthesis\.b(\d+)\.conv1\.weight"
_WIDTH = "synthesis.b{0}.conv1.weight"
#: The filter of all changes of size, along one axis.
_FILTER = (1 / 8, 3 / 8, 3 / 8, 1 / 8)


class StyleGAN2(StyleGenerator):
    """StyleGAN2's generator with skip connections, without classes.

    Layers count 3x3 convolutions from 0: layer 0 works at 4x4, and each later pair doubles the side. From layer 2 on,
    the last three of the maps that enter are the picture that earlier blocks painted. The style is that of every layer
    and of the last output, (N, layers + 1, w_dim).

    Args:
        resolution: side of the pictures, a power of two from 8 on.
        input_dim: length of a normal code.
        w_dim: length of a style.
        mapping_layers: fully connected layers from the code to its style.
        fmap_base, fmap_max: a block that works at side ``r`` has ``min(fmap_base // r, fmap_max)`` channels.
        latent: what a code is; see :meth:`in_space`.

    Raises:
        SettingsError: ``resolution`` is not a power of two from 8 on, or a latent space that there is not.
    """

    def __init__(
        self,
        resolution: int = 256,
        input_dim: int = 512,
        w_dim: int = 512,
        mapping_layers: int = 8,
        fmap_base: int = 32768,
        fmap_max: int = 512,
        latent: Latent = "z",
    ) -> None:
        super().__init__(resolution, input_dim, w_dim, mapping_layers, fmap_base, fmap_max)
        self.layers, self.styles = 2 * len(self.sides) - 1, 2 * len(self.sides)
        self.mapping = MappingNetwork(input_dim, w_dim, mapping_layers)
        blocks = zip((0, *self.widths), self.widths, self.sides, strict=False)
        self.synthesis = nn.ModuleDict({f"b{side}": _Block(c_in, c_out, w_dim, side) for c_in, c_out, side in blocks})
        self.choose(latent)

    @property
    def mapper(self) -> nn.Module:
        """The mapping network."""
        return self.mapping

    def channels_at(self, layer: int) -> int:
        """Channels of the feature maps that enter ``layer``, the picture so far among them."""
        return self.widths[self.checked(layer) // 2] + (3 if layer > 1 else 0)

    def first(self, z: Tensor, layer: int) -> State:
        """``G_1^(l)``: codes (N, z_dim) to the maps (N, C, h, w) that enter ``layer``, and all styles."""
        return self.through(State(self._block(0).constant(len(z)), self.styles_of(z)), 0, self.checked(layer))

    def second(self, state: State, layer: int) -> Tensor:
        """``G_2^(l)``: what enters ``layer`` to pictures (N, 3, R, R), a linear output: values can leave [0, 1]."""
        maps, styles = self.through(state, self.checked(layer), self.layers)
        assert styles is not None
        picture = self._block(-1).painted(maps[:, -3:], maps[:, :-3], styles[:, -1])
        return (picture + 1) / 2  # the network's own range is [-1, 1]

    def through(self, state: State, start: int, end: int) -> State:
        """Maps, and the picture without their own share in it, from one layer to another."""
        (maps, styles), picture = state, None
        assert styles is not None
        if start > 1:
            maps, picture = maps[:, :-3], maps[:, -3:]
        for i in range(start, end):
            if i % 2:  # a new block: the one before paints, and all becomes twice as large
                picture = _doubled(self._block(i // 2).painted(picture, maps, styles[:, i]))
                maps = self._block(i // 2 + 1).conv0(maps, styles[:, i])
            else:
                maps = self._block(i // 2).conv1(maps, styles[:, i])
        return State(maps if picture is None else torch.cat([maps, picture], dim=1), styles)

    def _block(self, stage: int) -> _Block:
        block = self.synthesis[f"b{4 << stage % len(self.widths)}"]
        assert isinstance(block, _Block)
        return block

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Build the network that ``state`` fits; see :func:`~.stylegan2_files.canonical` for the namings.

        Raises:
            WeightsError: a tensor is missing, has another shape, or is not one of this architecture.
        """
        state = canonical(state)
        network = cls(**arguments_of(state, "StyleGAN2", _KERNEL, "mapping.fc", _WIDTH.format))
        return network.fill(state, "a StyleGAN2 generator")


class _Block(nn.Module):
    """What works at one side: two convolutions (one, on a learned constant, at 4x4), and an output."""

    def __init__(self, c_in: int, c_out: int, w_dim: int, side: int) -> None:
        super().__init__()
        if c_in:
            self.conv0 = _Layer(c_in, c_out, w_dim, side, grow=True)
        else:
            self.const = nn.Parameter(torch.randn(c_out, side, side))
        self.conv1 = _Layer(c_out, c_out, w_dim, side)
        self.torgb = _Output(c_out, w_dim)

    def constant(self, count: int) -> Tensor:
        """The learned map of every code (N, C, 4, 4)."""
        return self.const.expand(count, -1, -1, -1)

    def painted(self, picture: Tensor | None, maps: Tensor, style: Tensor) -> Tensor:
        """The picture (N, 3, h, w) with what the maps of this block add to it."""
        own: Tensor = self.torgb(maps, style)
        return own if picture is None else picture + own


class _Layer(nn.Module):
    """A modulated and demodulated 3x3 convolution (Eq. 1 and 3 of its paper), (upsampling,) noise, bias, activation."""

    def __init__(self, c_in: int, c_out: int, w_dim: int, side: int, *, grow: bool = False) -> None:
        super().__init__()
        self.grow = grow
        self.affine = Linear(w_dim, c_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(c_out, c_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.noise_const: Tensor
        self.register_buffer("noise_const", torch.randn(side, side))
        self._squares = Kept(lambda weight: weight.square().sum(dim=(2, 3)).T)  # an inversion asks at every step

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale = self.affine(style)
        # The scales of the inputs are put on the maps, and those of the outputs on the result: no kernel a picture.
        x = (x * scale[:, :, None, None]).contiguous(memory_format=torch.channels_last)
        if self.grow:
            x = _smoothed(F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2))
        else:
            x = F.conv2d(x, self.weight, padding=1)
        x = x * self._demodulation(scale)[:, :, None, None] + self.noise_const * self.noise_strength
        return _activated(x + self.bias[:, None, None])

    def _demodulation(self, scale: Tensor) -> Tensor:
        """What gives every output map (N, O) the deviation that its inputs would have without styles."""
        with torch.autocast(scale.device.type, enabled=False):  # squares of halves are too coarse
            return torch.rsqrt(scale.to(self.weight.dtype).square() @ self._squares(self.weight) + _EPSILON)


class _Output(nn.Module):
    """A modulated 1x1 convolution to RGB, without demodulation."""

    def __init__(self, c_in: int, w_dim: int) -> None:
        super().__init__()
        self.affine = Linear(w_dim, c_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, c_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.gain = 1 / math.sqrt(c_in)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale = self.affine(style) * self.gain
        x = (x * scale[:, :, None, None]).contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, self.weight, self.bias)


def _activated(x: Tensor) -> Tensor:
    return F.leaky_relu(x, _SLOPE) * math.sqrt(2)


def _smoothed(x: Tensor) -> Tensor:
    """Filtered maps (N, C, 2h+1, 2w+1) of a transposed convolution: (N, C, 2h, 2w)."""
    return F.conv2d(x, _kernel(x).expand(x.shape[1], -1, -1, -1), padding=1, groups=x.shape[1])


def _doubled(x: Tensor) -> Tensor:
    """Twice the side, by the filter: (N, C, h, w) to (N, C, 2h, 2w)."""
    kernel = _kernel(x).expand(x.shape[1], -1, -1, -1)
    return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=x.shape[1])


def _kernel(x: Tensor) -> Tensor:
    """The filter in two dimensions, (1, 1, 4, 4), and four times as strong: three of four values begin as zeros."""
    line = x.new_tensor(_FILTER) * 2
    return torch.outer(line, line)[None, None]

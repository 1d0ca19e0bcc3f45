"""The generator of StyleGAN (Karras et al., CVPR 2019), of any width and resolution, splittable at any layer.

The tensors have the names and the meaning of the PyTorch files that NVIDIA's weights were first converted to
(``g_mapping.dense0.weight``, ``g_synthesis.blocks.8x8.conv0_up.weight``, ...);
:mod:`~bigprior.networks.generators.stylegan_files` knows other namings.
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
from bigprior.networks.generators.stylegan_files import canonical

_SLOPE = 0.2
_EPSILON = 1e-8
#: From this side on, what is upsampled and convolved at once has its kernel the other way round, as published.
_FUSED_FROM = 128
#: Names of tensors of a block: those of a kernel that each has, and one that is as long as it has channels.
_KERNEL = r"g_synthesis\.blocks\.(\d+)x\1\.conv1?\.weight"
_WIDTH = "g_synthesis.blocks.{0}x{0}.epi1.top_epi.noise.weight"


class StyleGAN(StyleGenerator):
    """StyleGAN's generator, without classes: adaptive instance normalisation, blurred upsampling, noise, leaky ReLU.

    Layers count styles from 0: layers 0 and 1 work at 4x4, the first on a learned constant, and each later pair doubles
    the side. The style is that of every layer, (N, layers, w_dim). Noise is drawn once and is part of the weights, so
    that a code always makes the same picture.

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
        resolution: int = 1024,
        input_dim: int = 512,
        w_dim: int = 512,
        mapping_layers: int = 8,
        fmap_base: int = 16384,
        fmap_max: int = 512,
        latent: Latent = "z",
    ) -> None:
        super().__init__(resolution, input_dim, w_dim, mapping_layers, fmap_base, fmap_max)
        self.layers = self.styles = 2 * len(self.sides)
        self.g_mapping = MappingNetwork(input_dim, w_dim, mapping_layers, "dense", gain=True)
        blocks = zip((0, *self.widths), self.widths, self.sides, strict=False)
        named = {f"{side}x{side}": _Block(c_in, c_out, w_dim, side) for c_in, c_out, side in blocks}
        self.g_synthesis = nn.ModuleDict(
            {"blocks": nn.ModuleDict(named), "torgb": _Convolution(self.widths[-1], 3, 1, gain=1.0)}
        )
        self.choose(latent)

    @property
    def mapper(self) -> nn.Module:
        """The mapping network."""
        return self.g_mapping

    def channels_at(self, layer: int) -> int:
        """Channels of the feature maps that enter ``layer``."""
        return self.widths[max(self.checked(layer) - 1, 0) // 2]

    def first(self, z: Tensor, layer: int) -> State:
        """``G_1^(l)``: codes (N, z_dim) to the maps (N, C, h, w) that enter ``layer``, and all styles."""
        return self.through(State(self._block(0).constant(len(z)), self.styles_of(z)), 0, self.checked(layer))

    def second(self, state: State, layer: int) -> Tensor:
        """``G_2^(l)``: what enters ``layer`` to pictures (N, 3, R, R), a linear output: values can leave [0, 1]."""
        maps = self.through(state, self.checked(layer), self.layers).features
        picture: Tensor = self.g_synthesis["torgb"](maps)
        return (picture + 1) / 2  # the network's own range is [-1, 1]

    def through(self, state: State, start: int, end: int) -> State:
        """The maps that enter ``start`` to those that enter ``end``."""
        maps, styles = state
        assert styles is not None
        for i in range(start, end):
            maps = self._block(i // 2).styled(i % 2, maps, styles[:, i])
        return State(maps, styles)

    def _block(self, stage: int) -> _Block:
        blocks = self.g_synthesis["blocks"]
        assert isinstance(blocks, nn.ModuleDict)
        block = blocks[f"{4 << stage}x{4 << stage}"]
        assert isinstance(block, _Block)
        return block

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Build the network that ``state`` fits; see :func:`~.stylegan_files.canonical` for the namings.

        Raises:
            WeightsError: a tensor is missing, has another shape, or is not one of this architecture.
        """
        state = canonical(state)
        network = cls(**arguments_of(state, "StyleGAN", _KERNEL, "g_mapping.dense", _WIDTH.format))
        noise = {k: v for k, v in network.state_dict().items() if k.endswith(".noise.noise")}
        return network.fill(noise | state, "a StyleGAN generator")  # most files leave noise to chance


class _Block(nn.Module):
    """What works at one side: two halves of a convolution and its epilogue (at 4x4, a learned constant and one)."""

    def __init__(self, c_in: int, c_out: int, w_dim: int, side: int) -> None:
        super().__init__()
        if c_in:
            self.conv0_up = _Grown(c_in, c_out, fused=side >= _FUSED_FROM)
            self.conv1 = _Convolution(c_out, c_out, 3)
        else:
            self.const = nn.Parameter(torch.randn(1, c_out, side, side))
            self.bias = nn.Parameter(torch.ones(c_out))
            self.conv = _Convolution(c_out, c_out, 3)
        self.epi1, self.epi2 = _Epilogue(c_out, w_dim, side), _Epilogue(c_out, w_dim, side)

    def constant(self, count: int) -> Tensor:
        """The learned map of every code (N, C, 4, 4)."""
        return (self.const + self.bias[:, None, None]).expand(count, -1, -1, -1)

    def styled(self, which: int, maps: Tensor, style: Tensor) -> Tensor:
        """The maps through the first or the second half, each of a style."""
        if which:
            convolved: Tensor = (self.conv1 if hasattr(self, "conv1") else self.conv)(maps)
            made: Tensor = self.epi2(convolved, style)
        else:
            made = self.epi1(self.conv0_up(maps) if hasattr(self, "conv0_up") else maps, style)
        return made


class _Convolution(nn.Module):
    """A convolution with equalised learning rate that keeps the side."""

    def __init__(self, c_in: int, c_out: int, side: int, gain: float = math.sqrt(2)) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, side, side))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.gain = gain / math.sqrt(c_in * side * side)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.gain, self.bias, padding=self.weight.shape[-1] // 2)


class _Grown(_Convolution):
    """Nearest upsampling, a 3x3 convolution, a blur by [1, 2, 1], and a bias."""

    def __init__(self, c_in: int, c_out: int, *, fused: bool) -> None:
        super().__init__(c_in, c_out, 3)
        self.fused = fused

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight * self.gain
        if self.fused:
            k = F.pad(kernel.transpose(0, 1), (1, 1, 1, 1))
            k = k[..., 1:, 1:] + k[..., :-1, 1:] + k[..., 1:, :-1] + k[..., :-1, :-1]
            x = F.conv_transpose2d(x, k, stride=2, padding=1)
        else:
            x = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), kernel, padding=1)
        line = x.new_tensor([0.25, 0.5, 0.25])
        blur = torch.outer(line, line).expand(x.shape[1], 1, -1, -1)
        return F.conv2d(x, blur, padding=1, groups=x.shape[1]) + self.bias[:, None, None]


class _Epilogue(nn.Module):
    """Noise, leaky ReLU, instance normalisation, and the style's scale and shift of every map."""

    def __init__(self, channels: int, w_dim: int, side: int) -> None:
        super().__init__()
        self.top_epi = nn.ModuleDict({"noise": _Noise(channels, side)})
        self.style_mod = nn.ModuleDict({"lin": Linear(w_dim, 2 * channels)})

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x = F.leaky_relu(self.top_epi["noise"](x), _SLOPE)
        # Written out: torch's own instance_norm has a wrong gradient where the gradient's channels come last.
        x = x - x.mean(dim=(2, 3), keepdim=True)
        x = x * torch.rsqrt(x.square().mean(dim=(2, 3), keepdim=True) + _EPSILON)
        scale, shift = self.style_mod["lin"](style)[:, :, None, None].chunk(2, dim=1)
        styled: Tensor = x * (scale + 1) + shift
        return styled


class _Noise(nn.Module):
    """One map of noise, of every channel's own strength."""

    noise: Tensor

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))
        rng = torch.Generator().manual_seed(side)
        self.register_buffer("noise", torch.randn(1, 1, side, side, generator=rng))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight[:, None, None] * self.noise

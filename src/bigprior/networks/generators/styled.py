"""What StyleGAN and its heirs share: a normal code is mapped to a style, and a style is told to every layer."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Self, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.errors import SettingsError, WeightsError
from bigprior.networks.generators.base import Generator, Latent

_EPSILON = 1e-8
_SLOPE = 0.2


class StyleGenerator(Generator):
    """A generator with a mapping network and a style a layer, (N, styles, w_dim).

    A subclass builds and names its networks, says how many :attr:`styles` there are, and calls :meth:`choose` then.

    Args:
        resolution: side of the pictures, a power of two from 8 on.
        input_dim: length of a normal code.
        w_dim: length of a style.
        mapping_layers: fully connected layers from the code to its style.
        fmap_base, fmap_max: a block that works at side ``r`` has ``min(fmap_base // r, fmap_max)`` channels.

    Raises:
        SettingsError: ``resolution`` is not a power of two from 8 on.
    """

    normalises = False
    stepwise = True

    styles: int  #: how many styles a picture is made with
    latent: Latent  #: what a code is

    def __init__(
        self, resolution: int, input_dim: int, w_dim: int, mapping_layers: int, fmap_base: int, fmap_max: int
    ) -> None:
        super().__init__()
        if resolution < 8 or resolution & (resolution - 1):
            raise SettingsError(f"resolution is {resolution}: expected a power of two from 8 on")
        self._arguments: dict[str, Any] = {
            "resolution": resolution,
            "input_dim": input_dim,
            "w_dim": w_dim,
            "mapping_layers": mapping_layers,
            "fmap_base": fmap_base,
            "fmap_max": fmap_max,
        }
        self.resolution, self.input_dim, self.w_dim = resolution, input_dim, w_dim
        self.sides = tuple(4 << stage for stage in range(int(math.log2(resolution)) - 1))
        self.widths = tuple(min(fmap_base // side, fmap_max) for side in self.sides)

    def extra_repr(self) -> str:
        """Size, what a code is, and widths."""
        return f"resolution={self.resolution}, latent={self.latent!r}, z_dim={self.z_dim}, widths={self.widths}"

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that build this network again."""
        return {**self._arguments, "latent": self.latent}

    @property
    def mapper(self) -> nn.Module:
        """The mapping network: codes (N, input_dim) to styles (N, w_dim)."""
        raise NotImplementedError

    def in_space(self, latent: Latent) -> Self:
        """The same weights with codes of another latent space.

        ``z`` is drawn from a normal distribution and mapped to a style; ``w`` is that style; ``w+`` is a style for each
        layer, which reaches far more pictures, not all of them natural ones.

        Raises:
            SettingsError: there is no such space.
        """
        other = copy.copy(self)
        other.choose(latent)
        return other

    def choose(self, latent: Latent) -> None:
        """Take codes of a latent space.

        Raises:
            SettingsError: there is no such space.
        """
        lengths = {"z": self.input_dim, "w": self.w_dim, "w+": self.styles * self.w_dim}
        if latent not in lengths:
            raise SettingsError(f"latent is {latent!r}: the known spaces are {', '.join(get_args(Latent))}")
        self.latent = latent
        self.z_dim = lengths[latent]

    @torch.no_grad()
    def draw(self, count: int, rng: torch.Generator) -> Tensor:
        """Codes (count, z_dim) of random pictures: normal, or the styles of such."""
        z = torch.randn(count, self.input_dim, generator=rng)
        if self.latent == "z":
            return z
        w: Tensor = self.mapper(z.to(next(self.parameters()))).to(z)
        return w if self.latent == "w" else w.repeat(1, self.styles)

    def styles_of(self, z: Tensor) -> Tensor:
        """Codes (N, z_dim) to the styles (N, styles, w_dim) of all layers."""
        if self.latent == "w+":
            styles: Tensor = z.unflatten(1, (self.styles, self.w_dim))
            return styles
        w: Tensor = self.mapper(z) if self.latent == "z" else z
        return w[:, None].expand(-1, self.styles, -1)


def arguments_of(
    state: Mapping[str, Tensor], what: str, kernel: str, dense: str, width: Callable[[int], str]
) -> dict[str, Any]:
    """What a generator with styles is built with, read off the shapes of its tensors.

    Args:
        state: names with tensors.
        what: such a generator is called in an error.
        kernel: the names of a kernel a block, as an expression whose first group is the block's side.
        dense: what the names of the mapping network's layers begin with, before their number.
        width: of a block's side the name of a tensor that is as long as the block has channels.

    Raises:
        WeightsError: too little is there.
    """
    blocks = (re.fullmatch(kernel, name) for name in state)
    sides = sorted(int(block[1]) for block in blocks if block)
    layers = sum(re.fullmatch(rf"{re.escape(dense)}\d+\.weight", name) is not None for name in state)
    if sides != [4 << stage for stage in range(max(2, len(sides)))]:
        raise WeightsError(f"not a {what} generator: it has convolutions of sides {sides}")
    try:
        first, last = state[f"{dense}0.weight"], state[f"{dense}{layers - 1}.weight"]
        widths = {side: len(state[width(side)]) for side in sides}
        return {
            "resolution": sides[-1],
            "input_dim": first.shape[1],
            "w_dim": last.shape[0],
            "mapping_layers": layers,
            # The least base that explains every block: widths were rounded down.
            "fmap_base": max(width * side for side, width in widths.items()),
            "fmap_max": max(widths.values()),
        }
    except (KeyError, IndexError) as error:
        raise WeightsError(f"not a {what} generator: no tensor {error}") from None


class Linear(nn.Module):
    """A fully connected layer with equalised learning rate, and of a rate of its own: both scale what is stored."""

    def __init__(self, n_in: int, n_out: int, rate: float = 1.0, bias: float = 0.0, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / rate)
        self.bias = nn.Parameter(torch.full((n_out,), bias))
        self.gain, self.rate = gain * rate / math.sqrt(n_in), rate

    def forward(self, x: Tensor) -> Tensor:
        """``x`` (N, n_in) to (N, n_out)."""
        return F.linear(x, self.weight * self.gain, self.bias * self.rate)


class MappingNetwork(nn.Module):
    """From a normal code (N, input_dim) to a style (N, w_dim); layers learn at a hundredth of the rate.

    Args:
        n_in, w_dim: lengths of a code and of a style.
        layers: how many, called ``fc0``, ``fc1``, ... with this ``name``.
        gain: of the weights alone, or of what is activated: the first StyleGAN does not scale its biases by it.
    """

    def __init__(self, n_in: int, w_dim: int, layers: int, name: str = "fc", *, gain: bool = False) -> None:
        super().__init__()
        self.layers, self.name, self.after = layers, name, 1.0 if gain else math.sqrt(2)
        for i in range(layers):
            inner = Linear(w_dim if i else n_in, w_dim, rate=0.01, gain=math.sqrt(2) if gain else 1.0)
            self.add_module(f"{name}{i}", inner)

    def forward(self, z: Tensor) -> Tensor:
        """Codes to styles."""
        x = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + _EPSILON)
        for i in range(self.layers):
            x = F.leaky_relu(getattr(self, f"{self.name}{i}")(x), _SLOPE) * self.after
        return x

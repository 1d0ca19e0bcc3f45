"""What StyleGAN and its heirs share: a normal code is mapped to a style, and a style is told to every layer."""

from __future__ import annotations

import copy
import math
from typing import Self, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.errors import SettingsError
from bigprior.networks.generators.base import Generator, Latent, State, weighted

_EPSILON = 1e-8
_SLOPE = 0.2


class StyleGenerator(Generator):
    """A generator with a mapping network and a style a layer, (N, styles, w_dim).

    A subclass names its mapping network, and calls :meth:`choose` when it is made.
    """

    stepwise = True

    input_dim: int  #: length of a normal code
    w_dim: int  #: length of a style
    styles: int  #: how many styles a picture is made with
    latent: Latent  #: what a code is

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

    def compose(self, states: State, alpha: Tensor, layer: int) -> State:
        """Eq. 13, the sum alone: no one picture's styles are normalised."""
        return weighted(states, alpha)


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

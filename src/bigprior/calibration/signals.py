"""What there is to see of how wrong a restored picture may be, value by value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.degradations import Measurement
from bigprior.ops.boxes import sliding_mean
from bigprior.ops.colour import luminance
from bigprior.ops.tiling import Index
from bigprior.priors.hints import wholly_known

#: Added before a logarithm: to what is seen in a pixel, and to means around it, both in units of the picture.
_PIXEL, _AROUND = 0.01, 0.004
#: How far beside a pixel its surroundings reach that texture is looked for in, in pixels.
_RADII = (1, 2, 4, 8, 20)
#: How far beside a pixel anything is looked for, in pixels.
REACH = 24


@dataclass(frozen=True)
class Parts:
    """A restoration's parts, as bounds look at them.

    Attributes:
        restored, fidelity, prior: (N, 3, H, W).
        phi: the prior's share of each pixel, (N, 1 or 3, H, W).
        free: 1 where a pixel is not known exactly, (N, 1, H, W); elsewhere its bounds are the picture itself.
        sigma: of the noise that was told or found, in [0, 1], (N,); 0 without.
        spread: over samples of the prior, (N, 3, H, W); None where there is one answer.
    """

    restored: Tensor
    fidelity: Tensor
    prior: Tensor
    phi: Tensor
    free: Tensor
    sigma: Tensor
    spread: Tensor | None = None

    @classmethod
    def made(cls, m: Measurement, restored: Tensor, prior: Tensor, phi: Tensor, codes: Mapping[str, Tensor]) -> Parts:
        """Of a measurement, what was made of it, and the prior's ``codes``: its ``sigma`` and ``spread``, if any."""
        none = restored.new_zeros(len(restored)) if m.noise is None else m.noise.sigma
        sigma = codes.get("sigma", none)
        return cls(restored, m.fidelity, prior, phi, free_in(m), sigma.to(restored), codes.get("spread"))

    def __getitem__(self, pictures: slice) -> Parts:
        """Those of some of the pictures."""
        return self._cut(lambda x: x[pictures])

    def window(self, shown: Index) -> Parts:
        """Those of a window of the pictures."""
        return self._cut(lambda x: x if x.ndim == 1 else x[shown])

    def _cut(self, cut: Callable[[Tensor], Tensor]) -> Parts:
        some: dict[str, Any] = {name: None if x is None else cut(x) for name, x in vars(self).items()}
        return Parts(**some)


def free_in(m: Measurement) -> Tensor:
    """Where a measurement does not say exactly what a pixel is, (N, 1, H, W) of 0 and 1."""
    if m.known_phi is not None:
        return (m.known_phi > 0).to(m.fidelity)
    known = wholly_known(m)
    return torch.ones_like(m.fidelity[:, :1]) if known is None else 1 - known


@dataclass(frozen=True)
class Whole:
    """What is seen of pictures as wholes, each (N, 1, 1, 1).

    Attributes:
        difference: how strong all of the difference is that the prior made.
        texture: how strong all texture is.
    """

    difference: Tensor
    texture: Tensor

    @classmethod
    def of(cls, parts: Parts) -> Whole:
        """Of pictures."""
        grey = luminance(parts.restored)
        fine = around(grey.square(), 2) - around(grey, 2).square()
        texture = (_mean(fine.clamp_min(0).sqrt()) + _AROUND).log()
        energy = _difference(parts).square_().mean(dim=1, keepdim=True)
        return cls(_level(_mean(energy) / _mean(parts.free).clamp_min(1e-6)), texture)


def signals(parts: Parts, whole: Whole | None = None) -> Iterator[tuple[str, Tensor]]:
    """Each by its name, (N or 1, 1 or 3, H or 1, W or 1), on a logarithmic scale for what is an amount.

    One at a time: there is no room for all of them at once.

    Args:
        parts: of pictures, or of windows of them that show :data:`REACH` pixels more on each side.
        whole: of the pictures that windows are of.
    """
    whole, x, phi = whole or Whole.of(parts), parts.restored, parts.phi.mean(dim=1, keepdim=True)
    grey = luminance(x)
    chroma = x - grey
    difference = _difference(parts)
    energy = difference.square().mean(dim=1, keepdim=True)
    yield "sigma", (parts.sigma.view(-1, 1, 1, 1) + _AROUND).log()
    yield "difference", (difference + _PIXEL).log()
    yield "difference around", _level(around(energy, 2))
    yield "difference near", _level(around(energy, 8))
    yield "difference of all", whole.difference
    for radius in _RADII:
        yield f"texture {radius}", _level(around(grey.square(), radius) - around(grey, radius).square())
    yield "texture of all", whole.texture
    yield "free near", around(parts.free, REACH)
    yield "phi", (around(phi, 4) + _PIXEL).log()
    for name, light in (("room", x), ("room of grey", grey)):
        yield name, (torch.minimum(light, 1 - light).clamp_min(0) + 2 * _PIXEL).log()
    yield "grey", grey
    yield "chroma", (chroma.abs().mean(dim=1, keepdim=True) + _PIXEL).log()
    saturation = around(chroma.square().mean(dim=1, keepdim=True), 8)
    yield "chroma near", _level(saturation)
    yield (
        "chroma's texture",
        _level((around(chroma.square(), 4) - around(chroma, 4).square()).clamp_min(0).mean(dim=1, keepdim=True)),
    )
    yield "chroma of the channel", chroma
    yield "chroma of red", chroma[:, :1]
    yield "chroma of blue", chroma[:, 2:]
    for channel, name in ((0, "red"), (2, "blue")):
        yield name, F.one_hot(torch.tensor(channel), 3).to(x).view(1, 3, 1, 1)
    spread = x.new_zeros(1, 1, 1, 1) if parts.spread is None else parts.spread
    yield "spread", (spread + _PIXEL).log()


def _difference(parts: Parts) -> Tensor:
    """What the prior made of each value."""
    return parts.phi.mean(dim=1, keepdim=True) * (parts.prior - parts.fidelity).abs()


def around(x: Tensor, radius: int) -> Tensor:
    """The mean of the square around each pixel of maps (N, C, H, W), so far on all sides; edges are repeated."""
    for axis, pad in ((2, (0, 0, radius, radius)), (3, (radius, radius, 0, 0))):
        x = sliding_mean(F.pad(x, pad, mode="replicate"), axis, 2 * radius + 1)
    return x


def _mean(x: Tensor) -> Tensor:
    return x.mean(dim=(1, 2, 3), keepdim=True)


def _level(energy: Tensor) -> Tensor:
    return (energy.clamp_min(0).sqrt() + _AROUND).log()

"""What is known of noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bigprior.ops.shot import Shot


@dataclass(frozen=True)
class Noise:
    """The white noise of pictures, in their units.

    Attributes:
        sigma: standard deviation in a channel, (N,).
        along_grey: along grey, (N,), which a denoiser of independent channels has to know: the square root of 3 times
            as much where all channels have the same noise.
        known: it was given, not found.
        shape: where it is found place by place and scale by scale, the logarithm of its standard deviation there over
            ``along_grey``, (N, 8, H / 4, W / 4), see :mod:`bigprior.networks.noise_estimator`; None of white noise.
        shot: how it grows with light, by a gain of 0 where it does not; ``sigma`` is its root mean square over the
            picture. None where none grows.
    """

    sigma: Tensor
    along_grey: Tensor
    known: bool
    shape: Tensor | None = None
    shot: Shot | None = None

    def __getitem__(self, pictures: slice) -> Noise:
        """That of some of the pictures."""
        shape = None if self.shape is None else self.shape[pictures]
        shot = None if self.shot is None else self.shot[pictures]
        return Noise(self.sigma[pictures], self.along_grey[pictures], self.known, shape, shot)

    def levels(self) -> Noise:
        """Its levels alone, for a part of the picture."""
        return replace(self, shape=None)

    def times(self, strength: float) -> Noise:
        """So many times as much of it."""
        shot = None if self.shot is None else self.shot.times(strength)
        return replace(self, sigma=strength * self.sigma, along_grey=strength * self.along_grey, shot=shot)

    @property
    def white(self) -> Tensor:
        """Which pictures' noise is the same everywhere and at every scale, (N,), bool."""
        if self.shape is None:
            return torch.ones_like(self.sigma, dtype=torch.bool)
        return ~self.shape.flatten(1).any(dim=1)

    def to(self, device: torch.device | str) -> Noise:
        """The same on another device."""
        shape = None if self.shape is None else self.shape.to(device)
        shot = None if self.shot is None else self.shot.to(device)
        return Noise(self.sigma.to(device), self.along_grey.to(device), self.known, shape, shot)

    @staticmethod
    def join(parts: Sequence[Noise]) -> Noise:
        """That of several batches, as one; white where that of one is."""
        sigma, along_grey = (torch.cat([getattr(part, name) for part in parts]) for name in ("sigma", "along_grey"))
        shapes = [part.shape for part in parts if part.shape is not None]
        shape = torch.cat(shapes) if len(shapes) == len(parts) else None
        shot = None
        if any(part.shot is not None for part in parts):
            even = [Shot(torch.zeros_like(part.sigma), part.sigma) for part in parts]
            shot = Shot.join([part.shot or other for part, other in zip(parts, even, strict=True)])
        return Noise(sigma, along_grey, all(part.known for part in parts), shape, shot)

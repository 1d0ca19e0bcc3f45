"""Shot noise: light that comes in units, each of ``gain``, with a sensor's own noise on top.

y = gain * Poisson(x / gain) + read * n,    Var y = gain * x + read^2
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

#: What the transform adds to a count, and the least value at which its inverse is asked for.
_ADDED, _LEAST = 3 / 8, 1e-2


@dataclass(frozen=True)
class Shot:
    """How much of it pictures have.

    Attributes:
        gain: what a unit of light adds to a pixel, in [0, 1] pictures, (N,): one over the count of white, the peak.
        read: standard deviation of the white Gaussian noise on top, (N,).
    """

    gain: Tensor
    read: Tensor

    def __getitem__(self, pictures: slice) -> Shot:
        """That of some of the pictures."""
        return Shot(self.gain[pictures], self.read[pictures])

    def to(self, device: torch.device | str) -> Shot:
        """The same on another device."""
        return Shot(self.gain.to(device), self.read.to(device))

    def times(self, strength: float) -> Shot:
        """So many times as strong: as much of its standard deviation."""
        return Shot(strength**2 * self.gain, strength * self.read)

    @staticmethod
    def join(parts: Sequence[Shot]) -> Shot:
        """That of several batches, as one."""
        return Shot(torch.cat([part.gain for part in parts]), torch.cat([part.read for part in parts]))

    def variance(self, x: Tensor) -> Tensor:
        """Of pixels of pictures ``x`` (N, C, H, W): ``gain x + read^2``; what is darker than black is black."""
        gain, read = (value.to(x).view(-1, 1, 1, 1) for value in (self.gain, self.read))
        return gain * x.clamp_min(0) + read**2

    def stabilised(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures whose noise is as strong everywhere: the generalised Anscombe transform (Starck et al., 1998).

            z = 2 sqrt(y / gain + 3/8 + (read / gain)^2),    Var z = 1

        Args:
            y: (N, C, H, W), 0 = no light.

        Returns:
            ``z`` such that black and white are 0 and 1, or nearer where noise would else be above 1; and the standard
            deviation of its noise, (N,).
        """
        gain, read, black, scale = self._scale(y)
        z = 2 * (y / gain + _ADDED + read**2).clamp_min(0).sqrt()
        return (z - black) * scale, scale.flatten()

    def unbiased(self, z: Tensor) -> Tensor:
        """The inverse of :meth:`stabilised` for means: exact and unbiased (Makitalo and Foi, TIP 2011 and 2013).

        x / gain = D^2/4 + sqrt(3/2) (1/4 D^-1 + 5/8 D^-3) - 11/8 D^-2 - 1/8 - (read / gain)^2
        """
        gain, read, black, scale = self._scale(z)
        d = z / scale + black
        d = torch.maximum(d, 2 * (_ADDED + read**2).sqrt()).clamp_min(_LEAST)
        root = 1.5**0.5
        counts = d**2 / 4 + root * (1 / (4 * d) + 5 / (8 * d**3)) - 11 / (8 * d**2) - 1 / 8 - read**2
        x: Tensor = gain * counts.clamp_min(0)
        return x

    def mixed(self, share: float) -> Shot:
        """Of ``share * y + (1 - share) * x``, for what is known of ``x`` without noise."""
        return replace(self, gain=share**2 * self.gain, read=share * self.read)

    def _scale(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gain; read noise in units of light; where black is; and the scale of what the transform gives."""
        gain, read = (value.to(like).view(-1, 1, 1, 1) for value in (self.gain, self.read))
        read = read / gain
        black, white = (2 * (level + _ADDED + read**2).sqrt() for level in (torch.zeros_like(gain), 1 / gain))
        return gain, read, black, (1 / (white - black)).clamp_max(1)

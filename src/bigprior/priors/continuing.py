"""Scratches and other thin holes: a smooth filling, of which a denoiser makes edges and texture that go on."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bigprior.ops.precision import Precision
from bigprior.ops.tiling import windows
from bigprior.priors.ownrange import own_range
from bigprior.priors.views import denoised

#: How often the denoiser is asked; what it is told first and last, of 255; and how far beyond its answer a step goes.
#: Chosen on scratched photographs.
_STEPS, _MOST, _LEAST, _RELAXED = 16, 60 / 255, 2 / 255, 1.9
#: Side of the tiles of a large picture, in pixels, and how far around one is seen: a thin hole depends on what is near.
_TILE, _HALO = 256, 48


class Continuing(nn.Module):
    """A filling that a denoiser agrees with: plug-and-play (Venkatakrishnan et al., 2013), relaxed.

        x <- x + 1.9 (D(x, level) - x) in the hole,    level from 60 to 2 of 255

    A denoiser takes what is too smooth in a filling for the error that it is, since edges end at the hole: where those
    are near, a few passes join them. Nothing is drawn, and each pass sees a mirrored or turned copy.

    Args:
        denoiser: of RGB pictures with white noise, such as a deepinv ``Denoiser``; set to evaluation and frozen.
        precision: of its passes.
    """

    def __init__(self, denoiser: nn.Module, precision: Precision = "auto") -> None:
        super().__init__()
        self.denoiser = denoiser.eval().requires_grad_(False)
        self.precision = precision

    @torch.no_grad()
    def forward(self, filled: Tensor, hole: Tensor) -> Tensor:
        """Pictures (N, 3, H, W), RGB, filled smoothly in their holes (N, 1, H, W), 1 = hole: in any range, linear too.

        Returns:
            As large: what is not in the hole is as it was.
        """
        image, (height, width) = filled.clone(), filled.shape[2:]
        for i in range(len(filled)):
            low, gain = own_range(filled[i : i + 1], hole[i : i + 1])
            for window in windows(height, width, _TILE, _HALO):
                inside = hole[i : i + 1][window.tile] > 0
                if not bool(inside.any()):
                    continue
                seen = (filled[i : i + 1][window.shown] - low) * gain
                found = self._agreed(seen, hole[i : i + 1][window.shown] > 0)[window.inner] / gain + low
                image[i : i + 1][window.tile] = torch.where(inside, found, filled[i : i + 1][window.tile])
        return image

    def _agreed(self, x: Tensor, hole: Tensor) -> Tensor:
        for step, level in enumerate(torch.logspace(math.log10(_MOST), math.log10(_LEAST), _STEPS).tolist()):
            clean = denoised(self.denoiser, x, level, step=step, precision=self.precision)
            x = torch.where(hole, x + _RELAXED * (clean - x), x)
        return x

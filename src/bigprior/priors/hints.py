"""Colours that a person knows, spread over what they belong to; elsewhere, a prior's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.degradations import Measurement
from bigprior.ops.resampling import resized
from bigprior.ops.spreading import local_line, spread
from bigprior.priors.anysize import for_any_size
from bigprior.priors.base import Prior, Projection
from bigprior.progress import Progress

#: Longest side, in pixels, at which colours are spread: they are smooth, and follow the edges of the picture again.
_SIDE = 256


def wholly_known(m: Measurement) -> Tensor | None:
    """Of which pixels (N, 1, H, W) both luminance and colour are known exactly, 1 = known; None if of none.

    Where it is searched for what was measured, nothing is known for sure.
    """
    if m.searching or m.condition is None:
        return None
    known = m.condition[:, 3:].amin(dim=1, keepdim=True)
    return known if bool(known.any()) else None


class Hinted(Prior):
    """A prior's colours, moved towards those that are known of a few pixels.

    What is spread is how far the known colours are from the prior's, so that far from them, and in what looks
    otherwise, the prior's stay.

    Args:
        prior: of the same degradation without hints, :meth:`bigprior.Degradation.blind`; it works at its own size, or
            at any.
    """

    any_size = frozenset({"tiles", "whole", "hole"})

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior, self.resolution = prior, prior.resolution

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """Pictures that have the known colours where they are known; the prior's own where none is."""
        prior, known = for_any_size(self.prior, m.degradation.placement), wholly_known(m)
        if known is None:
            return prior.propose(m, seed=seed, progress=progress)
        physics = m.degradation.blind()
        plain = physics.measure(physics.f(m.fidelity))
        found = prior.propose(plain, seed=seed, progress=progress)
        image = plain.consistent(found.image)
        missed = torch.cat(
            [
                _spread(*parts)
                for parts in zip((m.fidelity - image).split(1), known.split(1), plain.fidelity.split(1), strict=True)
            ]
        )
        return replace(found, image=m.consistent(image + missed))

    def within(self, share: float) -> Hinted:
        """The same, with a share of the prior's time budget."""
        return Hinted(self.prior.within(share))


def _spread(missed: Tensor, known: Tensor, grey: Tensor) -> Tensor:
    """What one picture (1, 3, H, W) misses where it is known (1, 1, H, W), spread along its luminance."""
    if not bool(known.any()):
        return torch.zeros_like(missed)
    height, width = missed.shape[2:]
    scale = min(1.0, _SIDE / max(height, width))
    small = max(1, round(height * scale)), max(1, round(width * scale))
    told = F.adaptive_max_pool2d(known, small)
    weight = resized(known, *small).clamp_min(1e-6)
    values, light = resized(missed * known, *small) / weight, resized(grey[:, :1], *small)
    values = torch.where(told > 0, values, 0)
    arrays = (values[0].permute(1, 2, 0), told[0, 0] > 0, light[0, 0])
    solved = spread(*(x.cpu().double().numpy() if x.dtype != torch.bool else x.cpu().numpy() for x in arrays))
    if scale == 1.0:
        return _tensor(solved, missed)
    slope, offset = (resized(_tensor(x, missed), height, width) for x in local_line(solved, arrays[2].cpu().numpy()))
    return slope * grey[:, :1] + offset


def _tensor(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(values).permute(2, 0, 1)[None].to(like)

"""A deepinv reconstructor as a prior."""

from __future__ import annotations

import torch
from torch import nn

from bigprior.degradations import Measurement
from bigprior.priors.base import Prior, Projection
from bigprior.progress import Progress


class ReconstructorPrior(Prior):
    """What a deepinv ``Reconstructor`` makes of a measurement and its physics.

    Args:
        network: takes ``y`` and a physics and gives pictures (N, 3, H, W); set to evaluation and frozen.
    """

    any_size = frozenset({"tiles", "whole", "hole"})

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """One picture at a time, with the noise level that is known or was found; ``codes`` holds it."""
        images = []
        for i in range(len(m)):
            one = m[i : i + 1]
            physics = one.degradation if one.noise is None else one.degradation.with_sigma(float(one.noise.sigma))
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)  # those that draw do so from torch's global numbers
                images.append(self.network(one.y, physics))
            if progress is not None:
                progress(i + 1, len(m))
        return Projection(torch.cat(images), {} if m.noise is None else {"sigma": m.noise.sigma})

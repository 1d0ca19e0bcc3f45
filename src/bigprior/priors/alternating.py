"""A denoiser and a measurement, in turns: plug-and-play around any degradation that can make a picture consistent."""

from __future__ import annotations

import torch
from torch import nn

from bigprior.degradations import Measurement
from bigprior.errors import SettingsError
from bigprior.ops.precision import Precision
from bigprior.priors.base import Prior, Projection
from bigprior.priors.views import denoised
from bigprior.progress import Progress, part_of

#: What the denoiser is told of, in units of the error that the measurement's picture is expected to have: first, and
#: last. Chosen on photographs that were stored as JPEG of quality 10, 20 and 40.
_FIRST, _LAST = 2.0, 0.4


class AlternatingPrior(Prior):
    """Takes ``g_inv(y)`` for a picture with noise, and removes that; makes what is left consistent; and again, of less.

    What is wrong with it is no white noise, so no denoiser takes it for all of it at once: told of more than there is
    it smooths too much, and the measurement gives back what it knows.

    Args:
        denoiser: of RGB pictures with white noise, such as a deepinv ``Denoiser``; set to evaluation and frozen.
        steps: how often.
        precision: of its passes.

    Raises:
        SettingsError: fewer steps than one.
    """

    any_size = frozenset({"tiles", "whole", "hole"})
    draws = False

    def __init__(self, denoiser: nn.Module, steps: int = 8, precision: Precision = "auto") -> None:
        super().__init__()
        if steps < 1:
            raise SettingsError(f"steps is {steps}: expected at least 1")
        self.denoiser = denoiser.eval().requires_grad_(False)
        self.steps, self.precision = steps, precision

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """The last picture that is consistent; ``codes`` holds the error that was expected of the first, (N,).

        Raises:
            SettingsError: nobody knows how far ``g_inv(y)`` may be off.
        """
        if m.noise is None:
            raise SettingsError(f"{m.degradation.name} says of no error that could be removed: use another prior")
        x = m.fidelity
        for i in range(self.steps):
            told = m.noise.sigma * _FIRST * (_LAST / _FIRST) ** (i / max(1, self.steps - 1))
            part = part_of(progress, i, self.steps)
            clean = denoised(self.denoiser, x, told, step=i, precision=self.precision, progress=part)
            x = m.consistent(clean)
        return Projection(x, {"error": m.noise.sigma})

"""A denoiser as a prior of any linear measurement: it takes turns with the measurement (plug and play)."""

from __future__ import annotations

import math
from typing import Any

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from bigprior.degradations import Measurement
from bigprior.errors import SettingsError
from bigprior.ops.precision import Precision
from bigprior.priors.base import Prior, Projection
from bigprior.priors.views import denoised
from bigprior.progress import Progress
from bigprior.settings import Settings

#: The least noise that a measurement is taken to have, that of rounding to 8 bits.
_ROUNDING = 1 / 255 / math.sqrt(12)


class PlugAndPlaySettings(Settings):
    """How a denoiser and a measurement take turns.

    Attributes:
        steps: evaluations of the denoiser.
        most, least: the noise, of 255, that it is told first and last; the last is no less than that of the measurement
            times ``floor``.
        weight: of the prior, DPIR's lambda: the less, the closer to the measurement.
        floor: see ``least``.
        precision: of the denoiser's passes.
    """

    steps: PositiveInt = 8
    most: PositiveFloat = 49.0
    least: PositiveFloat = 1.0
    weight: PositiveFloat = 0.23
    floor: PositiveFloat = 1.0
    precision: Precision = "auto"


class PlugAndPlay(Prior):
    """The picture that a denoiser and a measurement agree on (half-quadratic splitting: DPIR, Zhang et al., 2021).

        x <- argmin |A x - y|^2 / sigma^2 + |x - z|^2 / tau^2,    z <- D(x, level),    tau = level / sqrt(weight)

    The level falls from step to step, each of which is shown another mirrored or turned copy; nothing is drawn.
    ``G(z*)`` is the last ``z``, which fusion joins with ``y``.

    Args:
        denoiser: any deepinv ``Denoiser`` of RGB pictures.
        settings: how they take turns.
    """

    denoiser: Any
    any_size = frozenset({"tiles", "whole", "hole"})
    draws = False

    def __init__(self, denoiser: nn.Module, settings: PlugAndPlaySettings | None = None) -> None:
        super().__init__()
        self.denoiser = denoiser.eval().requires_grad_(False)
        self.settings = settings or PlugAndPlaySettings()

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """Pictures one at a time, each by its own noise.

        Raises:
            SettingsError: a degradation that does not weigh by itself.
        """
        if not m.degradation.weighs or m.degradation.turns != "proximal":
            raise SettingsError(f"{m.degradation.name} has no proximal operator: give it one, or use another prior")
        images = []
        for i in range(len(m)):
            images.append(self._agreed(m[i : i + 1], i, len(m), progress))
        found = {} if m.noise is None else {"sigma": m.noise.sigma}
        return Projection(torch.cat(images), found)

    def _agreed(self, m: Measurement, i: int, count: int, progress: Progress | None) -> Tensor:
        s, physics = self.settings, m.degradation
        noise = m.y.new_zeros(1) if m.noise is None else m.noise.sigma
        sigma = noise.clamp_min(_ROUNDING)
        last = max(s.least / 255, s.floor * float(sigma))
        levels = torch.logspace(math.log10(max(s.most / 255, last)), math.log10(last), s.steps).tolist()
        # To begin with, the degradation's own guess; or what was measured, and grey of which anything may be wrong.
        if (z := physics.guess(m.y)) is None:
            z = physics.proximal(m.y.new_full((1, 3, *m.size), 0.5), m.y, sigma, 0.5)
        for step, level in enumerate(levels):
            x = z if step == 0 else physics.proximal(z, m.y, sigma, level / math.sqrt(s.weight))
            z = denoised(self.denoiser, x, level, step=step, precision=s.precision)
            if progress is not None:
                progress(i * s.steps + step + 1, count * s.steps)
        return z

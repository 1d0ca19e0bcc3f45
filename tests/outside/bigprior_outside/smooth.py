"""A prior without weights: of all pictures that explain a measurement, the smoothest; and the presets that hold it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior import Built, Degradation, Kind, Measurement, Options, Prior, Progress, Projection


class SmoothPrior(Prior):
    """Minimises ``|f(x) - y|^2 + weight |gradient of x|^2``, for whatever linear ``f``, by conjugate gradients.

    Args:
        weight: of smoothness; small for measurements without noise.
        steps: of the descent.
    """

    any_size = frozenset({"tiles", "whole", "hole"})

    def __init__(self, weight: float = 0.01, steps: int = 30) -> None:
        super().__init__()
        self.weight, self.steps = weight, steps

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """The smoothest pictures behind measurements, from ``g_inv(y)`` on."""
        physics: Any = m.degradation
        x = m.fidelity.clone()
        residual = physics.A_adjoint(m.y) - self._normal(physics, x)
        direction, energy = residual.clone(), _energy(residual)
        for step in range(self.steps):
            moved = self._normal(physics, direction)
            length = energy / _energy(direction, moved).clamp_min(1e-12)
            x += length * direction
            residual -= length * moved
            direction = residual + (new := _energy(residual)) / energy.clamp_min(1e-12) * direction
            energy = new
            if progress is not None:
                progress(step + 1, self.steps)
        return Projection(x)

    def _normal(self, physics: Any, x: Tensor) -> Tensor:
        around = F.pad(x, (1, 1, 1, 1), mode="replicate")
        rough = 4 * x - around[..., :-2, 1:-1] - around[..., 2:, 1:-1] - around[..., 1:-1, :-2] - around[..., 1:-1, 2:]
        return physics.A_adjoint(physics.A(x)) + self.weight * rough


def _energy(a: Tensor, b: Tensor | None = None) -> Tensor:
    """Picture by picture, so that no picture's result depends on its batch."""
    return (a * (a if b is None else b)).sum(dim=(1, 2, 3), keepdim=True)


class SmoothKind(Kind):
    """Presets of a :class:`SmoothPrior`, which has no weights."""

    def architectures(self) -> Iterable[str]:
        """One, so that a preset can be made of it by name."""
        return ("smooth",)

    def build(
        self,
        preset: str,
        parts: Mapping[str, nn.Module],
        settings: Mapping[str, Any],
        physics: type[Degradation],
        options: Options,
    ) -> Built:
        """The prior, with what a preset says of it."""
        options.refuse_but("steps", preset=preset)
        asked = dict(settings) | ({} if options.steps is None else {"steps": options.steps})
        return Built(SmoothPrior(**asked), (), asked)


smooth = SmoothKind()

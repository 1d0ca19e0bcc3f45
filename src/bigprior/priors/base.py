"""What a restorer asks of a prior: a projection of the measurement on what the prior believes pictures are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor

from bigprior.degradations import Degradation
from bigprior.progress import Progress


@dataclass(frozen=True)
class Projection:
    """A prior's answer.

    Attributes:
        image: ``G(z*)``, (N, 3, H, W), RGB in [0, 1].
        codes: what the image was made from, by name, where there is such a thing.
        history: loss of each step and picture, (steps, N); None where nothing was optimised.
    """

    image: Tensor
    codes: dict[str, Tensor] = field(default_factory=dict)
    history: Tensor | None = None

    def __repr__(self) -> str:
        n, _, h, w = self.image.shape
        return f"<Projection {n}x {w}x{h}>"


@runtime_checkable
class Prior(Protocol):
    """Projects a measurement on a learned image distribution (Eq. 11)."""

    def project(
        self, y: Tensor, degradation: Degradation, *, seed: int = 0, progress: Progress | None = None
    ) -> Projection:
        """Measurements (N, C, H, W) of ``degradation`` to the pictures that the prior holds behind them.

        The same seed gives the same result, and a picture's result does not depend on its neighbours in the batch.
        """
        ...

"""What a restorer asks of a prior: a projection of the measurement on what the prior believes pictures are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from torch import Tensor, nn

from bigprior.degradations import Measurement
from bigprior.errors import ImageError
from bigprior.progress import Progress


@dataclass(frozen=True)
class Projection:
    """A prior's answer.

    Attributes:
        image: ``G(z*)``, (N, 3, H, W), RGB in [0, 1].
        codes: what the image was made from, by name, where there is such a thing.
        history: loss of each step and picture, (steps, N); None where nothing was optimised.
        phi: of a prior that knows how sure it is, its share of each pixel (Eq. 8), (N, 1 or 3, H, W) in [0, 1].
    """

    image: Tensor
    codes: dict[str, Tensor] = field(default_factory=dict)
    history: Tensor | None = None
    phi: Tensor | None = None

    def __repr__(self) -> str:
        n, _, h, w = self.image.shape
        return f"<Projection {n}x {w}x{h}>"


class Prior(nn.Module):
    """Projects a measurement on a learned image distribution (Eq. 11).

    A subclass says what it holds behind a measurement in :meth:`propose`; whoever asks calls :meth:`project`. Priors
    made of priors call :meth:`propose` of theirs, so that nothing is clipped twice.
    """

    #: Side, in pixels, of the pictures that it works at, or is best at; None if any size is the same to it.
    resolution: int | None = None
    #: The placements (:attr:`Degradation.placement`) in which it needs no help with pictures of other sizes.
    any_size: frozenset[str] = frozenset()
    #: Whether its answer may depend on the seed; asked of priors that are not made of others.
    draws: bool = True
    #: Whether its projections say ``phi`` themselves, so that no network has to.
    knows_phi: bool = False

    def project(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """The pictures (N, 3, H, W), RGB in [0, 1], that the prior holds behind measurements.

        Where a degradation is of complex pictures, they are in [-1, 1].

        The same seed gives the same result, and a picture's result does not depend on its neighbours in the batch.

        Args:
            m: what was measured.
            seed: of the random numbers, where there are any.
            progress: called with (finished, total) units of work.

        Raises:
            ImageError: what it holds is not of the pictures' size.
        """
        found = self.propose(m, seed=seed, progress=progress)
        if found.image.shape != (expected := (len(m), 3, *m.size)):
            came = tuple(found.image.shape)
            raise ImageError(f"{type(self).__name__} gave {came} for {m!r}: expected {expected}, the pictures' size")
        return replace(found, image=found.image.clamp(m.degradation.least, 1))

    def propose(self, m: Measurement, *, seed: int, progress: Progress | None) -> Projection:
        """As :meth:`project`, with an image that is nominally in [0, 1]."""
        raise NotImplementedError

    def forward(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Tensor:
        """The picture alone."""
        return self.project(m, seed=seed, progress=progress).image

    def within(self, share: float) -> Self:
        """The same prior with a share of its time budget, for one of several calls; here: without a budget."""
        return self

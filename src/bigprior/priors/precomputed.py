"""Priors that were computed elsewhere: a folder of pictures, or a tensor."""

from __future__ import annotations

from torch import Tensor

from bigprior.degradations import Degradation
from bigprior.errors import ImageError
from bigprior.priors.base import Projection
from bigprior.progress import Progress


class PrecomputedPrior:
    """Gives the same pictures whatever is asked: one a measurement, in the measurements' order.

    Args:
        images: (N, 3, H, W), RGB in [0, 1].
    """

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def project(
        self, y: Tensor, degradation: Degradation, *, seed: int = 0, progress: Progress | None = None
    ) -> Projection:
        """The given pictures.

        Raises:
            ImageError: their number or size is not the measurements'.
        """
        degradation.check(y)
        if self.images.shape != (len(y), 3, *y.shape[2:]):
            came, expected = tuple(self.images.shape), (len(y), 3, *y.shape[2:])
            raise ImageError(f"precomputed priors are {came} but the measurements need {expected}: pass one for each")
        return Projection(self.images)

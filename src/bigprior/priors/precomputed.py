"""Priors that were computed elsewhere: a folder of pictures, or a tensor."""

from __future__ import annotations

from torch import Tensor

from bigprior.degradations import Measurement
from bigprior.errors import ImageError
from bigprior.priors.base import Prior, Projection
from bigprior.progress import Progress


class PrecomputedPrior(Prior):
    """Gives the same pictures whatever is asked: one a measurement, in the measurements' order.

    Args:
        images: (N, 3, H, W), RGB in [0, 1].
    """

    any_size = frozenset({"tiles", "whole", "hole"})
    draws = False

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.images: Tensor
        self.register_buffer("images", images, persistent=False)

    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """The given pictures.

        Raises:
            ImageError: their number or size is not the measurements'.
        """
        if self.images.shape != (len(m), 3, *m.size):
            came, expected = tuple(self.images.shape), (len(m), 3, *m.size)
            raise ImageError(f"precomputed priors are {came} but the measurements need {expected}: pass one for each")
        return Projection(self.images)

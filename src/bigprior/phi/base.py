"""What fusion asks of a network that weighs: ``phi`` of every coefficient of its frame."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from bigprior.frames import Bands, Frame
from bigprior.ops.shot import Shot


class PhiNetwork(nn.Module):
    """Predicts ``phi``, 1 = all prior, of two pictures in a frame.

    A subclass is registered in :data:`bigprior.phi.PHI_NETWORKS` by its :attr:`kind`, and built from its
    :attr:`settings` as keyword arguments.
    """

    kind: ClassVar[str]
    #: The weight of what is made up (Eq. 14) that it is used with; a network without such a knob looks at none.
    rho: float = 0.0
    #: The noise that such a weight is for, where less noise makes it count for more; None where it goes by none.
    rho_at: float | None = None
    #: Whether it learns every such weight at once.
    has_knob: ClassVar[bool] = False

    def __init__(self, frame: str, receptive_radius: int, settings: dict[str, Any]) -> None:
        super().__init__()
        #: The name of the frame whose coefficients it weighs, in :data:`bigprior.frames.FRAMES`.
        self.frame = frame
        #: No ``phi`` depends on a pixel this far away, the whole picture's mean and variance apart.
        self.receptive_radius = receptive_radius
        self.settings = settings

    def told(self, shot: Shot | None) -> PhiNetwork:
        """This network as it weighs pictures whose noise grows with light so; here: as it is."""
        return self

    def asked(self, rho: float | None, sigma: Tensor | None) -> float | Tensor:
        """The weight of what is made up in pictures with white noise of ``sigma``, (N,): ``rho``, by default its own.

        Here it is the same whatever the noise.
        """
        return self.rho if rho is None else rho

    def forward(self, fidelity: Tensor, prior: Tensor, frame: Frame, *, mean: Tensor, weight: Tensor) -> Bands:
        """Predict ``phi``.

        Args:
            fidelity, prior: ``g_inv(y)`` and ``G(z*)``, or the same window of each, (N, 3, H, W), any size.
            frame: :attr:`frame`, made.
            mean: mean colour of the whole prior picture, (N, 3, 1, 1).
            weight: ``rho`` over the variance of the whole prior picture, (N,).

        Returns:
            For each band of the frame a tensor in [0, 1]: (N, C, h, w), one ``phi`` a coefficient, or (N, 1, h, w), one
            for all channels of a place.
        """
        raise NotImplementedError

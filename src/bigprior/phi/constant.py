"""One share for everything."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from bigprior.frames import Bands, Frame
from bigprior.phi.base import PhiNetwork


class ConstantPhi(PhiNetwork):
    """One share for everything, in any frame: 0 gives the fidelity term, 1 the prior."""

    kind: ClassVar[str] = "constant"

    def __init__(self, value: float = 0.5, frame: str = "pixel") -> None:
        super().__init__(frame, 0, {"value": value, "frame": frame})
        self.value = value

    def forward(self, fidelity: Tensor, prior: Tensor, frame: Frame, *, mean: Tensor, weight: Tensor) -> Bands:
        """The same for every coefficient."""
        return [torch.full_like(band, self.value) for band in frame.analyse(prior)]

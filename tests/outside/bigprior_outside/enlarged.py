"""A baseline: bicubic interpolation of pictures that are smaller than they should be."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from bigprior import Baseline, Degradation


def _larger(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
    return F.interpolate(y, size=physics.picture_size(y), mode="bicubic", align_corners=False).clamp(0, 1)


enlarged = Baseline(treats=lambda physics: physics.name == "doubling", package="torch", restore=_larger)

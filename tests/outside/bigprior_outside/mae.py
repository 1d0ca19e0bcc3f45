"""A metric: the mean absolute error."""

from __future__ import annotations

from torch import Tensor


def mae(image: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of pictures (N, 3, H, W), RGB in [0, 1], clipped: float64 (N,)."""
    return (image.clamp(0, 1).double() - truth.clamp(0, 1).double()).abs().flatten(1).mean(dim=1)

"""Pictures at other sizes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def padded(x: Tensor, height: int, width: int) -> Tensor:
    """Grow (N, C, H, W) to ``height`` and ``width`` by repeating the last row and column."""
    return F.pad(x, (0, width - x.shape[3], 0, height - x.shape[2]), mode="replicate")


def resized(x: Tensor, height: int, width: int) -> Tensor:
    """(N, C, H, W) at another size, smoothly and without aliasing."""
    return F.interpolate(x, size=(height, width), mode="bilinear", antialias=True, align_corners=False)

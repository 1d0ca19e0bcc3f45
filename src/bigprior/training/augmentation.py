"""Photographs made to look like others: smaller ones are sharper, and in other colours their colours are."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms


def random_scale(native: float, rng: torch.Generator, smallest: float = 0.5) -> float:
    """1 with probability ``native``, or else the scale of a smaller copy, down to ``smallest``, log-uniform."""
    if float(torch.rand((), generator=rng)) < native:
        return 1.0
    return float(smallest ** (1 - torch.rand((), generator=rng)))


def recoloured(x: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """About ``share`` of the pictures in other colours: another hue, stronger, and tinted.

    JPEG keeps colours at half the size of luminance, and rooms are pale: a network that sees only such photographs
    takes sharp, strong colours for noise. Tinted by coloured light, or where they are dark as paint beside white is,
    luminance shows in the differences of the channels, so that these are as sharp as it.

    Args:
        x: (N, 3, H, W), RGB in [0, 1].

    Returns:
        As ``x``; a new tensor.
    """
    x = x.clone()
    for i in range(len(x)):
        if float(torch.rand((), generator=rng)) < share:
            hue, saturation, paint, *light = torch.rand(6, generator=rng).tolist()
            tint = 0.2 + 0.8 * torch.tensor(light).to(x)
            tint = (tint / tint.max()).view(3, 1, 1)
            other = transforms.adjust_saturation(transforms.adjust_hue(x[i], hue - 0.5), 1 + 2 * saturation)
            x[i] = 1 - tint * (1 - other) if paint < 0.5 else tint * other
    return x

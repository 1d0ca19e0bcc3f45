"""How far a generated picture is from the measurement: the loss of Eq. 11, one number a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.ops.perceptual import VGGFeatures

#: Pictures (B, 3, R, R) to their losses (B,), and to the mean squared residuals of their measurements alone (B,).
Objective = Callable[[Tensor], tuple[Tensor, Tensor]]


class PerceptualTerm(Protocol):
    """Compares ``f(G(z))`` with ``y`` beyond single pixels; ``target`` is called once, ``distance`` at every step."""

    def target(self, y: Tensor) -> Tensor:
        """What to keep of the measurement (N, C, H, W)."""
        ...

    def distance(self, image: Tensor, target: Tensor) -> Tensor:
        """One number a picture: (N,)."""
        ...


class VGGTerm(nn.Module):
    """The paper's: l1 between VGG-16 features after conv3_3."""

    def __init__(self, features: VGGFeatures) -> None:
        super().__init__()
        self.features = features

    def target(self, y: Tensor) -> Tensor:
        """Features of the measurement; a grey one is copied into three channels."""
        features: Tensor = self.features(y.expand(-1, 3, -1, -1))["conv3_3"]
        return features

    def distance(self, image: Tensor, target: Tensor) -> Tensor:
        """Mean absolute difference of the features."""
        return (self.target(image) - target).abs().flatten(1).mean(1)


class PyramidTerm:
    """Multi-scale l1: the absolute difference in each band of a Laplacian pyramid. Needs no weights.

    Args:
        levels: bands, the coarsest included.
    """

    def __init__(self, levels: int = 4) -> None:
        self.levels = levels

    def target(self, y: Tensor) -> Tensor:
        """The measurement: the pyramid is linear, so that it is enough to take it of the difference."""
        return y

    def distance(self, image: Tensor, target: Tensor) -> Tensor:
        """Mean absolute difference, averaged over the bands."""
        residual = image - target
        total = residual.new_zeros(len(residual))
        for _ in range(self.levels - 1):
            if min(residual.shape[2:]) < 2:
                break
            coarse = F.avg_pool2d(residual, 2, ceil_mode=True)
            fine = residual - F.interpolate(coarse, size=residual.shape[2:], mode="bilinear", align_corners=False)
            total = total + fine.abs().flatten(1).mean(1)
            residual = coarse
        return (total + residual.abs().flatten(1).mean(1)) / self.levels


class InversionLoss:
    """``l2 |f(x) - y|^2 + l1 |f(x) - y| + perceptual * term(f(x), y)``, means over a picture's values, (N,)."""

    def __init__(self, y: Tensor, l2: float, l1: float, perceptual: float, term: PerceptualTerm | None) -> None:
        self.y, self.l2, self.l1, self.perceptual, self.term = y, l2, l1, perceptual, term
        with torch.no_grad():
            self.target = term.target(y) if term is not None and perceptual else None

    def __call__(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, and the mean squared residual alone."""
        residual = (image - self.y).flatten(1)
        squared = residual.square().mean(1)
        loss = self.l2 * squared
        if self.l1:
            loss = loss + self.l1 * residual.abs().mean(1)
        if self.target is not None and self.term is not None:
            loss = loss + self.perceptual * self.term.distance(image, self.target)
        return loss, squared.detach()

"""Fréchet distance between two sets of pictures on VGG-16 conv3_3 features."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from bigprior.ops.perceptual import VGGFeatures
from bigprior.progress import Progress


@torch.no_grad()
def vgg_features(images: Tensor, vgg: Path | str | None = None, progress: Progress | None = None) -> Tensor:
    """Spatially averaged conv3_3 features, float64 (N, 256), of uint8 pictures (N, 3, H, W)."""
    network, rows = VGGFeatures(vgg), []
    for start in range(0, len(images), 100):
        batch = images[start : start + 100].float().div(255).contiguous(memory_format=torch.channels_last)
        rows.append(network(batch)["conv3_3"].mean(dim=(2, 3)).double())
        if progress is not None:
            progress(min(start + 100, len(images)), len(images))
    return torch.cat(rows)


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """``|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))`` of two sets of features (N, D) (Heusel et al., 2017)."""
    (mean_a, cov_a), (mean_b, cov_b) = ((x.mean(dim=0), x.T.cov()) for x in (a, b))
    # The trace of the root of a product of two covariances: the sum of the roots of its eigenvalues, real and >= 0.
    roots = torch.linalg.eigvals(cov_a @ cov_b).real.clamp_min(0).sqrt().sum()
    return float((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * roots)

"""Scores of a part of a picture alone, such as a hole."""

from __future__ import annotations

import math

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from bigprior.io.arrays import to_numpy
from bigprior.ops.perceptual import LPIPS_LEAST_PX, lpips_network


@torch.no_grad()
def region_scores(image: Tensor, truth: Tensor, region: Tensor) -> dict[str, float]:
    """``psnr``, ``ssim`` and ``lpips`` of one picture in a region of it.

    PSNR is of the region's pixels alone. SSIM and LPIPS look at what is around a pixel, and so a little beyond the
    region; their maps are averaged over it.

    Args:
        image, truth: (1, 3, H, W), RGB in [0, 1].
        region: (1, 1, H, W), 1 inside; somewhere it is.

    Returns:
        SSIM and LPIPS are NaN for a picture that is too small for them.
    """
    image, truth = image.clamp(0, 1), truth.clamp(0, 1)
    inside = region[0, 0] == 1
    error = float((image - truth).double().square().mean(dim=1)[0][inside].mean())
    scores = {"psnr": -10 * math.log10(error) if error else math.inf, "ssim": math.nan, "lpips": math.nan}
    least = min(image.shape[2:])
    if least >= 7:
        pair = [to_numpy(x) for x in (image, truth)]
        _, map_ = structural_similarity(*pair, channel_axis=2, data_range=255, full=True)
        scores["ssim"] = float(np.asarray(map_)[inside.cpu().numpy()].mean())
    if least >= LPIPS_LEAST_PX:
        distance = lpips_network(image.device, spatial=True)(image * 2 - 1, truth * 2 - 1)
        scores["lpips"] = float(distance[0, 0][inside].double().mean())
    return scores

"""How far estimates are from the truth: what networks are trained by.

Noise is judged by the squared error of every picture. Where a conditional network sees only grey, the mean of all
pictures, which is best under that error, is a dull estimate: there, colour is judged by its distance in CIELAB, and a
filled hole by what it looks like. At any lower noise the network is the mean, which samplers need.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from bigprior.degradations import Measurement
from bigprior.ops.colour import ab_distance
from bigprior.ops.perceptual import lpips_network

#: About the squared error of what a denoising network itself is asked for: steps stay as large as down that error.
_TYPICAL_ERROR = 0.1
#: Of :func:`repetition`: how far from known pixels a hole is deep, how many places there are to be alike at the least,
#: and energy that is hardly any.
_DEEP_PX, _ALIKE, _HARDLY = 8, 24, 1e-5


def relative_error(estimate: Tensor, truth: Tensor, *, least: float = 1e-6) -> Tensor:
    """Mean logarithm of each picture's squared error, which is its PSNR up to scale: a scalar.

    A step down this divides the error of each crop by its own size: under the network's own output, EDM's weight
    1 / c_out^2 drops out. How hard a crop is shows in its noisy picture, so what is learned is still the mean; but calm
    crops count as much as busy ones, as they do where PSNRs are averaged.

    Args:
        estimate, truth: (N, C, H, W).
        least: squared error below which less is no better.
    """
    squared = (estimate - truth).square().flatten(1).mean(1)
    return _TYPICAL_ERROR * squared.clamp_min(least).log().mean()


def colour_error(m: Measurement, estimate: Tensor, truth: Tensor) -> Tensor:
    """Mean distance in the ab plane of CIELAB, as a share of 150, once the luminance is the measurement's: a scalar.

    Args:
        m: of the luminance.
        estimate, truth: (N, 3, H, W), RGB in [0, 1].
    """
    return ab_distance(m.consistent(estimate), truth).mean()


def hole_error(
    estimate: Tensor, truth: Tensor, mask: Tensor, weight: float, corner: tuple[int, int] = (0, 0)
) -> Tensor:
    """What a filling of holes does to a picture, relative to the size of the holes: a scalar.

    Squared and absolute error, structural similarity, and LPIPS, by which the paper scores fillings too.

    Args:
        estimate, truth: (N, 3, H, W), RGB in [0, 1].
        mask: (N, 1, H, W), 1 = known, 0 = hole.
        weight: of LPIPS, which sees no pictures under 32 pixels; 0 leaves it out.
        corner: row and column of the first pixel that LPIPS sees. AlexNet looks at every fourth pixel: where that is
            always the same one, a network learns a pattern of four pixels that it takes for texture.
    """
    filled = torch.where(mask > 0, truth, estimate)
    residual = filled - truth
    error = residual.square().mean() + residual.abs().mean()
    similarity = structural_similarity_index_measure(
        filled, truth, gaussian_kernel=False, kernel_size=7, data_range=1.0
    )
    assert isinstance(similarity, Tensor)
    error = error + 0.5 * (1 - similarity)
    if weight:
        seen = (2 * x[:, :, corner[0] :, corner[1] :] - 1 for x in (filled, truth))
        error = error + weight * lpips_network(truth.device)(*seen).mean()
    return error / (1 - mask).mean()


def repetition(x: Tensor, mask: Tensor, px: int) -> Tensor:
    """Which share of what is finer than ``px`` pixels is the same every ``px`` pixels, deep in holes: (N,).

    In photographs it is about one over the number of places that are alike. Where these are too few, it is 0.

    Args:
        x: pictures (N, C, H, W), sides multiples of ``px``.
        mask: (N, 1, H, W), 1 = known, 0 = hole.
        px: the period, even.
    """
    fine = x - F.avg_pool2d(F.pad(x, (px // 2,) * 4, mode="reflect"), px + 1, 1)
    deep = 1 - F.max_pool2d(mask, 2 * _DEEP_PX + 1, 1, _DEEP_PX)

    def alike(values: Tensor) -> Tensor:
        return F.pixel_unshuffle(values, px).sum((2, 3)).view(len(x), values.shape[1], -1)

    count = alike(deep)
    mean = alike(fine * deep) / count.clamp_min(1)
    mean = mean - mean.mean(2, keepdim=True)
    energy = alike(fine.square() * deep).sum((1, 2)) / (x.shape[1] * count.sum((1, 2))).clamp_min(1)
    enough = count.amin((1, 2)) >= _ALIKE
    return torch.where(enough, mean.square().mean((1, 2)) / (energy + _HARDLY), 0.0)

"""Image quality as the paper scores it: thin over the libraries, one number a picture.

All take tensors (N, 3, H, W), RGB in [0, 1], clip them, and return float64 (N,). Whether pictures are rounded to
8 bits before is the caller's choice; the paper's tables round, its released per-image figures do not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from skimage.color import rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from bigprior.io.arrays import to_numpy
from bigprior.ops.perceptual import LPIPS_LEAST_PX, lpips_network
from bigprior.registry import Registry

#: Thresholds of the colour AuC, as released: 0 to 149 in steps of one.
AUC_THRESHOLDS = np.arange(150)
#: Chroma that nobody sees; rounding alone gives grey a little of one hue.
_GREY = 0.5


def psnr(image: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB; infinite for equal pictures."""
    with np.errstate(divide="ignore"):
        return _each(lambda a, b: peak_signal_noise_ratio(b, a, data_range=1.0), image, truth)


def psnr_y(image: Tensor, truth: Tensor) -> Tensor:
    """The same of luma alone, as MATLAB's ``rgb2ycbcr`` has it: how the field scores pictures that were made larger."""
    luma = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64).view(1, 3, 1, 1) / 255
    return psnr(*((x.double().cpu().clamp(0, 1) * luma).sum(dim=1, keepdim=True) + 16 / 255 for x in (image, truth)))


def ssim(image: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity: scikit-image's default (7x7 uniform window) on 8-bit RGB, as the paper scored it.

    NaN for a picture smaller than the window.
    """

    def one(a: np.ndarray, b: np.ndarray) -> float:
        if min(a.shape[:2]) < 7:
            return float("nan")
        return float(structural_similarity(a, b, channel_axis=2, data_range=255))

    return torch.tensor([one(to_numpy(a), to_numpy(b)) for a, b in zip(image, truth, strict=True)], dtype=torch.float64)


def colour_auc(image: Tensor, truth: Tensor) -> Tensor:
    """Area, in percent, under the cumulative curve of ab errors (Deshpande et al. 2015; Zhang et al. 2016).

    The share of pixels whose distance in the ab plane of CIELAB is at most t, averaged over :data:`AUC_THRESHOLDS`.
    Distances under 0.001, which single precision cannot tell from none, are none: at the threshold 0 a white pixel
    would otherwise count or not by its last bit.
    """

    def one(a: np.ndarray, b: np.ndarray) -> float:
        distance = np.sqrt(np.square(_ab(a) - _ab(b)).sum(axis=-1)).ravel()
        distance[distance < 1e-3] = 0
        return float(100 * np.searchsorted(np.sort(distance), AUC_THRESHOLDS, side="right").mean() / distance.size)

    return _each(one, image, truth)


def ab_error(image: Tensor, truth: Tensor) -> Tensor:
    """Mean distance of a pixel's colours in the ab plane of CIELAB."""
    return _each(lambda a, b: float(np.linalg.norm(_ab(a) - _ab(b), axis=-1).mean()), image, truth)


def saturation(image: Tensor, truth: Tensor) -> Tensor:
    """Mean distance of a pixel from grey in the ab plane of CIELAB; the truth is not looked at."""
    return _each(lambda a, b: float(np.linalg.norm(_ab(a), axis=-1).mean()), image, truth)


def hue_unity(image: Tensor, truth: Tensor) -> Tensor:
    """How much a picture is of one hue, 0 to 1: the length of the mean unit vector of ab, weighted by chroma.

    1 is sepia or any other tint alone; 0 has as much of each hue as of its opposite, and so has a picture that looks
    grey. The truth is not looked at.
    """

    def one(a: np.ndarray, b: np.ndarray) -> float:
        colours = _ab(a).reshape(-1, 2)
        chroma = float(np.linalg.norm(colours, axis=1).mean())
        return float(np.linalg.norm(colours.mean(axis=0))) / chroma if chroma > _GREY else 0.0

    return _each(one, image, truth)


@torch.no_grad()
def lpips(image: Tensor, truth: Tensor) -> Tensor:
    """Learned perceptual distance, version 0.0 on AlexNet, as the paper scored it; offline.

    NaN for pictures under 32 pixels, which AlexNet cannot take.
    """
    if min(image.shape[2:]) < LPIPS_LEAST_PX:
        return torch.full((len(image),), float("nan"), dtype=torch.float64)
    pairs = zip(image.clamp(0, 1).split(16), truth.clamp(0, 1).split(16), strict=True)
    parts = [lpips_network(a.device)(a * 2 - 1, b * 2 - 1).flatten() for a, b in pairs]
    return torch.cat(parts).double()


#: Every metric by the name that results carry it under.
METRICS: Registry[Callable[[Tensor, Tensor], Tensor]] = Registry(
    "metric",
    "bigprior.metrics",
    {
        "psnr": psnr,
        "psnr_y": psnr_y,
        "ssim": ssim,
        "lpips": lpips,
        "auc": colour_auc,
        "ab_error": ab_error,
        "saturation": saturation,
        "hue_unity": hue_unity,
    },
)


def _ab(x: np.ndarray) -> np.ndarray:
    """The a and b coordinates (H, W, 2) of a picture (H, W, 3), RGB in [0, 1]."""
    return np.asarray(rgb2lab(x)[..., 1:])


def _each(one: Callable[[np.ndarray, np.ndarray], float], image: Tensor, truth: Tensor) -> Tensor:
    arrays = (x.clamp(0, 1).permute(0, 2, 3, 1).double().numpy() for x in (image, truth))
    return torch.tensor([one(a, b) for a, b in zip(*arrays, strict=True)], dtype=torch.float64)

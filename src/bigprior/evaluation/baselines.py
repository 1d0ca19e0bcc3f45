"""Methods that users compare with, behind one small interface. Every one comes from a package; none is ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from torch import Tensor

from bigprior.images import from_array, to_uint8

#: A picture (H, W, 3) with noise, RGB in [0, 1], float64, and the noise level, to a picture.
_Denoise = Callable[[np.ndarray, float], np.ndarray]
#: A picture (H, W, 3), 8-bit, and a mask (H, W), 8-bit, 0 = known, to a picture, 8-bit.
_Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Baseline:
    """One method.

    Attributes:
        task: the degradation that it treats.
        package: what has to be installed, by the name that it is imported under.
        told: what it knows that a blind method does not: ``sigma``, ``mask`` or nothing.
    """

    task: str
    package: str
    restore: Callable[[Tensor, float | None, Tensor | None], Tensor]
    told: str = ""

    @property
    def installed(self) -> bool:
        """Whether its package is there."""
        return find_spec(self.package) is not None


def _denoiser(one: _Denoise) -> Callable[[Tensor, float | None, Tensor | None], Tensor]:
    def restore(y: Tensor, sigma: float | None, mask: Tensor | None) -> Tensor:
        picture = y[0].permute(1, 2, 0).double().numpy()
        if sigma is None:
            from skimage.restoration import estimate_sigma  # needs PyWavelets, as its wavelet denoiser does

            sigma = float(np.mean(estimate_sigma(picture, channel_axis=2)))
        return from_array(np.clip(one(picture, sigma), 0, 1))

    return restore


def _filler(one: _Fill) -> Callable[[Tensor, float | None, Tensor | None], Tensor]:
    def restore(y: Tensor, sigma: float | None, mask: Tensor | None) -> Tensor:
        assert mask is not None
        filled = one(to_uint8(y), ((1 - mask[0, 0]) * 255).byte().numpy())
        return mask * y + (1 - mask) * from_array(filled / 255)

    return restore


def _bm3d(picture: np.ndarray, sigma: float) -> np.ndarray:
    from bm3d import bm3d_rgb

    return np.asarray(bm3d_rgb(picture, sigma))


def _nlm(picture: np.ndarray, sigma: float) -> np.ndarray:
    from skimage.restoration import denoise_nl_means

    # The settings of scikit-image's own example for known noise.
    return np.asarray(
        denoise_nl_means(picture, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, channel_axis=2)
    )


def _tv(picture: np.ndarray, sigma: float) -> np.ndarray:
    from skimage.restoration import denoise_tv_chambolle

    return np.asarray(denoise_tv_chambolle(picture, weight=1.2 * sigma, channel_axis=2))


def _wavelet(picture: np.ndarray, sigma: float) -> np.ndarray:
    from skimage.restoration import denoise_wavelet

    return np.asarray(denoise_wavelet(picture, sigma=sigma, convert2ycbcr=True, channel_axis=2, rescale_sigma=True))


def _telea(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    import cv2

    return np.asarray(cv2.inpaint(picture, hole, 3, cv2.INPAINT_TELEA))


def _navier_stokes(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    import cv2

    return np.asarray(cv2.inpaint(picture, hole, 3, cv2.INPAINT_NS))


#: Every baseline by the name of its row.
BASELINES: dict[str, Baseline] = {
    "bm3d": Baseline("denoising", "bm3d", _denoiser(_bm3d), told="sigma"),
    "nlm": Baseline("denoising", "pywt", _denoiser(_nlm)),
    "tv": Baseline("denoising", "pywt", _denoiser(_tv)),
    "wavelet": Baseline("denoising", "pywt", _denoiser(_wavelet)),
    "telea": Baseline("inpainting", "cv2", _filler(_telea), told="mask"),
    "navier-stokes": Baseline("inpainting", "cv2", _filler(_navier_stokes), told="mask"),
}

"""Filters that other packages have, behind one signature; each is imported when it is called."""

from __future__ import annotations

import warnings

import numpy as np

from bigprior.io.samples import Array

#: The warm grey that a picture of no known colours is most often near: a and b of CIELAB.
TINT = (3.0, 8.0)


def bm3d(picture: Array, sigma: float) -> Array:
    """BM3D, of its authors' package (Dabov et al., 2007): similar patches are filtered together."""
    import bm3d as package

    if picture.shape[2] == 1:
        return np.asarray(package.bm3d(picture[..., 0], sigma))[..., None]
    return np.asarray(package.bm3d_rgb(picture, sigma))


def nlm(picture: Array, sigma: float) -> Array:
    """Non-local means (Buades, Coll and Morel, 2005): the mean of pixels, weighted by how alike their patches are."""
    from skimage.restoration import denoise_nl_means

    # The settings of scikit-image's own example for known noise, in the fast mode.
    how = {"patch_size": 5, "patch_distance": 6, "h": 0.6 * sigma, "sigma": sigma, "fast_mode": True}
    if picture.shape[2] == 1:  # which scikit-image would lose the axis of
        return np.asarray(denoise_nl_means(picture[..., 0], **how))[..., None]
    return np.asarray(denoise_nl_means(picture, **how, channel_axis=2))


def tv(picture: Array, sigma: float) -> Array:
    """Total variation (Rudin, Osher and Fatemi, 1992), Eq. 3 with ``gamma = 1``, by Chambolle's projections."""
    from skimage.restoration import denoise_tv_chambolle

    return np.asarray(denoise_tv_chambolle(picture, weight=1.2 * sigma, channel_axis=2))


def wavelet(picture: Array, sigma: float) -> Array:
    """Wavelets shrunk by BayesShrink's thresholds (Chang et al., 2000), after Donoho (1995)."""
    from skimage.restoration import denoise_wavelet

    colour = picture.shape[2] == 3
    how = {"sigma": sigma, "convert2ycbcr": colour, "rescale_sigma": True}
    return np.asarray(denoise_wavelet(picture, **how, channel_axis=2))


def telea(picture: Array, hole: Array) -> Array:
    """Fast marching (Telea, 2004), of OpenCV."""
    import cv2

    return _of_8_bits(cv2.inpaint(_bytes(picture), _white(hole), 3, cv2.INPAINT_TELEA))


def navier_stokes(picture: Array, hole: Array) -> Array:
    """Isophotes that go on as a fluid does (Bertalmio et al., 2001), of OpenCV."""
    import cv2

    return _of_8_bits(cv2.inpaint(_bytes(picture), _white(hole), 3, cv2.INPAINT_NS))


def fsr(picture: Array, hole: Array) -> Array:
    """Frequency selective reconstruction (Seiler and Kaup, 2010), ``INPAINT_FSR_FAST`` of OpenCV's contributions."""
    import cv2

    filled = np.zeros_like(_bytes(picture))
    cv2.xphoto.inpaint(_bytes(picture), 255 - _white(hole), filled, cv2.xphoto.INPAINT_FSR_FAST)
    return _of_8_bits(filled)


def shift_map(picture: Array, hole: Array) -> Array:
    """Patches from elsewhere in the picture (He and Sun, 2012), ``INPAINT_SHIFTMAP`` of OpenCV's contributions."""
    import cv2

    # Its distances are those of CIELAB.
    lab, filled = cv2.cvtColor(_bytes(picture), cv2.COLOR_RGB2Lab), np.zeros_like(_bytes(picture))
    cv2.setRNGSeed(0)
    cv2.xphoto.inpaint(lab, 255 - _white(hole), filled, cv2.xphoto.INPAINT_SHIFTMAP)
    return _of_8_bits(cv2.cvtColor(filled, cv2.COLOR_Lab2RGB))


def biharmonic(picture: Array, hole: Array) -> Array:
    """A biharmonic surface through what is known (Damelin and Hoang, 2018), of scikit-image."""
    from skimage.restoration import inpaint_biharmonic

    return np.asarray(inpaint_biharmonic(picture, hole, channel_axis=2))


def tinted(picture: Array) -> Array:
    """A grey picture (H, W, 3) in one colour, :data:`TINT`, for all of it."""
    from skimage.color import lab2rgb, rgb2lab

    lab = rgb2lab(picture)
    lab[..., 1:] = TINT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # near black and white no such colour is in sRGB: it is clipped
        return np.asarray(np.clip(lab2rgb(lab), 0, 1))


def _bytes(picture: Array) -> Array:
    samples: Array = np.rint(picture.clip(0, 1) * 255).astype(np.uint8)
    return samples


def _white(hole: Array) -> Array:
    white: Array = hole.astype(np.uint8) * 255
    return white


def _of_8_bits(picture: Array) -> Array:
    floats: Array = np.asarray(picture, dtype=np.float64) / 255
    return floats

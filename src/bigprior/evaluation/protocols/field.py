"""The field's own tables: white noise of a level, cameras' noise and JPEG, all of them blind; holes; lost colours;
small and blurred pictures; mosaics.
"""

from __future__ import annotations

import math

import numpy as np

from bigprior.degradations import Colorization, Deblurring, Demosaicing, Denoising, Inpainting, Poisson, Upscaling
from bigprior.degradations.kernels import motion, read_kernel
from bigprior.errors import SettingsError
from bigprior.evaluation.cases import blurred, counted, greys, mosaics, real_pairs, smaller, white_noise
from bigprior.evaluation.cases import holes as hole_cases
from bigprior.evaluation.cases import jpeg as jpeg_cases
from bigprior.evaluation.metrics import METRICS
from bigprior.evaluation.protocols.paper import rows_of
from bigprior.evaluation.protocols.request import Request, Results
from bigprior.evaluation.tables import means
from bigprior.progress import Progress, part_of

#: Straight motions, by pixels and degrees, where no kernel's file is given; and the noise, of 255.
_MOTIONS, _BLURRED = ((9, 20), (15, 75), (21, 140)), 2.55


def upscale(request: Request, progress: Progress) -> Results:
    """Pictures ``--factor`` times smaller by MATLAB's bicubic kernel, with no noise but rounding; Y, and no border."""
    factor = request.factor or 2
    rounding = 1 / 255 / math.sqrt(12)
    cases = smaller(Upscaling(factor, sigma=rounding), factor, request.data, request.index)
    return means(rows_of(Upscaling.name, cases, request, progress, ("psnr_y", "psnr", "ssim")))


def deblur(request: Request, progress: Progress) -> Results:
    """Pictures blurred by each ``--kernel``, or three motions, circular; noise of ``--sigma``, 2.55, is told."""
    sigma = (_BLURRED if request.sigma is None else request.sigma) / 255
    kernels = [read_kernel(file) for file in request.kernels] or [motion(*one) for one in _MOTIONS]
    cases = blurred([Deblurring(kernel, sigma) for kernel in kernels], sigma, request.data, request.index)
    return means(rows_of(Deblurring.name, cases, request, progress, ("psnr", "ssim")))


def demosaic(request: Request, progress: Progress) -> Results:
    """Bayer mosaics, RGGB, with noise of ``--sigma``, 0, which is told; RGB, 10 pixels of each side not scored."""
    sigma = (request.sigma or 0.0) / 255
    cases = mosaics(Demosaicing("rggb", sigma), sigma, request.data, request.index)
    return means(rows_of(Demosaicing.name, cases, request, progress, ("psnr", "ssim")))


def awgn(request: Request, progress: Progress) -> Results:
    """White Gaussian noise of ``--sigma`` on the 0..255 scale, which ours is not told; results of 8 bits.

    Raises:
        SettingsError: no noise level, or one outside 0..255.
    """
    if request.sigma is None or not 0 < request.sigma <= 255:
        raise SettingsError(f"sigma is {request.sigma}: awgn needs --sigma, a noise level in 0..255, such as 25")
    cases = white_noise(Denoising(), request.sigma / 255, request.data, request.index)
    return means(rows_of(Denoising.name, cases, request, progress))


def real(request: Request, progress: Progress) -> Results:
    """Pairs ``NAME_real`` and ``NAME_mean`` of a camera; nothing is told; results of 8 bits."""
    return means(rows_of(Denoising.name, real_pairs(Denoising(), request.data, request.index), request, progress))


def jpeg(request: Request, progress: Progress) -> Results:
    """JPEG of ``--quality``, decoded and denoised without being told; results of 8 bits.

    Raises:
        SettingsError: not one quality, or one outside 1..100.
    """
    if len(request.qualities) != 1 or not 1 <= request.qualities[0] <= 100:
        raise SettingsError(f"qualities are {request.qualities}: jpeg needs one --quality, 1 to 100, such as 10")
    cases = jpeg_cases(Denoising(), request.qualities[0], request.data, request.index)
    return means(rows_of(Denoising.name, cases, request, progress))


def poisson(request: Request, progress: Progress) -> Results:
    """Shot noise of each ``--peak``, the count of white, which all methods are told; results of 8 bits.

    Filters that know white noise alone, such as BM3D, work between Anscombe's transform and its exact unbiased inverse.

    Returns:
        A table by peak.

    Raises:
        SettingsError: no peak.
    """
    if not request.peaks:
        raise SettingsError("poisson needs --peak, the count of white, such as 30; several with commas")
    results: Results = {}
    for i, peak in enumerate(request.peaks):
        cases, part = counted(Poisson, peak, request.data, request.index), part_of(progress, i, len(request.peaks))
        assert part is not None  # as there is a progress
        results[f"peak-{peak:g}"] = means(rows_of(Poisson.name, cases, request, part))
    return results


def holes(request: Request, progress: Progress) -> Results:
    """Pictures of ``images`` with the holes of ``masks``, dark, scored as a whole and in the hole alone; of 8 bits."""
    cases = hole_cases(Inpainting, request.data, request.index)
    return means(rows_of(Inpainting.name, cases, request, progress))


def colours(request: Request, progress: Progress) -> Results:
    """Pictures without their colours, of which ``input`` is the grey picture; of 8 bits.

    How saturated the pictures were, and how much of one hue, stands under ``truth``.
    """
    cases = greys(Colorization(), request.data, request.index)
    metrics, alone = ("auc", "ab_error", "saturation", "hue_unity"), ("saturation", "hue_unity")
    results = means(rows_of(Colorization.name, cases, request, progress, metrics))
    truths = [cases[i].truth for i in range(len(cases))]
    truth = {metric: float(np.mean([float(METRICS[metric](x, x)) for x in truths])) for metric in alone}
    return {"truth": truth} | results

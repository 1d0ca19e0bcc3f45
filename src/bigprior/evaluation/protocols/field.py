"""The field's own tables on its standard sets: white noise of a level, cameras' own noise, JPEG; all of them blind."""

from __future__ import annotations

from bigprior.degradations import Denoising
from bigprior.errors import SettingsError
from bigprior.evaluation.cases import jpeg as jpeg_cases
from bigprior.evaluation.cases import real_pairs, white_noise
from bigprior.evaluation.protocols.paper import rows_of
from bigprior.evaluation.protocols.request import Request, Results
from bigprior.evaluation.tables import means
from bigprior.progress import Progress


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
        SettingsError: no quality, or one outside 1..100.
    """
    if request.quality is None or not 1 <= request.quality <= 100:
        raise SettingsError(f"quality is {request.quality}: jpeg needs --quality, 1 to 100, such as 10")
    cases = jpeg_cases(Denoising(), request.quality, request.data, request.index)
    return means(rows_of(Denoising.name, cases, request, progress))

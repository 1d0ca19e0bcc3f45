"""White Gaussian noise added to every channel."""

from __future__ import annotations

import deepinv as dinv

from bigprior.degradations.base import Degradation
from bigprior.errors import SettingsError


class Denoising(Degradation, dinv.physics.Denoising):
    """White Gaussian noise added: ``f`` and ``g_inv`` are the identity (the noise has mean zero).

    Args:
        sigma: noise level in [0, 1]; None when nobody knows it. A prior that knows it can stop before it
            fits the noise.

    Raises:
        SettingsError: ``sigma`` outside [0, 1].
    """

    name = "denoising"
    placement = "tiles"
    frame = "wavelet"

    def __init__(self, sigma: float | None = None, **kwargs: object) -> None:
        if sigma is not None and not 0 <= sigma <= 1:
            raise SettingsError(f"sigma is {sigma}: expected a noise level in [0, 1] (25 of 255 is {25 / 255:.3f})")
        super().__init__(noise_model=dinv.physics.GaussianNoise(sigma or 0.0), **kwargs)
        self.sigma = sigma

"""Mosaics: a sensor that measures one colour a pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import deepinv as dinv
import torch
from torch import Tensor

from bigprior.degradations.base import Degradation
from bigprior.degradations.levels import Level, OfLevel, checked, joined, noisy, told
from bigprior.degradations.protocol import Protocol
from bigprior.degradations.terms import Fusion, knob, levels_of, split_by
from bigprior.errors import ImageError, SettingsError
from bigprior.io.arrays import in_eight_bits
from bigprior.noise import Noise
from bigprior.ops.boxes import box_mean
from bigprior.ops.colour import is_grey
from bigprior.ops.mosaic import PATTERNS, bilinear, malvar, noise_in, shifted, sites
from bigprior.ops.resampling import padded, resized

#: How far a prior is expected to be off, of how much it varies around a pixel; side of what is around, in pixels.
_OFF, _AROUND = 0.1, 7
#: The least that it is expected to be off.
_LEAST = 1e-4
#: The most noise, of 255, of the mosaics that calibrate.
_MOST = 10


def _by_sensor(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    """Any pattern, with noise of a whole number of 0 to 10 of 255, which nobody is told, rounded to 8 bits."""
    physics = Demosaicing(PATTERNS[int(torch.randint(len(PATTERNS), (), generator=rng))])
    return in_eight_bits(noisy(physics.f(x), 0, _MOST, rng)), physics


class Demosaicing(OfLevel, Degradation, dinv.physics.LinearPhysics):  # type: ignore[misc]  # deepinv publishes no types
    """One colour a pixel in Bayer's pattern: ``f`` keeps that sample, ``g_inv`` puts means of its like beside it.

    ``phi`` is known sample by sample, (N, 3, H, W): 1 for the two colours of a pixel that were not measured; for the
    third 0 without noise, and with it, by Eq. 8::

        phi = sigma^2 / (sigma^2 + tau^2)

    ``tau`` being a tenth of how much the prior's picture varies around the pixel.

    Args:
        pattern: the colours of the first two pixels and of the two below: ``rggb``, ``grbg``, ``gbrg`` or ``bggr``.
        sigma: noise level in [0, 1] of the mosaic, one for all or one each, (N,); by default it is found.

    Raises:
        SettingsError: another pattern, or a noise level outside [0, 1].
    """

    name = "demosaicing"
    verb = "demosaic"
    channels = 1
    placement = "tiles"
    grid = 2
    frame = "pixel"
    noisy = True
    weighs = True
    stored_grey = True
    does = "mosaic"
    protocols = {"demosaicing": Protocol(_by_sensor)}  # noqa: RUF012

    def __init__(self, pattern: str = "rggb", sigma: Level = None) -> None:
        super().__init__()
        self.pattern, self.sigma = str(pattern).lower(), checked(sigma)
        if self.pattern not in PATTERNS:
            raise SettingsError(f"pattern is {pattern!r}: expected one of {', '.join(PATTERNS)}")

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Of ``pattern``, and ``sigma`` on the scale of 0..255.

        Raises:
            SettingsError: another setting, or one out of range.
        """
        cls.refuse_others(settings, ("pattern", "sigma"))
        return cls(settings.get("pattern", "rggb"), told(settings))

    def of_photograph(self, photograph: Tensor) -> Tensor:
        """The grey values of a photograph that is a mosaic.

        Raises:
            ImageError: it has colours.
        """
        if not bool(is_grey(photograph).all()):
            do = "pass the sensor's values, one a pixel, as a grey picture"
            raise ImageError(f"it has colours, so it is no mosaic: {do}")
        return photograph[:, :1]

    def A(self, x: Tensor, **kwargs: Any) -> Tensor:  # noqa: D102, N802 (deepinv's name)
        return torch.where(self._where(x), x, 0.0).sum(dim=1, keepdim=True)

    def A_adjoint(self, y: Tensor, **kwargs: Any) -> Tensor:  # noqa: D102, N802 (deepinv's name)
        return torch.where(self._where(y), y, 0.0)

    def g_inv(self, y: Tensor) -> Tensor:
        """Every sample in its place; beside it the means of the nearest samples of the other colours."""
        return bilinear(y, self.pattern)

    def g(self, x: Tensor) -> Tensor:
        """The samples."""
        where = self._where(x)
        return torch.where(where[:, :1], x[:, :1], torch.where(where[:, 1:2], x[:, 1:2], x[:, 2:]))

    def guess(self, y: Tensor) -> Tensor:
        """By Malvar's filters."""
        return malvar(y, self.pattern)

    def terms(self, y: Tensor, prior: Tensor, noise: Noise | None, rho: float) -> Fusion:
        """Sample by sample."""
        around = [box_mean(x, _AROUND) for x in (prior.square(), prior)]
        tau2 = knob(rho) * (_OFF**2 * (around[0] - around[1].square())).clamp_min(_LEAST**2)
        sigma2 = levels_of(noise, y).square().view(-1, 1, 1, 1)
        phi = torch.where(self._where(y), sigma2 / (sigma2 + tau2), 1.0)
        fused = split_by("pixel", (1 - phi) * self.g_inv(y), lambda x: phi * x, prior)
        return replace(fused, phi=phi, bands=(phi,))

    def proximal(self, z: Tensor, y: Tensor, sigma: Tensor, tau: float) -> Tensor:
        """A weighted mean where there is a sample, and the guess elsewhere."""
        sigma2 = sigma.square().view(-1, 1, 1, 1)
        return torch.where(self._where(y), (tau**2 * y + sigma2 * z) / (tau**2 + sigma2), z)

    def noise_in(self, y: Tensor) -> Noise:
        """Known, or found among the green samples."""
        known = self.sigma is not None
        sigma = torch.as_tensor(self.sigma).to(y).reshape(-1).expand(len(y)) if known else noise_in(y, self.pattern)
        return Noise(sigma, sigma, known)

    def with_sigma(self, sigma: float) -> Self:
        """The same with noise of a level that is known."""
        return self._as(min(sigma, 1.0))

    def record(self, y: Tensor) -> dict[str, Any]:
        """The pattern."""
        return {"pattern": self.pattern}

    def select(self, pictures: slice) -> Self:
        """With the noise levels of these pictures."""
        return self._as(self.sigma[pictures]) if isinstance(self.sigma, Tensor) else self

    def crop(self, y: Tensor, top: int, left: int, height: int, width: int) -> tuple[Tensor, Self]:
        """The window, in the pattern that it begins with."""
        window = y[..., top : top + height, left : left + width]
        return window, type(self)(shifted(self.pattern, top, left), self.sigma)

    def pad(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """What the sensor would have measured of the extended picture."""
        return self.f(padded(self.g_inv(y), height, width)), self

    def resize(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """What the sensor would have measured of the picture at another size."""
        return self.f(resized(self.g_inv(y), height, width)), self

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """With the noise level of each part, where they differ; of one pattern."""
        return parts[0]._as(joined(parts))

    def _as(self, sigma: Level) -> Self:
        return type(self)(self.pattern, sigma)

    def _where(self, like: Tensor) -> Tensor:
        return sites(self.pattern, *like.shape[2:]).to(like.device)

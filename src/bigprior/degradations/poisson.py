"""Shot noise, as of few photons, with a sensor's white noise on top if it has any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self

import deepinv as dinv
import torch
from torch import Tensor

from bigprior.degradations.base import Degradation
from bigprior.degradations.denoising import Denoising
from bigprior.degradations.protocol import Protocol
from bigprior.errors import SettingsError
from bigprior.noise import Noise, shot_of
from bigprior.ops.shot import Shot

#: The least and the most counts that white can stand for: below, nothing is to be seen, and above, no noise.
_FEWEST, _MOST = 0.5, 1e6


def _counted(fewest: float, most: float, x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    """White stands for so many units of light, any as likely on a logarithmic scale, which nobody is told."""
    peak = fewest * (most / fewest) ** float(torch.rand((), generator=rng))
    return torch.poisson(peak * x, generator=rng) / peak, Poisson(1 / peak)


class Poisson(Degradation, dinv.physics.Denoising):  # type: ignore[misc]  # deepinv publishes no types
    """Light counted in units: ``y = gain * Poisson(x / gain) + sigma * n``; ``f`` and ``g_inv`` are the identity.

    The mean of ``y`` is the picture, so that ``g_inv`` is the identity as of white noise. Of a Haar coefficient, the
    variance is ``gain`` times the mean of its square, which the coarser band measures by itself: ``phi`` needs no
    transform. Priors that know white noise alone are asked for the picture whose noise was stabilised.

    Args:
        gain: of a unit of light, in [0, 1] pictures: one over the peak, the count of white. One for all pictures or one
            each, (N,); None where it has to be found.
        sigma: noise level in [0, 1] of the white Gaussian noise on top.

    Raises:
        SettingsError: a peak outside 0.5 to a million, or ``sigma`` outside [0, 1].
    """

    name = "poisson"
    verb = "denoise-poisson"
    placement = "tiles"
    frame = "undecimated"
    phi = "means"
    identity = True
    noisy = True
    stock = dinv.physics.Denoising
    stabilised: ClassVar[type[Degradation] | None] = Denoising
    protocols = {  # noqa: RUF012 (a ClassVar of the base)
        "counts-4-15": Protocol(partial(_counted, 4, 15), blind=True),
        "counts-15-60": Protocol(partial(_counted, 15, 60), blind=True),
    }

    def __init__(self, gain: float | Tensor | None = None, sigma: float = 0.0, **kwargs: object) -> None:
        if isinstance(gain, Tensor):
            gain = float(gain) if gain.numel() == 1 else gain.float()
        peaks = 1 / torch.as_tensor(1.0 if gain is None else gain, dtype=torch.float64)
        if not bool(((peaks >= _FEWEST) & (peaks <= _MOST)).all()) or peaks.ndim > 1:
            raise SettingsError(
                f"the peak is {peaks.tolist()}: expected the count that white stands for, {_FEWEST} to {_MOST:g}"
            )
        if not 0 <= sigma <= 1:
            raise SettingsError(f"sigma is {sigma}: expected a noise level in [0, 1] (25 of 255 is {25 / 255:.3f})")
        level = torch.as_tensor(0.0 if gain is None else gain)
        counted = dinv.physics.PoissonGaussianNoise(level if level.ndim else float(level), sigma)
        super().__init__(noise_model=counted if gain is not None else dinv.physics.GaussianNoise(sigma), **kwargs)
        self.gain, self.sigma = gain, sigma

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Of ``peak``, the count of white, or without, where it has to be found; ``sigma`` on the scale of 0..255.

        Raises:
            SettingsError: another setting, or one out of range.
        """
        cls.refuse_others(settings, ("peak", "sigma"))
        peak, sigma = settings.get("peak"), settings.get("sigma")
        if peak is not None and (not isinstance(peak, int | float) or not _FEWEST <= peak <= _MOST):
            raise SettingsError(f"peak is {peak}: expected the count that white stands for, {_FEWEST} to {_MOST:g}")
        if sigma is not None and (not isinstance(sigma, int | float) or not 0 <= sigma <= 255):
            raise SettingsError(f"sigma is {sigma}: expected a noise level from 0 to 255")
        return cls(None if peak is None else 1 / peak, 0.0 if sigma is None else sigma / 255)

    def noise_in(self, y: Tensor) -> Noise:
        """Known, or found in ``y``: how noise grows with light."""
        read = torch.full((len(y),), self.sigma).to(y)
        if self.gain is None:
            shot = shot_of(y, read)
        else:
            shot = Shot(torch.as_tensor(self.gain).to(y).reshape(-1).expand(len(y)), read)
        level = shot.variance(y).mean(dim=(1, 2, 3)).sqrt()
        return Noise(level, level, self.gain is not None, shot=shot)

    def check(self, y: Tensor) -> Tensor:
        """Also raises SettingsError: gains of another number than pictures."""
        super().check(y)
        if isinstance(self.gain, Tensor) and len(self.gain) != len(y):
            raise SettingsError(f"there are {len(self.gain)} gains but {len(y)} pictures: pass one for each")
        return y

    def select(self, pictures: slice) -> Self:
        """With the gains of these pictures."""
        return type(self)(self.gain[pictures], self.sigma) if isinstance(self.gain, Tensor) else self

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """With the gain of each part.

        Raises:
            SettingsError: white noise of several levels.
        """
        if any(part.sigma != parts[0].sigma for part in parts):
            raise SettingsError("these pictures have white noise of several levels: restore them apart")
        if any(part.gain is None for part in parts):
            return cls(None, parts[0].sigma)
        return cls(torch.cat([torch.as_tensor(part.gain).reshape(-1) for part in parts]), parts[0].sigma)

    def blind(self) -> Self:
        """Without its gain."""
        return type(self)(None, self.sigma)

    @classmethod
    def of_physics(cls, physics: dinv.physics.Physics) -> Self:
        """Of deepinv's ``Denoising`` with Poisson noise, or Poisson and Gaussian, whose levels are then known."""
        model: Any = physics.noise_model
        if isinstance(model, dinv.physics.PoissonNoise) and model.normalize:
            return cls(model.gain)
        if isinstance(model, dinv.physics.PoissonGaussianNoise):
            return cls(model.gain, float(model.sigma))
        raise SettingsError(
            f"noise is {type(model).__name__}: expected PoissonGaussianNoise or a PoissonNoise that is normalised"
        )

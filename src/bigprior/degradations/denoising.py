"""White Gaussian noise added to every channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import deepinv as dinv
import numpy as np
import torch
from torch import Tensor

from bigprior.degradations.base import Degradation
from bigprior.degradations.protocol import Protocol
from bigprior.errors import SettingsError
from bigprior.noise import Noise, noise_of


def _blind(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    """Sigma is a whole number in 5..50 on the 0..255 scale; noise is not clipped."""
    sigma = int(torch.randint(5, 51, (), generator=rng)) / 255
    return x + sigma * torch.randn(x.shape, generator=rng), Denoising(sigma)


def _of_25(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    return x + 25 / 255 * torch.randn(x.shape, generator=rng), Denoising(25 / 255)


class Denoising(Degradation, dinv.physics.Denoising):  # type: ignore[misc]  # deepinv publishes no types
    """White Gaussian noise added: ``f`` and ``g_inv`` are the identity (the noise has mean zero).

    Args:
        sigma: noise level in [0, 1], one for all pictures or one each, (N,); None when nobody knows it. A prior that
            knows it can stop before it fits the noise.

    Raises:
        SettingsError: ``sigma`` outside [0, 1], or of another shape.
    """

    name = "denoising"
    verb = "denoise"
    placement = "tiles"
    frame = "undecimated"
    phi = "means"
    identity = True
    noisy = True
    protocols = {"denoising": Protocol(_blind, blind=True), "denoising-25": Protocol(_of_25)}  # noqa: RUF012
    learning = ("denoising",)
    paper = {"codes": 30, "layer": 4, "steps": 3000, "perceptual": 1e-4}  # noqa: RUF012
    stock = dinv.physics.Denoising

    def __init__(self, sigma: float | Tensor | None = None, **kwargs: object) -> None:
        if isinstance(sigma, Tensor):
            if sigma.ndim > 1:
                raise SettingsError(f"sigma is {tuple(sigma.shape)}: expected one number, or one a picture (N,)")
            # 0.1, as somebody wrote it, not what is nearest to it in single precision.
            sigma = float(str(np.float32(float(sigma)))) if sigma.numel() == 1 else sigma.float()
        levels = torch.as_tensor(0.0 if sigma is None else sigma)
        if not bool(((levels >= 0) & (levels <= 1)).all()):
            came = sigma if isinstance(sigma, float | int) else [round(level, 4) for level in levels.tolist()]
            raise SettingsError(f"sigma is {came}: expected a noise level in [0, 1] (25 of 255 is {25 / 255:.3f})")
        super().__init__(noise_model=dinv.physics.GaussianNoise(levels if levels.ndim else float(levels)), **kwargs)
        self.sigma = sigma

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Of ``sigma`` on the scale of 0..255, as people say it; without, nobody knows it.

        Raises:
            SettingsError: another setting, or ``sigma`` out of range.
        """
        cls.refuse_others(settings, ("sigma",))
        sigma = settings.get("sigma")
        if sigma is None:
            return cls()
        if not isinstance(sigma, int | float) or not 0 < sigma <= 255:
            raise SettingsError(f"sigma is {sigma}: expected a noise level above 0, up to 255")
        return cls(sigma / 255)

    def noise_in(self, y: Tensor) -> Noise:
        """Known, or found in ``y``."""
        return noise_of(y, self.sigma)

    @property
    def known_sigma(self) -> float | Tensor | None:
        """The noise level that was given."""
        return self.sigma

    def with_sigma(self, sigma: float) -> Self:
        """The same noise, of a level that is known."""
        return type(self)(min(sigma, 1.0))

    def check(self, y: Tensor) -> Tensor:
        """Also raises SettingsError: noise levels of another number than pictures."""
        super().check(y)
        if isinstance(self.sigma, Tensor) and len(self.sigma) != len(y):
            raise SettingsError(f"there are {len(self.sigma)} noise levels but {len(y)} pictures: pass one for each")
        return y

    def select(self, pictures: slice) -> Self:
        """With the noise levels of these pictures."""
        return type(self)(self.sigma[pictures]) if isinstance(self.sigma, Tensor) else self

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """With the noise level of each part."""
        if any(part.sigma is None for part in parts) or len({part.sigma for part in parts}) == 1:
            return cls(parts[0].sigma if all(part.sigma is not None for part in parts) else None)
        return cls(torch.cat([torch.as_tensor(part.sigma).reshape(-1) for part in parts]))

    def blind(self) -> Self:
        """Without its level."""
        return type(self)()

    @classmethod
    def of_physics(cls, physics: dinv.physics.Physics) -> Self:
        """Of deepinv's ``Denoising`` with Gaussian noise, whose level is then known."""
        model: Any = physics.noise_model
        if not isinstance(model, dinv.physics.GaussianNoise):
            raise SettingsError(f"noise is {type(model).__name__}: expected GaussianNoise, the only kind known here")
        return cls(model.sigma)

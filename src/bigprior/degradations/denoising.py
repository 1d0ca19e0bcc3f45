"""White Gaussian noise added to every channel, of photographs that may have suffered more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import deepinv as dinv
import numpy as np
import torch
from torch import Tensor

from bigprior.degradations.base import Degradation
from bigprior.degradations.flaws import FINDABLE, Flaws
from bigprior.degradations.protocol import Protocol
from bigprior.errors import SettingsError
from bigprior.io.pictures import Picture
from bigprior.noise import Noise, noise_in_light, noise_of
from bigprior.ops.blank import blank
from bigprior.ops.colour import from_linear, to_linear
from bigprior.ops.resampling import padded, resized
from bigprior.ops.shot import Shot

#: Linear photographs have 16 bits a channel, and most of their values are below this.
_DEEP, _DARK = 16, 0.08


def _blind(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    """Sigma is a whole number in 5..50 on the 0..255 scale; noise is not clipped."""
    sigma = int(torch.randint(5, 51, (), generator=rng)) / 255
    return x + sigma * torch.randn(x.shape, generator=rng), Denoising(sigma)


def _of_25(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    return x + 25 / 255 * torch.randn(x.shape, generator=rng), Denoising(25 / 255)


class Denoising(Degradation, dinv.physics.Denoising):  # type: ignore[misc]  # deepinv publishes no types
    """White Gaussian noise added: ``f`` and ``g_inv`` are the identity (the noise has mean zero).

    Where a photograph has bands, ``f`` adds them, and ``g_inv`` takes them off, to a rounding; what is lost of it is a
    :meth:`hole`, where ``phi`` is 1. Neither is looked for unless :meth:`seen_in` is asked, as jobs do.

    Args:
        sigma: noise level in [0, 1], one for all pictures or one each, (N,); None when nobody knows it. A prior that
            knows it can stop before it fits the noise. Of linear pictures it is that as screens show them.
        flaws: what else the pictures have suffered.
        iso_gain: where noise is known to grow with light, ``Var y = iso_gain * x + sigma^2``, of pictures in [0, 1];
            ``sigma`` is then the read noise, 0 unless it is told.

    Raises:
        SettingsError: ``sigma`` or ``iso_gain`` outside [0, 1], or of another shape.
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
    #: What :meth:`seen_in` searches a photograph for, and whether that is linear; by default if its profile says so.
    looks_for: tuple[str, ...] = FINDABLE
    linear: bool | None = None
    #: A photograph looks as linear ones do, but nobody said that it is.
    perhaps_linear: bool = False

    def __init__(
        self,
        sigma: float | Tensor | None = None,
        *,
        flaws: Flaws | None = None,
        iso_gain: float | None = None,
        **kwargs: object,
    ) -> None:
        if iso_gain is not None and not 0 <= iso_gain <= 1:
            raise SettingsError(
                f"iso_gain is {iso_gain}: expected a variance per light in [0, 1] (1 of 255 is 0.00392)"
            )
        if iso_gain is not None and sigma is None:
            sigma = 0.0
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
        self.sigma, self.flaws, self.iso_gain = sigma, Flaws() if flaws is None else flaws, iso_gain

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Of ``sigma`` on the scale of 0..255, as people say it; without, nobody knows it.

        ``iso_gain`` is how much the noise's variance grows with each grey level, on the same scale: ``sigma`` is then
        the read noise.

        ``impulses`` and ``banding`` say whether to look for those, and ``linear`` whether the photograph is; by default
        they are looked for, and its profile says so or not.

        Raises:
            SettingsError: another setting, or one out of range.
        """
        cls.refuse_others(settings, ("sigma", "iso_gain", *FINDABLE, "linear"))
        sigma, linear, gain = settings.get("sigma"), settings.get("linear"), settings.get("iso_gain")
        if sigma is not None and (not isinstance(sigma, int | float) or not 0 < sigma <= 255):
            raise SettingsError(f"sigma is {sigma}: expected a noise level above 0, up to 255")
        if gain is not None and (isinstance(gain, bool) or not isinstance(gain, int | float) or not 0 < gain <= 255):
            raise SettingsError(f"iso_gain is {gain}: expected grey levels squared per grey level above 0, up to 255")
        for name in (*FINDABLE, "linear"):
            if not isinstance(settings.get(name, True), bool | None):
                raise SettingsError(f"{name} is {settings[name]}: expected true or false")
        made = cls(None if sigma is None else sigma / 255, iso_gain=None if gain is None else gain / 255)
        made.looks_for = tuple(name for name in FINDABLE if settings.get(name, True) is not False)
        made.linear = linear
        return made

    def seen_in(self, picture: Picture) -> Self:
        """With the flaws that a photograph shows; those that are known already stay."""
        if self.flaws:
            return self
        linear = picture.is_linear if self.linear is None else self.linear
        made = self._with(Flaws.found_in(picture.image, self.looks_for, alpha=picture.alpha, linear=linear))
        dark = picture.bits == _DEEP and float(picture.image.median()) < _DARK
        made.perhaps_linear = dark and not linear and self.linear is None
        return made

    def A(self, x: Tensor, **kwargs: object) -> Tensor:  # noqa: N802
        """Deepinv's name for :meth:`f`."""
        y: Tensor = super().A(x, **kwargs)
        return self.flaws.strike(y)

    def g_inv(self, y: Tensor) -> Tensor:
        """The photograph without its bands; what is lost of it is as it is."""
        return self.flaws.without_bands(y)

    def g(self, x: Tensor) -> Tensor:
        """With its bands."""
        return x if self.flaws.bands is None else x + self.flaws.bands.to(x)

    def hole(self, y: Tensor) -> Tensor | None:
        """The pixels that are lost."""
        return self.flaws.hole(y)

    def plain(self, y: Tensor) -> tuple[Tensor, Self]:
        """The photograph without its flaws."""
        return (self.flaws.plain(y), self._with(Flaws())) if self.flaws else (y, self)

    def as_measured(self, picture: Tensor) -> Tensor:
        """A linear photograph's picture is linear."""
        return to_linear(picture) if self.flaws.linear else picture

    def as_plain(self, picture: Tensor) -> Tensor:
        """A linear picture as screens show it."""
        return from_linear(picture) if self.flaws.linear else picture

    @property
    def beside(self) -> tuple[str, ...]:
        """The flaws' names."""
        return tuple(self.flaws.record())

    @property
    def unseen(self) -> Tensor | None:
        """What is transparent."""
        return self.flaws.unseen

    def shown(self) -> dict[str, Tensor]:
        """White where impulses were found."""
        return {} if self.flaws.lost is None else {"impulses": self.flaws.lost.any(dim=1, keepdim=True).float()}

    def record(self, y: Tensor) -> dict[str, Any]:
        """How much there is of each flaw; ``linear``, true, or perhaps; ``iso_gain``, of 255, if it was told."""
        gain = {} if self.iso_gain is None else {"iso_gain": [round(255 * self.iso_gain, 6)] * len(y)}
        return gain | ({"linear": "perhaps"} if self.perhaps_linear else {}) | self.flaws.record()

    def noise_in(self, y: Tensor) -> Noise:
        """Known, or found in ``y``."""
        if (shot := self.known_shot) is not None:
            return noise_in_light(y, shot)
        return noise_of(y, self.sigma, blank(y, self.unseen) if self.sigma is None else None)

    @property
    def known_sigma(self) -> float | Tensor | None:
        """The noise level that was given."""
        return self.sigma

    @property
    def known_shot(self) -> Shot | None:
        """How noise grows with light, if it was given."""
        if self.iso_gain is None:
            return None
        read = torch.as_tensor(self.sigma, dtype=torch.float32).reshape(-1)
        return Shot(torch.full_like(read, self.iso_gain), read)

    def with_sigma(self, sigma: float) -> Self:
        """The same noise, of a level that is known."""
        return type(self)(min(sigma, 1.0), flaws=self.flaws)

    def check(self, y: Tensor) -> Tensor:
        """Also raises SettingsError: noise levels of another number than pictures, or flaws of another size."""
        super().check(y)
        if isinstance(self.sigma, Tensor) and len(self.sigma) != len(y):
            raise SettingsError(f"there are {len(self.sigma)} noise levels but {len(y)} pictures: pass one for each")
        self.flaws.check(y)
        return y

    def select(self, pictures: slice) -> Self:
        """With the noise levels, and the flaws, of these pictures."""
        sigma = self.sigma[pictures] if isinstance(self.sigma, Tensor) else self.sigma
        flaws = self.flaws.each(lambda value: value[pictures] if len(value) > 1 else value)
        return type(self)(sigma, flaws=flaws, iso_gain=self.iso_gain)

    def crop(self, y: Tensor, top: int, left: int, height: int, width: int) -> tuple[Tensor, Self]:
        """The window of the picture and of its flaws."""
        window = (..., slice(top, top + height), slice(left, left + width))
        return y[window], self._with(self.flaws.each(lambda value: value[window]))

    def pad(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """Flaws go on as the picture does."""
        return padded(y, height, width), self._with(self.flaws.each(lambda value: padded(value, height, width)))

    def resize(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """Where something is lost of what a pixel covers, it is lost."""
        return resized(y, height, width), self._with(self.flaws.each(lambda value: resized(value, height, width)))

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """With the noise level of each part.

        Raises:
            SettingsError: noise that grows with light in several ways.
        """
        flaws, gain = Flaws.join([part.flaws for part in parts]), parts[0].iso_gain
        if any(part.iso_gain != gain for part in parts):
            raise SettingsError("the noise of these pictures grows with light in several ways: restore them apart")
        if any(part.sigma is None for part in parts) or len({part.sigma for part in parts}) == 1:
            known = all(part.sigma is not None for part in parts)
            return cls(parts[0].sigma if known else None, flaws=flaws, iso_gain=gain)
        sigmas = torch.cat([torch.as_tensor(part.sigma).reshape(-1) for part in parts])
        return cls(sigmas, flaws=flaws, iso_gain=gain)

    def blind(self) -> Self:
        """Without its level."""
        return type(self)(flaws=self.flaws)

    def _with(self, flaws: Flaws) -> Self:
        return type(self)(self.sigma, flaws=flaws, iso_gain=self.iso_gain)

    @classmethod
    def of_physics(cls, physics: dinv.physics.Physics) -> Self:
        """Of deepinv's ``Denoising`` with Gaussian noise, whose level is then known."""
        model: Any = physics.noise_model
        if not isinstance(model, dinv.physics.GaussianNoise):
            raise SettingsError(
                f"noise is {type(model).__name__}: expected GaussianNoise, PoissonGaussianNoise or a PoissonNoise that "
                "is normalised, the kinds known here"
            )
        return cls(model.sigma)

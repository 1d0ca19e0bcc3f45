"""Blur of a known kernel, with noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import deepinv as dinv
import torch
import torch.nn.functional as F
from deepinv.physics.functional import liu_jia_pad
from torch import Tensor

from bigprior.degradations.base import Degradation
from bigprior.degradations.kernels import gauss, motion, normalised, read_kernel, shaken
from bigprior.degradations.levels import Level, OfLevel, checked, joined, noisy, told
from bigprior.degradations.protocol import Protocol
from bigprior.degradations.singular import proximal_in, split_in
from bigprior.degradations.terms import Fusion, levels_of
from bigprior.errors import SettingsError
from bigprior.noise import Noise
from bigprior.ops.resampling import padded, resized

#: Without a kernel: a Gaussian of so many pixels.
_USUAL_PX = 1.6
#: What a picture is thought to go on as: joined to its other side; or by its own edge, smoothly.
Border = Literal["circular", "smooth"]
#: Where known pictures are measured: noise of 255, and how far they are blurred, in pixels.
_NOISE, _PATH_PX, _SOFT_PX = (1, 5), (4, 24), (0.5, 3)


def _of_hands(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    """By a path of 4 to 24 pixels that turns as it likes, with noise of 1 to 5 of 255 that nobody is told."""
    physics = Deblurring(shaken(_between(_PATH_PX, rng), rng), border="smooth")
    return noisy(physics.f(x), *_NOISE, rng), physics


def _out_of_focus(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    """By a Gaussian of 0.5 to 3 pixels, with noise of 1 to 5 of 255 that nobody is told."""
    physics = Deblurring(gauss(_between(_SOFT_PX, rng)), border="smooth")
    return noisy(physics.f(x), *_NOISE, rng), physics


def _between(ends: tuple[float, float], rng: torch.Generator) -> float:
    return ends[0] + (ends[1] - ends[0]) * float(torch.rand((), generator=rng))


class Deblurring(OfLevel, Degradation, dinv.physics.LinearPhysics):  # type: ignore[misc]  # deepinv publishes no types
    """Every channel is blurred by a kernel, and has white noise: ``f`` is a convolution; ``g_inv`` is the identity.

    ``phi`` is known frequency by frequency (Eq. 8): what the kernel left far above the noise is measured, all else is
    made up. Where the border is smooth, a picture is extended before (Liu and Jia, 2008), and cut again.

    Args:
        kernel: (K, L), its sum is made 1; by default a Gaussian of 1.6 pixels. It is turned, as convolutions have it.
        sigma: noise level in [0, 1], one for all or one each, (N,); by default it is found.
        border: ``circular``, as the field's tests have it; or ``smooth``, for photographs.

    Raises:
        SettingsError: a kernel that is none, a noise level outside [0, 1], or another border.
    """

    name = "deblurring"
    verb = "deblur"
    placement = "whole"
    frame = "pixel"
    noisy = True
    weighs = True
    does = "blurred"
    files = {"kernel": ()}  # noqa: RUF012
    protocols = {"deblurring-motion": Protocol(_of_hands), "deblurring-gauss": Protocol(_out_of_focus)}  # noqa: RUF012

    def __init__(self, kernel: Tensor | None = None, sigma: Level = None, border: Border = "circular") -> None:
        super().__init__()
        if border not in ("circular", "smooth"):
            raise SettingsError(f"border is {border!r}: expected circular or smooth")
        self.kernel: Tensor
        self.register_buffer("kernel", gauss(_USUAL_PX) if kernel is None else normalised(kernel, "kernel"))
        self.sigma, self.border = checked(sigma), border

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Of ``kernel``, a file; or ``gauss``, pixels; or ``motion``, "LENGTH,ANGLE"; and ``sigma`` of 255.

        Raises:
            SettingsError: none of the kernels or several, or one that is none.
        """
        cls.refuse_others(settings, ("kernel", "gauss", "motion", "sigma"))
        given = {name: settings[name] for name in ("kernel", "gauss", "motion") if settings.get(name) is not None}
        if len(given) != 1:
            raise SettingsError(
                f"deblurring needs to know the blur, by one of kernel, gauss and motion: {', '.join(given) or 'none'}"
            )
        ((name, value),) = given.items()
        kernel = {"kernel": read_kernel, "gauss": _gauss, "motion": _motion}[name](value)
        return cls(kernel, told(settings), "smooth")

    def A(self, x: Tensor, **kwargs: Any) -> Tensor:  # noqa: D102, N802 (deepinv's name)
        if self.border == "circular":
            return self._filtered(x, adjoint=False)
        kernel = self.kernel.flip(0, 1).to(x)[None, None]
        # Channel by channel, for the memory that a large picture takes.
        return torch.cat([F.conv2d(self._edged(channel), kernel) for channel in x.split(1, dim=1)], dim=1)

    def A_adjoint(self, y: Tensor, **kwargs: Any) -> Tensor:  # noqa: D102, N802 (deepinv's name)
        if self.border == "circular":
            return self._filtered(y, adjoint=True)
        x = y.new_zeros(y.shape).requires_grad_()
        with torch.enable_grad():
            adjoint: Tensor = torch.autograd.grad(self.A(x), x, y)[0]
        return adjoint

    def terms(self, y: Tensor, prior: Tensor, noise: Noise | None, rho: float) -> Fusion:
        """In frequencies."""
        frame = self._frequencies(y)
        return split_in(frame, y, prior, levels_of(noise, y), rho)

    def proximal(self, z: Tensor, y: Tensor, sigma: Tensor, tau: float) -> Tensor:
        """In frequencies, where it is a division."""
        return proximal_in(self._frequencies(y), z, y, sigma, tau)

    def with_sigma(self, sigma: float) -> Self:
        """The same blur, with noise of a level that is known."""
        return type(self)(self.kernel, min(sigma, 1.0), self.border)

    def record(self, y: Tensor) -> dict[str, Any]:
        """The kernel's size, and how far it blurs: its standard deviation down and across, in pixels."""
        return {"kernel": {"size": [*self.kernel.shape], "deviation_px": self._deviations(), "border": self.border}}

    def scope(self) -> dict[str, float | str]:
        """How far the kernel blurs where it does most, and what goes on beyond the edges."""
        return {"deviation_px": max(self._deviations()), "border": self.border}

    def _deviations(self) -> list[float]:
        spread = []
        for axis, side in enumerate(self.kernel.shape):
            line, at = self.kernel.sum(dim=1 - axis), torch.arange(side).to(self.kernel)
            spread.append(round(float((line * (at - (line * at).sum()).square()).sum().clamp_min(0).sqrt()), 4))
        return spread

    def select(self, pictures: slice) -> Self:
        """With the noise levels of these pictures."""
        return self._as(self.kernel, self.sigma[pictures]) if isinstance(self.sigma, Tensor) else self

    def crop(self, y: Tensor, top: int, left: int, height: int, width: int) -> tuple[Tensor, Self]:
        """The window, which is thought to go on smoothly."""
        return y[..., top : top + height, left : left + width], self._as(self.kernel, self.sigma)

    def pad(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """Its last row and column are repeated."""
        return padded(y, height, width), self._as(self.kernel, self.sigma)

    def resize(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """The kernel has its size changed with the picture."""
        factors = [new / old for new, old in zip((height, width), y.shape[2:], strict=True)]
        sides = [max(1, round(side * factor)) for side, factor in zip(self.kernel.shape, factors, strict=True)]
        kernel = resized(self.kernel.float()[None, None], sides[0], sides[1])[0, 0].clamp_min(0)
        return resized(y, height, width), self._as(kernel, self.sigma)

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """With the noise level of each part, where they differ; of one kernel."""
        return parts[0]._as(parts[0].kernel, joined(parts))

    def _as(self, kernel: Tensor, sigma: Level) -> Self:
        return type(self)(kernel, sigma, self.border)

    def _edged(self, x: Tensor) -> Tensor:
        """With as much around it as the kernel reaches, by its own edge."""
        (above, left), (height, width) = ((side // 2 for side in self.kernel.shape), self.kernel.shape)
        # A convolution's kernel is turned: what is above it is below.
        return F.pad(x, (width - 1 - left, left, height - 1 - above, above), mode="replicate")

    def _filtered(self, x: Tensor, *, adjoint: bool) -> Tensor:
        transfer = transfer_of(self.kernel, x.shape[2], x.shape[3])
        transfer = (transfer.conj() if adjoint else transfer).to(x.device)
        y: Tensor = torch.fft.irfft2(torch.fft.rfft2(x) * transfer, s=x.shape[2:])
        return y

    def _frequencies(self, y: Tensor) -> Frequencies:
        margin = 0
        if self.border == "smooth":
            margin = min(max(self.kernel.shape), *y.shape[2:])
        return Frequencies(self.kernel, y, margin)


class Frequencies:
    """The singular vectors of a convolution.

    Args:
        kernel: (K, L).
        like: pictures as large as those that are looked at.
        margin: so many pixels are put around, which join opposite borders.
    """

    name = "fourier"

    def __init__(self, kernel: Tensor, like: Tensor, margin: int) -> None:
        self.margin = margin
        self.size = (like.shape[2] + 2 * margin, like.shape[3] + 2 * margin)
        transfer = transfer_of(kernel, *self.size).to(like.device)
        self.s, self.phase = transfer.abs(), torch.sgn(transfer).conj()

    def coefficients(self, x: Tensor) -> Tensor:
        """Half of the frequencies; the others are their mirror images."""
        wide = liu_jia_pad(x, padding=(self.margin, self.margin)) if self.margin else x
        c: Tensor = torch.fft.rfft2(wide, norm="ortho")
        return c

    def measured(self, y: Tensor) -> Tensor:
        """The same, turned back."""
        return self.coefficients(y) * self.phase

    def picture(self, coefficients: Tensor) -> Tensor:
        """Cut again."""
        wide: Tensor = torch.fft.irfft2(coefficients, norm="ortho", s=self.size)
        return wide[..., self.margin : self.size[0] - self.margin, self.margin : self.size[1] - self.margin]


def transfer_of(kernel: Tensor, height: int, width: int) -> Tensor:
    """What a circular convolution does to each frequency of a picture, (height, width // 2 + 1), complex.

    A kernel that is larger than the picture goes around it more than once.
    """
    rows, columns = (
        (torch.arange(side) - side // 2) % length for side, length in zip(kernel.shape, (height, width), strict=True)
    )
    wrapped = torch.zeros(height, width, dtype=torch.float64)
    wrapped.index_put_((rows[:, None], columns[None]), kernel.double().cpu(), accumulate=True)
    transfer: Tensor = torch.fft.rfft2(wrapped).to(torch.complex64)
    return transfer


def _gauss(value: object) -> Tensor:
    if not isinstance(value, int | float):
        raise SettingsError(f"gauss is {value!r}: expected a standard deviation in pixels, such as 1.6")
    return gauss(float(value))


def _motion(value: object) -> Tensor:
    parts = str(value).split(",")
    try:
        length, angle = (float(part) for part in parts)
    except ValueError:
        raise SettingsError(f"motion is {value!r}: expected LENGTH,ANGLE in pixels and degrees: 15,30") from None
    return motion(length, angle)

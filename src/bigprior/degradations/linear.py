"""Any linear measurement: a deepinv ``LinearPhysics``, whose ``phi`` is known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Self

import deepinv as dinv
import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.degradations.base import Degradation, Measurement
from bigprior.degradations.singular import Decomposed, SingularFrame, proximal_in, split_in
from bigprior.degradations.terms import Fusion, each, knob, levels_of, split_by
from bigprior.errors import ImageError, SettingsError
from bigprior.io.arrays import described
from bigprior.noise import Noise

#: How deepinv solves where there is no closed form: LSQR does not square how badly a problem is conditioned.
_SOLVER = {"solver": "lsqr", "max_iter": 150, "tol": 1e-6}
#: The least that a prior is expected to be off.
_LEAST_TAU = 1e-3


class Linear(Degradation, dinv.physics.LinearPhysics):  # type: ignore[misc]  # deepinv publishes no types
    """Any linear measurement of a picture, of any size and in any space: y = A x + n, with white noise n.

    ``phi`` is ``(I + gamma A^T A)^-1``, in closed form where deepinv knows the singular values, by its solvers
    elsewhere. tau, how far a prior is expected to be off, is by its own picture: a tenth of the size of its
    coefficients with singular values like each other; of an operator, the geometric mean of those that ``A`` sees, as
    much as it sees them, and of its finest detail.

    Deviates: ``g(g_inv(y))`` is ``y`` bit for bit where a measurement has the picture's shape; elsewhere ``g_inv`` is
    the pseudo-inverse and ``g`` is ``A``, which give it back to a rounding, as far as it is in the range of ``A``.

    Args:
        physics: deepinv's, or your own, of pictures of 3 channels; of 1, which is then the grey of a picture; or of 2,
            the real and the imaginary part, as in MRI, which are then the first of a picture's three, of which the last
            is 0.
        sigma: noise level in [0, 1], one for all or one each, (N,); by default that of the physics.

    Raises:
        SettingsError: no ``LinearPhysics``, noise that is not white without a ``sigma``, or one that is negative.
    """

    name = "linear"
    verb = "reconstruct"
    channels = 0  # a measurement is no picture
    placement = "whole"
    frame = "pixel"
    noisy = True
    weighs = True
    #: Channels of the physics' pictures.
    inside = 3

    def __init__(self, physics: dinv.physics.LinearPhysics, sigma: float | Tensor | None = None) -> None:
        super().__init__()
        if not isinstance(physics, dinv.physics.LinearPhysics):
            raise SettingsError(f"{type(physics).__name__} is not linear: expected a deepinv LinearPhysics")
        model = getattr(physics, "noise_model", None)
        if sigma is None and isinstance(model, dinv.physics.GaussianNoise):
            sigma = model.sigma if model.sigma.numel() > 1 else float(model.sigma)
        elif sigma is None and model is not None and not isinstance(model, dinv.physics.ZeroNoise):
            noisy = f"{type(physics).__name__} with {type(model).__name__}"
            raise SettingsError(f"{noisy} has noise that is not white: pass a sigma that is about as much")
        if not bool((torch.as_tensor(sigma or 0.0) >= 0).all()):
            raise SettingsError(f"sigma is {sigma}: expected 0 or more")
        self.physics, self.sigma = physics, 0.0 if sigma is None else sigma

    @property
    def least(self) -> float:  # type: ignore[override]  # of this physics
        """The least value of a picture."""
        return -1.0 if self.inside == 2 else 0.0

    def measure(self, y: Tensor) -> Measurement:
        """Finds out what pictures the physics is of."""
        picture = self._adjoint_of(self.check(y))
        if picture.ndim != 4 or picture.shape[1] not in (1, 2, 3):
            kind = type(self.physics).__name__
            raise SettingsError(f"{kind} is of {described(picture)}: expected pictures (N, 3, 2 or 1, H, W)")
        return Measurement(y, self if self.inside == picture.shape[1] else self._as(inside=picture.shape[1]))

    def check(self, y: Tensor) -> Tensor:
        """Also of any shape (N, ...): what ``physics`` gives."""
        if not isinstance(y, Tensor) or y.dtype != torch.float32 or y.ndim < 2 or 0 in y.shape:
            came = described(y) if isinstance(y, Tensor) else type(y).__name__
            raise ImageError(f"{self.name} takes a float32 tensor (N, ...): this one is {came}")
        if not torch.isfinite(y).all():
            raise ImageError("the measurement holds NaN or infinity: expected finite numbers")
        return y

    def A(self, x: Tensor, **kwargs: Any) -> Tensor:  # noqa: D102, N802 (deepinv's name)
        y: Tensor = self.physics.A(self._within(x), **kwargs)
        return y

    def A_adjoint(self, y: Tensor, **kwargs: Any) -> Tensor:  # noqa: D102, N802 (deepinv's name)
        x: Tensor = self.physics.A_adjoint(y, **kwargs)
        return self._picture(x) / (3 if self.inside == 1 else 1)

    def g_inv(self, y: Tensor) -> Tensor:
        """As it is where it has a picture's shape; elsewhere the pseudo-inverse."""
        if self._is_picture(y):
            return y
        return self._picture(each(lambda i: self._least(y[i : i + 1]), len(y))).contiguous()

    def g(self, x: Tensor) -> Tensor:
        """As it is where a measurement has a picture's shape; elsewhere ``A x``."""
        y = self.A(x)
        return x if y.shape == x.shape and self.inside == 3 else y

    def terms(self, y: Tensor, prior: Tensor, noise: Noise | None, rho: float) -> Fusion:
        """In singular vectors where they are known; elsewhere deepinv's proximal operator.

        measured = prox(0, y, gamma), hallucinated = prox(g, 0, gamma)
        """
        prior = self._kept(prior)
        sigma, inside = levels_of(noise, y), self._within(prior)
        if (frame := self._frame(prior)) is not None:
            return split_in(frame, y, prior, sigma, rho)
        tau = [max(_LEAST_TAU, self._off(x)) * knob(rho) ** 0.5 for x in inside.split(1)]

        def made_up(x: Tensor) -> Tensor:
            seen = self._within(x)
            left = each(lambda i: self._left(seen[i : i + 1], float(sigma[i]), tau[i]), len(x))
            return x - self._picture(seen) + self._picture(left) if self.inside == 1 else self._picture(left)

        nothing = torch.zeros_like(inside)
        measured = each(lambda i: self._prox(nothing[i : i + 1], y[i : i + 1], float(sigma[i]), tau[i]), len(y))
        return split_by("operator", self._picture(measured), made_up, prior)

    def proximal(self, z: Tensor, y: Tensor, sigma: Tensor, tau: float) -> Tensor:
        """In singular vectors, or by deepinv's own."""
        z = self._kept(z)
        if (frame := self._frame(z)) is not None:
            return proximal_in(frame, z, y, sigma, tau)
        inside = self._within(z)
        found = each(lambda i: self._prox(inside[i : i + 1], y[i : i + 1], float(sigma[i]), tau), len(z))
        return z - inside + found if self.inside == 1 else self._picture(found)

    def noise_in(self, y: Tensor) -> Noise:
        """That which was told; it is in the units of the measurement."""
        sigma = torch.as_tensor(self.sigma).to(y).reshape(-1).expand(len(y))
        return Noise(sigma, sigma, known=True)

    @property
    def known_sigma(self) -> float | Tensor:
        """The noise level that was given, or that of the physics."""
        return self.sigma

    def with_sigma(self, sigma: float) -> Self:
        """The same with noise of a level that is known."""
        return self._as(sigma=sigma)

    def decomposable(self) -> dinv.physics.Physics:
        """The physics itself."""
        return self.physics if isinstance(self.physics, dinv.physics.DecomposablePhysics) else super().decomposable()

    def record(self, y: Tensor) -> dict[str, Any]:
        """The physics by the name of its class."""
        return {"physics": type(self.physics).__name__}

    def picture_size(self, y: Tensor) -> tuple[int, int]:
        """That which ``A^T`` of a measurement has."""
        size = getattr(self.physics, "img_size", None)
        if size is not None and len(size) == 3:
            return int(size[1]), int(size[2])
        picture = self._adjoint_of(y[:1])
        return picture.shape[2], picture.shape[3]

    def select(self, pictures: slice) -> Self:
        """With the noise levels of these pictures."""
        return self._as(sigma=self.sigma[pictures]) if isinstance(self.sigma, Tensor) else self

    def crop(self, y: Tensor, top: int, left: int, height: int, width: int) -> tuple[Tensor, Self]:
        """Raises SettingsError: an operator is of whole pictures."""
        raise self._of_one_size("crop")

    def pad(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """Raises SettingsError: an operator is of one size."""
        raise self._of_one_size("pad")

    def resize(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """Raises SettingsError: an operator is of one size."""
        raise self._of_one_size("resize")

    def _of_one_size(self, what: str) -> SettingsError:
        do = "use a prior that takes any size, such as that of the preset photographs"
        return SettingsError(f"nobody knows how to {what} measurements of a {type(self.physics).__name__}: {do}")

    def _as(self, *, sigma: float | Tensor | None = None, inside: int | None = None) -> Self:
        made = type(self)(self.physics, self.sigma if sigma is None else sigma)
        made.inside = inside or self.inside
        return made

    # Pictures (N, 3, H, W), and the physics' own (N, C, H, W).

    def _within(self, x: Tensor) -> Tensor:
        return x.mean(dim=1, keepdim=True) if self.inside == 1 else x[:, : self.inside]

    def _picture(self, x: Tensor) -> Tensor:
        return F.pad(x, (0, 0, 0, 0, 0, 1)) if self.inside == 2 else x.expand(-1, 3, -1, -1)

    def _kept(self, x: Tensor) -> Tensor:
        """Without what no picture of the physics has."""
        return self._picture(self._within(x)) if self.inside == 2 else x

    def _frame(self, like: Tensor) -> SingularFrame | None:
        """The singular vectors, where they are known."""
        if self.inside == 1 or not isinstance(self.physics, dinv.physics.DecomposablePhysics):
            return None
        frame = Decomposed(self.physics, like)
        return _Within(frame, self._within, self._picture) if self.inside == 2 else frame

    def _adjoint_of(self, y: Tensor) -> Tensor:
        try:
            x: Tensor = self.physics.A_adjoint(y)
        except Exception as error:  # another's physics can raise anything
            why = " ".join(str(error).split())
            raise ImageError(
                f"{described(y)} is no measurement of this {type(self.physics).__name__} ({why})"
            ) from error
        return x

    def _is_picture(self, y: Tensor) -> bool:
        return y.ndim == 4 and y.shape[1] == 3 == self.inside and tuple(y.shape[2:]) == self.picture_size(y)

    # What deepinv solves, of one picture; its solvers keep what they are told last.

    def _least(self, y: Tensor) -> Tensor:
        return self._solved(lambda how: self.physics.A_dagger(y, **how))

    def _prox(self, z: Tensor, y: Tensor, sigma: float, tau: float) -> Tensor:
        if sigma == 0:
            return z + self._least(y - self.physics.A(z))
        return self._solved(lambda how: self.physics.prox_l2(z, y, (tau / sigma) ** 2, **how))

    def _off(self, x: Tensor) -> float:
        """How far a prior's picture (1, C, H, W) is expected to be off, where one number stands for all that is in it.

        White noise, of which ``A`` sees ``sum s_k^2``, says how much it sees of anything.
        """
        deviation = x - x.mean(dim=(2, 3), keepdim=True)
        white = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(x)
        seen, of_white = (float(self.physics.A(part).abs().double().square().sum()) for part in (deviation, white))
        edges = torch.cat([x.diff(dim=axis).flatten() for axis in (2, 3)])
        fine = float(edges.double().square().mean()) / 2 if len(edges) else 0.0
        return math.sqrt(math.sqrt(fine * seen / max(of_white, 1e-12)))

    def _left(self, x: Tensor, sigma: float, tau: float) -> Tensor:
        """``phi x``."""
        return self._prox(x, torch.zeros_like(self.physics.A(x)), sigma, tau)

    def _solved(self, solve: Callable[[dict[str, Any]], Tensor]) -> Tensor:
        physics = self.physics
        before = {name: getattr(physics, name, None) for name in ("max_iter", "tol", "solver")}
        try:
            return solve(_SOLVER)
        finally:
            for name, value in before.items():
                setattr(physics, name, value)


class _Within:
    """Singular vectors of a physics whose pictures are a part of ours."""

    def __init__(self, frame: Decomposed, within: Callable[[Tensor], Tensor], picture: Callable[[Tensor], Tensor]):
        self.name, self.s, self.measured = frame.name, frame.s, frame.measured
        self._frame, self._within, self._picture = frame, within, picture

    def coefficients(self, x: Tensor) -> Tensor:
        return self._frame.coefficients(self._within(x))

    def picture(self, coefficients: Tensor) -> Tensor:
        return self._picture(self._frame.picture(coefficients))

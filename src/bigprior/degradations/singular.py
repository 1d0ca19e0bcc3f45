"""Eq. 8 in singular vectors: ``phi_k = 1 / (1 + s_k^2 tau_k^2 / sigma^2)``."""

from __future__ import annotations

from typing import Protocol

import deepinv as dinv
import torch
from torch import Tensor

from bigprior.degradations.terms import Fusion, knob, split_by

#: Singular values below this share of the largest are taken for 0: what is left of them is rounding.
_NONE = 1e-5
#: Singular values within half an octave are a band, whose coefficients are expected to be as large as each other.
_BANDS, _PER_OCTAVE = 32, 2
#: How far a prior is expected to be off, of the size of its own coefficients: about the most that costs no accuracy,
#: by six blurred photographs of no test set.
_OFF = 0.05
#: tau^2 where a prior's picture has nothing at all.
_LEAST = 1e-8


class SingularFrame(Protocol):
    """The singular vectors of ``A`` where it measures something; the null space is what they leave of a picture."""

    name: str
    #: Singular values, of a shape that coefficients of a picture can be multiplied by.
    s: Tensor

    def coefficients(self, x: Tensor) -> Tensor:
        """``V^T x``: of pictures (N, 3, H, W)."""
        ...

    def measured(self, y: Tensor) -> Tensor:
        """``U^T y``: of measurements."""
        ...

    def picture(self, coefficients: Tensor) -> Tensor:
        """``V c``: pictures (N, 3, H, W)."""
        ...


class Decomposed:
    """The singular vectors of a deepinv ``DecomposablePhysics``.

    Args:
        physics: as it is; its ``mask`` holds the singular values.
        like: coefficients of a picture, of which the type and the device count.
    """

    name = "singular"

    def __init__(self, physics: dinv.physics.DecomposablePhysics, like: Tensor) -> None:
        self.physics = physics
        mask = physics.mask
        self.s = mask.abs() if isinstance(mask, Tensor) else like.new_full((1,), float(mask))
        self.phase = torch.sgn(mask).conj() if isinstance(mask, Tensor) else 1.0

    def coefficients(self, x: Tensor) -> Tensor:
        """``V^T x``."""
        c: Tensor = self.physics.V_adjoint(x)
        return c

    def measured(self, y: Tensor) -> Tensor:
        """``U^T y``; a mask that is not positive turns it."""
        c: Tensor = self.physics.U_adjoint(y) * self.phase
        return c

    def picture(self, coefficients: Tensor) -> Tensor:
        """``V c``."""
        x: Tensor = self.physics.V(coefficients)
        return x


def shares(s: Tensor, sigma: Tensor, tau2: Tensor) -> Tensor:
    """``phi`` of coefficients, as large as ``tau2`` (N, ...), by the noise ``sigma`` (N,) of each picture."""
    s = s.expand_as(tau2)
    noise = sigma.square().view(-1, *[1] * (tau2.ndim - 1)).to(tau2)
    phi = noise / (noise + s.square() * tau2).clamp_min(1e-30)
    return torch.where(s > _NONE * s.max().clamp_min(1e-30), phi, 1.0)


def bands_of(s: Tensor, like: Tensor) -> Tensor:
    """The band, from 0 for the largest singular values on, of each coefficient of one picture, (...)."""
    down = -(s / s.max().clamp_min(1e-30)).clamp_min(1e-12).log2() * _PER_OCTAVE
    return down.clamp(0, _BANDS - 1).long().expand(1, *like.shape[1:])[0]


def expected(s: Tensor, c: Tensor) -> Tensor:
    """``tau_k^2`` by a prior's coefficients (N, ...): a share of the mean square of those of the same band."""
    band = bands_of(s, c).flatten()
    count = torch.bincount(band, minlength=_BANDS).clamp_min(1)
    tau2 = [_OFF**2 * torch.bincount(band, x.flatten().abs().double().square(), _BANDS) / count for x in c]
    return torch.stack([t.to(c.real)[band].view(c.shape[1:]) for t in tau2]).clamp_min(_LEAST)


def split_in(frame: SingularFrame, y: Tensor, prior: Tensor, sigma: Tensor, rho: float) -> Fusion:
    """Both terms in singular vectors: ``x = (1 - phi) y_k / s_k + phi g_k``, and all of the prior in the null space.

    Args:
        frame: the singular vectors.
        y: measurements.
        prior: (N, 3, H, W).
        sigma: the noise of each measurement, (N,).
        rho: weight of what is made up.
    """
    own = frame.coefficients(prior)
    phi = shares(frame.s, sigma, knob(rho) * expected(frame.s, own))
    known = frame.s.expand_as(phi) > 0
    inverse = torch.where(known & (phi < 1), (1 - phi) / frame.s.clamp_min(1e-30), 0.0)
    measured = frame.picture(frame.measured(y) * inverse)

    def made_up(x: Tensor) -> Tensor:
        return x - frame.picture((1 - phi) * frame.coefficients(x))

    return split_by(frame.name, measured, made_up, prior)


def proximal_in(frame: SingularFrame, z: Tensor, y: Tensor, sigma: Tensor, tau: float) -> Tensor:
    """See :meth:`bigprior.degradations.terms.Weighs.proximal`."""
    own = frame.coefficients(z)
    phi = shares(frame.s, sigma, torch.full_like(own.real, tau**2))
    inverse = torch.where(phi < 1, (1 - phi) / frame.s.clamp_min(1e-30), 0.0)
    return z + frame.picture(frame.measured(y) * inverse - (1 - phi) * own)

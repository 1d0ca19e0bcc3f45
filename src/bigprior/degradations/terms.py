"""Both terms of Eq. 5 where a degradation weighs by itself: ``phi`` is then an operator, known in closed form.

    x_hat = (I - phi) A^+ y  +  phi G(z*)        phi = (I + gamma A^T A)^-1        gamma = tau^2 / sigma^2

In the singular vectors of ``A`` it is ``phi_k = 1 / (1 + s_k^2 tau_k^2 / sigma^2)``, Eq. 8: 1 in the null space, where
nothing was measured, and 0 elsewhere without noise. See ``docs/explanation/any-degradation.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import deepinv as dinv
import torch
from torch import Tensor

from bigprior.noise import Noise
from bigprior.ops.boxes import box_mean

#: Side, in pixels, of what is averaged around each pixel of a map of ``phi`` that is an operator.
_AROUND = 7
#: By a ``rho`` of so much, tau^2 is twice what it is without.
_KNOB = 1e-4


@dataclass(frozen=True)
class Fusion:
    """Two pictures fused in a frame.

    Attributes:
        frame: its name.
        measured: what comes from the fidelity term, ``W^T (1 - phi) W g_inv(y)``, (N, 3, H, W).
        hallucinated: what comes from the prior, ``W^T phi W G(z*)``, (N, 3, H, W); their sum is the restored picture.
        phi: the prior's share of each pixel, (N, 1 or 3, H, W) in [0, 1]. Pixel by pixel it is ``phi`` itself; in
            other frames, the share of the energy of the coefficients that cover the pixel, the mean colour apart; where
            colour was lost, how strong the colour that was added is beside the pixel's light.
        bands: ``phi`` itself, band by band; where squares overlap, the mean of a band's channels.
        share: of the variance of the restored picture, what comes from the prior, (N,). Where something else stands for
            what was not measured, such as grey for colours, all that was added to it comes from the prior.
        kinds: the same of each kind of bands alone, (N,); 0 where a picture has nothing of it.
    """

    frame: str
    measured: Tensor
    hallucinated: Tensor
    phi: Tensor
    bands: tuple[Tensor, ...]
    share: Tensor
    kinds: dict[str, Tensor] = field(default_factory=dict)


class Weighs(dinv.physics.Physics):  # type: ignore[misc]  # deepinv publishes no types
    """The part of every degradation that says whether it weighs by itself: see :class:`bigprior.Degradation`."""

    #: Whether ``phi`` is known in closed form, so that no network weighs; then it has :meth:`terms`.
    weighs: ClassVar[bool] = False
    #: What a prior that takes turns with it asks it for: :meth:`proximal`, or :meth:`bigprior.Degradation.consistent`.
    turns: ClassVar[Literal["proximal", "consistent"]] = "proximal"
    #: The least value of a picture: below 0 where channels are no light, such as an imaginary part.
    least: float = 0.0
    #: What it makes of a picture, for methods that mend one such thing alone; None of anything else.
    does: ClassVar[Literal["smaller", "blurred", "mosaic"] | None] = None

    def scope(self) -> dict[str, float | str]:
        """Settings on which depends how wrong a result is: bounds are for such alone as calibrated; here: none do."""
        return {}

    def terms(self, y: Tensor, prior: Tensor, noise: Noise | None, rho: float) -> Fusion:
        """Both terms of Eq. 5, and ``phi``.

        Args:
            y: the measurement.
            prior: ``G(z*)``, (N, 3, H, W).
            noise: of the measurement; None is none.
            rho: weight of what is made up: 0 for the closed form as it is, more for more of the measurement.
        """
        raise NotImplementedError

    def guess(self, y: Tensor) -> Tensor | None:
        """A picture (N, 3, H, W) of ``y`` to begin with, where there is a better one than ``y`` and grey; or None."""
        return None

    def proximal(self, z: Tensor, y: Tensor, sigma: Tensor, tau: float) -> Tensor:
        """The picture (N, 3, H, W) that ``y`` and a guess at it hold together, for priors that go back and forth.

            argmin_x |A x - y|^2 / sigma^2 + |x - z|^2 / tau^2

        Args:
            z: the guess, (N, 3, H, W).
            y: the measurement.
            sigma: its noise in [0, 1], (N,); 0 is none.
            tau: how far the guess may be off, in [0, 1].
        """
        raise NotImplementedError


def split_by(frame: str, measured: Tensor, phi: Callable[[Tensor], Tensor], prior: Tensor) -> Fusion:
    """A prior's picture fused by a ``phi`` that is an operator.

    Of a picture x around its mean colour, ``<x, phi x>`` is made up, of ``<x, x>``; pixel by pixel, of what is around.

    Args:
        frame: the name of what ``phi`` is diagonal in, for the record.
        measured: ``(I - phi) A^+ y``, (N, 3, H, W).
        phi: the operator, of pictures (N, 3, H, W); symmetric, with all that it is in [0, 1].
        prior: (N, 3, H, W).
    """
    hallucinated = phi(prior)
    restored = measured + hallucinated
    x = restored - restored.mean(dim=(2, 3), keepdim=True)
    energies = [(x * part).sum(dim=1, keepdim=True).double() for part in (x, phi(x))]
    total, made_up = (energy.sum(dim=(1, 2, 3)) for energy in energies)
    around = [box_mean(energy, _AROUND) for energy in energies]
    # Where a picture is flat, next to nothing is made up of next to nothing.
    of_pixels = (around[1] / around[0].clamp_min(1e-9)).clamp(0, 1).to(restored)
    share = (made_up / total.clamp_min(1e-12)).clamp(0, 1).to(restored)
    return Fusion(frame, measured, hallucinated, of_pixels, (of_pixels,), share)


def levels_of(noise: Noise | None, like: Tensor) -> Tensor:
    """The standard deviation of the noise of each measurement, (N,); 0 without any."""
    return like.new_zeros(len(like)) if noise is None else noise.sigma.to(like)


def knob(rho: float) -> float:
    """How many times tau^2 is what it is without a weight on what is made up."""
    return 1 + rho / _KNOB


def each(make: Callable[[int], Tensor], count: int) -> Tensor:
    """Pictures one at a time, since none may depend on its neighbours in a batch, as those of a joint solver would."""
    return torch.cat([make(i) for i in range(count)])

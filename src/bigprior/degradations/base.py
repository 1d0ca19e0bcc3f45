"""What happened to the picture: ``f``, a deepinv ``Physics``, with its bijection ``g`` / ``g_inv`` (Section III-A).

``f`` is what the prior is matched through (Eq. 11). ``g_inv`` is the strict, lossless data fidelity of Eq. 5: nothing
is lost from the measurement ``y``, so ``g(g_inv(y))`` is ``y`` bit for bit.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import deepinv as dinv
import torch
from torch import Tensor

from bigprior.errors import ImageError

#: Channels of :meth:`Degradation.condition`: RGB, whether the luminance is known, and whether the colour is.
CONDITION_CHANNELS = 5


class Degradation(dinv.physics.Physics):
    """A deepinv ``Physics`` that knows a bijection of its measurement.

    Subclasses are final; each is registered in :data:`DEGRADATIONS` and so meets the tests of all.
    """

    name: ClassVar[str]
    #: Channels of a measurement.
    channels: ClassVar[int] = 3
    #: How a prior of fixed size meets a picture of any size: in tiles, as a whole, or through squares around holes.
    placement: ClassVar[Literal["tiles", "whole", "hole"]]
    #: The frame that it is natural to fuse in: a name in :data:`bigprior.frames.FRAMES`.
    frame: ClassVar[str] = "pixel"
    #: Kinds of that frame's bands that a measurement knows, so that ``f`` of the restored picture is ``y``.
    measured: ClassVar[tuple[str, ...]] = ()

    def f(self, x: Tensor) -> Tensor:
        """The degradation without its noise: a picture (N, 3, H, W) to (N, ``channels``, H, W)."""
        return self.A(x)

    def g_inv(self, y: Tensor) -> Tensor:
        """The fidelity term: a measurement (N, ``channels``, H, W) to a picture (N, 3, H, W), losing nothing."""
        return y

    def g(self, x: Tensor) -> Tensor:
        """The inverse of :meth:`g_inv`: ``g(g_inv(y)) == y`` bit for bit."""
        return x

    def consistent(self, prior: Tensor, y: Tensor) -> Tensor:
        """The prior's picture (N, 3, H, W) with what ``y`` says of every pixel put in place; here: as it is."""
        return prior

    def known_phi(self, y: Tensor) -> Tensor | None:
        """``phi`` (N, 1, H, W) where it is explicitly known (Table I), else None."""
        return None

    def condition(self, y: Tensor) -> Tensor | None:
        """What ``y`` says exactly, pixel by pixel, for a network that is told; None if it says nothing exactly.

        Returns:
            (N, :data:`CONDITION_CHANNELS`, H, W): the picture as far as it is known, on the scale of [-1, 1], and the
            simplest guess elsewhere; 1 where the luminance is known; 1 where the colour is known.
        """
        return None

    def check(self, y: Tensor) -> Tensor:
        """Return ``y`` if it is a measurement of this degradation.

        Raises:
            ImageError: not a float tensor (N, ``channels``, H, W) of finite numbers with at least one pixel.
        """
        shape = tuple(y.shape)
        if y.dtype != torch.float32 or y.ndim != 4 or shape[1] != self.channels or 0 in shape:
            kind = str(y.dtype).removeprefix("torch.")
            raise ImageError(
                f"{self.name} takes a float32 tensor (N, {self.channels}, H, W): this one is {kind} {shape}"
            )
        if not torch.isfinite(y).all():
            raise ImageError("the measurement holds NaN or infinity: expected finite numbers, nominally in [0, 1]")
        return y

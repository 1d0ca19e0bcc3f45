"""Pixels lost: holes that a mask knows, or that have to be found."""

from __future__ import annotations

import deepinv as dinv
import torch
from torch import Tensor

from bigprior.degradations.base import Degradation
from bigprior.errors import MaskError
from bigprior.ops.masks import smooth_fill


class Inpainting(Degradation, dinv.physics.Inpainting):
    """Pixels lost: ``f`` multiplies by a mask, 1 = known, 0 = hole; ``g_inv`` is the identity.

    Args:
        mask: (1 or N, 1, H, W) of 0 and 1; None when nobody knows where the hole is. Then ``f`` takes the exactly
            black pixels of ``y`` for the hole, and ``phi`` has to find it by itself, as in the paper.

    Raises:
        MaskError: values other than 0 and 1, or a mask that is all hole or all known.
    """

    name = "inpainting"
    placement = "hole"

    def __init__(self, mask: Tensor | None = None, **kwargs: object) -> None:
        if mask is not None:
            if mask.ndim != 4 or mask.shape[1] != 1:
                raise MaskError(f"mask is {tuple(mask.shape)}: expected (1 or N, 1, H, W)")
            mask = mask.float()
            if not ((mask == 0) | (mask == 1)).all():
                raise MaskError("mask holds values other than 0 and 1: expected 1 = known, 0 = hole")
            flat = mask.flatten(1)
            if bool((flat.amin(1) == 1).any()) or bool((flat.amax(1) == 0).any()):
                kind = "known" if bool((flat.amin(1) == 1).any()) else "hole"
                raise MaskError(f"mask is all {kind}: expected both known pixels (1) and a hole (0)")
        super().__init__(img_size=(3, *mask.shape[2:]) if mask is not None else (3, 1, 1), mask=mask, **kwargs)

    def for_measurement(self, y: Tensor) -> Inpainting:
        """This degradation with a mask: its own, or the exactly black pixels of ``y``.

        Raises:
            MaskError: no mask was given and ``y`` has no black pixel, or nothing else.
        """
        if self.mask is not None:
            return self
        try:
            return Inpainting((y != 0).any(dim=1, keepdim=True))
        except MaskError:
            raise MaskError("no mask was given and the picture has no black hole to find: pass a mask") from None

    def A(self, x: Tensor, mask: Tensor | None = None, **kwargs: object) -> Tensor:  # noqa: N802
        """Deepinv's name for :meth:`f`."""
        if self.mask is None and mask is None:
            raise MaskError("this inpainting has no mask: pass one, or use for_measurement to find the black pixels")
        return super().A(x, mask=mask, **kwargs)

    def known_phi(self, y: Tensor) -> Tensor | None:
        """1 in the hole and 0 elsewhere, if a mask was given: known pixels come back bit for bit."""
        return None if self.mask is None else (1 - self.mask).expand(len(y), -1, -1, -1)

    def condition(self, y: Tensor) -> Tensor:
        """Luminance and colour of the known pixels; the guess is :func:`~bigprior.ops.masks.smooth_fill`.

        Raises:
            MaskError: without a mask nobody knows which those are; see :meth:`for_measurement`.
        """
        if self.mask is None:
            raise MaskError("this inpainting has no mask: use for_measurement to find the black pixels")
        mask = self.mask.expand(len(y), -1, -1, -1)
        return torch.cat([2 * smooth_fill(y, mask) - 1, mask, mask], dim=1)

    def check(self, y: Tensor) -> Tensor:
        """Also raises MaskError: a mask of another size than ``y``."""
        super().check(y)
        if self.mask is not None and len(self.mask) not in (1, len(y)):
            raise MaskError(f"there are {len(self.mask)} masks but {len(y)} pictures: pass one mask, or one for each")
        if self.mask is not None and self.mask.shape[2:] != y.shape[2:]:
            (h, w), (hy, wy) = self.mask.shape[2:], y.shape[2:]
            raise MaskError(f"mask is {w}x{h} but the image is {wy}x{hy}: pass a mask of the image's size")
        return y

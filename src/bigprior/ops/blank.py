"""Blank areas: where a picture says nothing of its noise, since it is clipped, or no part of the photograph at all."""

from __future__ import annotations

from torch import Tensor

from bigprior.ops.boxes import box_mean

#: Side of the square around a pixel, and the share of it that is clipped from which on the pixel says nothing.
_AROUND_PX, _CLIPPED = 5, 0.5
#: The most that values of a bar differ along it: the last digit of a lossy file.
_BAR = 2.5 / 255
#: Least share of a picture that matters, and the least side of a square of as many pixels as have to be left.
_MATTERS, _LEFT_PX = 0.02, 48


def blank(pictures: Tensor, unseen: Tensor | None = None) -> Tensor | None:
    """Where pictures (N, 3, H, W) are blank: bool (N, 1, H, W); None if hardly any of them is, or all of it.

    That is where most of what is around a pixel is clipped, black or white; bars of one colour along a side, from edge
    to edge; and what is ``unseen``.

    Args:
        pictures: in [0, 1]; values beyond are not clipped.
        unseen: (N, 1, H, W), bool: no part of the photograph, such as what is transparent.
    """
    clipped = ((pictures == 0) | (pictures == 1)).any(dim=1, keepdim=True)
    around = box_mean(clipped.float(), _AROUND_PX)
    where = (around > _CLIPPED) | _bars(pictures, 2) | _bars(pictures, 3)
    if unseen is not None:
        where |= unseen
    share, least = where.flatten(1).float().mean(1), _LEFT_PX**2 / (pictures.shape[2] * pictures.shape[3])
    where &= ((share > _MATTERS) & (share < 1 - least)).view(-1, 1, 1, 1)
    return where if bool(where.any()) else None


def _bars(pictures: Tensor, axis: int) -> Tensor:
    """The lines of one colour at both ends of an axis, (N, 1, H, 1) or (N, 1, 1, W), bool."""
    other = 5 - axis
    flat = (pictures.amax(other, keepdim=True) - pictures.amin(other, keepdim=True) <= _BAR).all(dim=1, keepdim=True)
    first = flat.int().cumprod(axis).bool()
    last = flat.flip(axis).int().cumprod(axis).flip(axis).bool()
    return first | last

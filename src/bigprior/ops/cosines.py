"""The cosine transform of blocks of 8x8 pixels (DCT-II, orthonormal), as JPEG has it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Pixels of a block, a side.
SIDE = 8


def to_cosines(planes: Tensor) -> Tensor:
    """Planes (..., H, W), whole blocks, to their coefficients, which take the places of the block's pixels."""
    return _both(planes, _MATRIX)


def from_cosines(coefficients: Tensor) -> Tensor:
    """The inverse of :func:`to_cosines`."""
    return _both(coefficients, _MATRIX.T)


def by_block(planes: Tensor) -> Tensor:
    """Planes (..., H, W), whole blocks, as (..., H / 8, 8, W / 8, 8)."""
    height, width = planes.shape[-2:]
    return planes.reshape(*planes.shape[:-2], height // SIDE, SIDE, width // SIDE, SIDE)


def without_mean(coefficients: Tensor) -> Tensor:
    """Coefficients (N, 1, H, W) of a plane around its mean."""
    around = coefficients.clone()
    around[..., ::SIDE, ::SIDE] -= coefficients[..., ::SIDE, ::SIDE].mean(dim=(2, 3), keepdim=True)
    return around


def _both(planes: Tensor, matrix: Tensor) -> Tensor:
    matrix = matrix.to(planes)
    turned = torch.einsum("ij,...rjck,lk->...ricl", matrix, by_block(planes), matrix)
    return turned.reshape(planes.shape)


_AT = torch.arange(SIDE, dtype=torch.float64)
_MATRIX = torch.cos(math.pi / SIDE * (_AT + 0.5) * _AT[:, None]) * math.sqrt(2 / SIDE)
_MATRIX[0] /= math.sqrt(2)

"""3x3 convolutions by Winograd's minimal filtering, F(4x4, 3x3) (Lavin & Gray, CVPR 2016).

A tile of 4x4 output values takes 36 multiplications in place of 144. Where channels are many, its matrix products are
nearly all of the work, and a convolution takes about half of the time.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

#: With fewer channels than this, transforms cost more than the multiplications that they save.
LEAST_CHANNELS = 128
#: Side of a tile of the output, and of the input that it needs.
_TILE, _SPAN = 4, 6

# Matrices of the transforms of kernels, inputs and outputs (B^T, G and A^T in the paper).
_INPUT = (
    (4.0, 0.0, -5.0, 0.0, 1.0, 0.0),
    (0.0, -4.0, -4.0, 1.0, 1.0, 0.0),
    (0.0, 4.0, -4.0, -1.0, 1.0, 0.0),
    (0.0, -2.0, -1.0, 2.0, 1.0, 0.0),
    (0.0, 2.0, -1.0, -2.0, 1.0, 0.0),
    (0.0, 4.0, 0.0, -5.0, 0.0, 1.0),
)
_KERNEL = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)
_OUTPUT = (
    (1.0, 1.0, 1.0, 1.0, 1.0, 0.0),
    (0.0, 1.0, -1.0, 2.0, -2.0, 0.0),
    (0.0, 1.0, 1.0, 4.0, 4.0, 0.0),
    (0.0, 1.0, -1.0, 8.0, -8.0, 1.0),
)


def pays(x: Tensor, channels_out: int) -> bool:
    """Whether maps (N, C, h, w) are convolved faster in this way: on a processor, in single precision."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and min(x.shape[1], channels_out) >= LEAST_CHANNELS
        and x.shape[2] % _TILE == x.shape[3] % _TILE == 0
    )


def prepared(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Kernels (O, I, 3, 3) transformed for the convolution and for its gradient: (36, I, O) and (36, O, I)."""
    return _transformed(weight), _transformed(weight.flip(2, 3).transpose(0, 1))


def convolve(x: Tensor, kernels: tuple[Tensor, Tensor]) -> Tensor:
    """``F.conv2d(x, weight, padding=1)`` of maps (N, I, h, w), sides multiples of four, and :func:`prepared` kernels.

    Gradients reach the maps alone.
    """
    result: Tensor = _Convolution.apply(x, *kernels)
    return result


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, backward_kernel: Tensor) -> Tensor:
        ctx.kernels = kernel, backward_kernel
        return _convolved(x, kernel)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        kernel, backward_kernel = ctx.kernels
        return _Convolution.apply(gradients[0], backward_kernel, kernel), None, None


def _transformed(weight: Tensor) -> Tensor:
    g = weight.new_tensor(_KERNEL)
    return torch.einsum("ai,bj,ocij->abco", g, g, weight).flatten(0, 1).contiguous()


def _convolved(x: Tensor, kernel: Tensor) -> Tensor:
    n, c, h, w = x.shape
    rows, columns = h // _TILE, w // _TILE
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).contiguous()
    by_picture, by_row, by_column, _ = padded.stride()
    # Every tile's own 6x6 input, place by place, so that a transform is one matrix product.
    tiles = padded.as_strided(
        (_SPAN, _SPAN, n, rows, columns, c),
        (by_row, by_column, by_picture, _TILE * by_row, _TILE * by_column, 1),
    ).reshape(_SPAN**2, -1)
    inputs, outputs = x.new_tensor(_INPUT), x.new_tensor(_OUTPUT)
    products = torch.bmm((torch.kron(inputs, inputs) @ tiles).view(_SPAN**2, -1, c), kernel)
    values = torch.kron(outputs, outputs) @ products.view(_SPAN**2, -1)
    values = values.view(_TILE, _TILE, n, rows, columns, -1).permute(2, 3, 0, 4, 1, 5)
    # No view: what follows may change it in place.
    shape = (n, values.shape[-1], h, w)
    result = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    result.permute(0, 2, 3, 1).view(values.shape).copy_(values)
    return result

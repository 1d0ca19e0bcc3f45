"""3x3 convolutions by Winograd's minimal filtering, F(4x4, 3x3) (Lavin & Gray, CVPR 2016).

A tile of 4x4 output values takes 36 multiplications in place of 144. Where channels are many, its matrix products are
nearly all of the work, and a convolution and its gradients take about half of the time. (So it is on processors with
AVX2; accelerators have filters of their own.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Side of a tile of the output, and of the input that it needs.
_TILE, _SPAN = 4, 6
#: With fewer channels than this, transforms cost more than the multiplications that they save; in smaller maps, the
#: transform of a kernel that is not kept does.
LEAST_CHANNELS, LEAST_PIXELS = 64, 256

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


class Kept:
    """A weight as it is used: made once while the weight is frozen and is not changed, else every time."""

    def __init__(self, make: Callable[[Tensor], Tensor]) -> None:
        self.make = make
        self._stamp: tuple[int, int] | None = None
        self._made: Tensor | None = None

    def __call__(self, weight: Tensor) -> Tensor:
        """What ``make`` gives for the weight as it is now."""
        if weight.requires_grad or weight.is_inference():  # torch counts no changes of inference tensors
            return self.make(weight)
        stamp = (weight.data_ptr(), weight._version)
        if self._made is None or self._stamp != stamp:
            with torch.no_grad():
                self._stamp, self._made = stamp, self.make(weight)
        return self._made


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution that keeps the size, by minimal filtering where that is faster."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3, padding=1)
        self._kernel = Kept(prepared)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, I, h, w) to (N, O, h, w)."""
        # By the size of a picture, not of the batch: a picture's result must not depend on its neighbours.
        if x.shape[2] * x.shape[3] < LEAST_PIXELS or not pays(x, self.out_channels):
            return super().forward(x)
        assert self.bias is not None
        return convolve(x, self._kernel(self.weight)).add_(self.bias[:, None, None])


def pays(x: Tensor, channels_out: int) -> bool:
    """Whether maps (N, C, h, w) are convolved faster in this way: on a processor, in single precision."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.onnx.is_in_onnx_export()  # whose programs have convolutions of their own
        and min(x.shape[1], channels_out) >= LEAST_CHANNELS
        and x.shape[2] % _TILE == x.shape[3] % _TILE == 0
    )


def prepared(weight: Tensor) -> Tensor:
    """Kernels (O, I, 3, 3) transformed for :func:`convolve`, (36, I, O), with gradients."""
    g = weight.new_tensor(_KERNEL)
    rows = weight.permute(2, 3, 1, 0).reshape(9, -1)
    return (torch.kron(g, g) @ rows).view(_SPAN**2, weight.shape[1], weight.shape[0])


def convolve(x: Tensor, kernel: Tensor) -> Tensor:
    """``F.conv2d(x, weight, padding=1)`` of maps (N, I, h, w), sides multiples of 4; the kernel is :func:`prepared`."""
    result: Tensor = _Convolution.apply(x, kernel)
    return result


class _Convolution(torch.autograd.Function):
    """``y = A (U * B x)``, place by place of a tile; A and B are linear, so gradients are their transposes'."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor) -> Tensor:
        n, _, h, w = x.shape
        places = _inputs(x)
        ctx.size = n, h, w
        ctx.save_for_backward(kernel, *([x, places] if ctx.needs_input_grad[1] else []))
        return _gathered(_twice(x, _OUTPUT) @ torch.bmm(places, kernel).view(_SPAN**2, -1), n, h, w)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        kernel, *seen = ctx.saved_tensors
        products = (_twice(gradient, _OUTPUT).T @ _scattered(gradient)).view(_SPAN**2, -1, gradient.shape[1])
        of_kernel = None
        if seen:
            x, places = seen
            if torch.is_grad_enabled():  # the gradient is to be differentiated too, and depends on x
                places = _inputs(x)
            of_kernel = torch.bmm(places.transpose(1, 2), products)
        if not ctx.needs_input_grad[0]:
            return None, of_kernel
        values = torch.bmm(products, kernel.transpose(1, 2)).view(_SPAN**2, -1)
        return _overlapped(_twice(gradient, _INPUT).T @ values, *ctx.size), of_kernel


def _twice(like: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    """A transform along both sides of a tile, as one matrix."""
    m = like.new_tensor(matrix)
    return torch.kron(m, m)


def _windows(padded: Tensor, rows: int, columns: int, sides: tuple[int, int], corner: tuple[int, int]) -> Tensor:
    """Every tile's place in maps (N, H, W, C), from its ``corner`` on: (*sides, N, rows, columns, C), shared memory."""
    n, _, _, c = padded.shape
    by_picture, by_row, by_column, _ = padded.stride()
    shape = (*sides, n, rows, columns, c)
    strides = (by_row, by_column, by_picture, _TILE * by_row, _TILE * by_column, 1)
    return padded.as_strided(shape, strides, corner[0] * by_row + corner[1] * by_column)


def _inputs(x: Tensor) -> Tensor:
    """Every tile's 6x6 input, transformed: maps (N, C, h, w) to (36, tiles, C)."""
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).contiguous()
    tiles = _windows(padded, x.shape[2] // _TILE, x.shape[3] // _TILE, (_SPAN, _SPAN), (0, 0))
    return (_twice(x, _INPUT) @ tiles.reshape(_SPAN**2, -1)).view(_SPAN**2, -1, x.shape[1])


def _overlapped(values: Tensor, n: int, h: int, w: int) -> Tensor:
    """The sum of every tile's 6x6 values (36, tiles * C) where they lie: maps (N, C, h, w)."""
    rows, columns = h // _TILE, w // _TILE
    tiles = values.view(_SPAN, _SPAN, n, rows, columns, -1)
    total = values.new_zeros(n, h + 2, w + 2, tiles.shape[-1])
    for top in (0, _TILE):  # four parts, in each of which no two tiles overlap
        for left in (0, _TILE):
            part = tiles[top : top + _TILE, left : left + _TILE]
            _windows(total, rows, columns, (part.shape[0], part.shape[1]), (top, left)).add_(part)
    return total[:, 1:-1, 1:-1].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def _scattered(maps: Tensor) -> Tensor:
    """Maps (N, C, h, w) to every tile's 4x4 values, (16, tiles * C)."""
    tiles: Tensor = maps.permute(0, 2, 3, 1).unflatten(2, (-1, _TILE)).unflatten(1, (-1, _TILE))
    return tiles.permute(2, 4, 0, 1, 3, 5).reshape(_TILE**2, -1)


def _gathered(values: Tensor, n: int, h: int, w: int) -> Tensor:
    """Every tile's 4x4 values (16, tiles * C) to maps (N, C, h, w)."""
    tiles = values.view(_TILE, _TILE, n, h // _TILE, w // _TILE, -1).permute(2, 3, 0, 4, 1, 5)
    # No view: what follows may change it in place.
    shape = (n, tiles.shape[-1], h, w)
    result = torch.empty(shape, dtype=values.dtype, device=values.device, memory_format=torch.channels_last)
    result.permute(0, 2, 3, 1).view(tiles.shape).copy_(tiles)
    return result

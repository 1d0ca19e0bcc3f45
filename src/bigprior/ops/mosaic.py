"""Bayer mosaics: one colour a pixel, in squares of two by two; and the classical ways to guess the other two."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

#: The colours of a square, row by row: of its first two pixels, and of the two below.
PATTERNS = ("rggb", "grbg", "gbrg", "bggr")
#: How far Malvar's filters reach.
_REACH = 2
#: Weights of the samples around a pixel that lacks a colour: all eight neighbours, or the four beside it.
_AROUND = ((1.0, 2.0, 1.0), (2.0, 4.0, 2.0), (1.0, 2.0, 1.0))
_BESIDE = ((0.0, 1.0, 0.0), (1.0, 4.0, 1.0), (0.0, 1.0, 0.0))
#: Malvar's filters, times 8: green where red or blue was measured; red or blue in a green pixel that has it to its
#: left and right; and red where blue was measured, or blue where red was.
_GREEN = ((0, 0, -1, 0, 0), (0, 0, 2, 0, 0), (-1, 2, 4, 2, -1), (0, 0, 2, 0, 0), (0, 0, -1, 0, 0))
_ALONG = ((0, 0, 0.5, 0, 0), (0, -1, 0, -1, 0), (-1, 4, 5, 4, -1), (0, -1, 0, -1, 0), (0, 0, 0.5, 0, 0))
_ACROSS = ((0, 0, -1.5, 0, 0), (0, 2, 0, 2, 0), (-1.5, 0, 6, 0, -1.5), (0, 2, 0, 2, 0), (0, 0, -1.5, 0, 0))

#: Second differences of green samples along both diagonals at once, of white noise as much as the noise itself: hardly
#: anything of edges; the side of squares of pixels in which their energy is taken; the quantile of squares that texture
#: hardly reaches; and where it is of white noise of a variance of 1, of two thousand pixels a side.
_DIFFERENCES = ((0, 0, 1, 0, 0), (0, -2, 0, -2, 0), (1, 0, 4, 0, 1), (0, -2, 0, -2, 0), (0, 0, 1, 0, 0))
_SQUARE_PX, _LOW, _OF_NOISE = 8, 0.05, 0.44


def sites(pattern: str, height: int, width: int) -> Tensor:
    """Which colour each pixel measured, (1, 3, height, width), bool, in the order of RGB."""
    square = torch.tensor(["rgb".index(colour) for colour in pattern]).view(2, 2)
    colour = square.repeat(-(-height // 2), -(-width // 2))[:height, :width]
    return colour == torch.arange(3).view(1, 3, 1, 1)


def shifted(pattern: str, down: int, across: int) -> str:
    """The pattern of a window that begins so many pixels further down and to the right."""
    square = [pattern[:2], pattern[2:]]
    return "".join(square[(i + down) % 2][(j + across) % 2] for i in range(2) for j in range(2))


def bilinear(mosaic: Tensor, pattern: str) -> Tensor:
    """Each colour's mean of its nearest samples, (N, 3, H, W), of a mosaic (N, 1, H, W); samples stay as they are.

    Where a picture is so small that a colour was measured nowhere near, it is the mean of what was.
    """
    where = sites(pattern, *mosaic.shape[2:]).to(mosaic.device)
    guesses = []
    for colour, weights in enumerate((_AROUND, _BESIDE, _AROUND)):
        kernel, own = mosaic.new_tensor(weights)[None, None], where[:, colour : colour + 1].to(mosaic)
        count = F.conv2d(own, kernel, padding=1)
        mean = F.conv2d(mosaic * own, kernel, padding=1) / count.clamp_min(1)
        guesses.append(torch.where(count > 0, mean, mosaic.mean(dim=(2, 3), keepdim=True)))
    return torch.where(where, mosaic, torch.cat(guesses, dim=1))


def malvar(mosaic: Tensor, pattern: str) -> Tensor:
    """The same by linear filters that follow the other colours' edges (Malvar, He and Cutler, 2004)."""
    height, width = mosaic.shape[2:]
    if min(height, width) <= _REACH:
        return bilinear(mosaic, pattern)
    filters = [torch.tensor(f, dtype=mosaic.dtype) for f in (_GREEN, _ALONG, _ACROSS)]
    filters.insert(2, filters[1].T)  # red or blue above and below
    # A mirror image around the outermost pixels goes on in the same pattern.
    wide = F.pad(mosaic, (_REACH,) * 4, mode="reflect")
    green, along, below, across = F.conv2d(wide, torch.stack(filters)[:, None].to(mosaic) / 8).split(1, dim=1)
    where = sites(pattern, height, width).to(mosaic.device)
    red_rows, blue_rows = (where[:, c : c + 1].any(dim=3, keepdim=True) for c in (0, 2))
    red, blue = (
        torch.where(where[:, 1:2], torch.where(own_rows, along, below), across) for own_rows in (red_rows, blue_rows)
    )
    return torch.where(where, mosaic, torch.cat([red, green, blue], dim=1))


def noise_in(mosaic: Tensor, pattern: str) -> Tensor:
    """The standard deviation of white noise in each mosaic (N, 1, H, W), (N,); 0 of one too small to tell.

    Of squares' mean squares of :data:`_DIFFERENCES`, a low quantile is taken, and put right by where noise alone would
    have it; what is clipped has none.
    """
    if min(mosaic.shape[2:]) < 2 * _REACH + _SQUARE_PX:
        return mosaic.new_zeros(len(mosaic))
    energy = F.conv2d(mosaic, mosaic.new_tensor(_DIFFERENCES)[None, None] / 6).square()
    green = sites(pattern, *mosaic.shape[2:])[:, 1:2, _REACH:-_REACH, _REACH:-_REACH].to(mosaic)
    means = (F.avg_pool2d(energy * green, _SQUARE_PX) / F.avg_pool2d(green, _SQUARE_PX)).flatten(1)
    seen = [squares[squares > 0].double() for squares in means]
    low = [float(np.quantile(squares.cpu().numpy(), _LOW)) if len(squares) else 0.0 for squares in seen]
    return (mosaic.new_tensor(low) / _OF_NOISE).sqrt()

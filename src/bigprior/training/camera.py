"""Noise as cameras make it, for training: from a clean picture back to a raw one, and through a camera again.

A picture is unprocessed to linear light (Brooks et al., CVPR 2019), gets the noise of photons and of a sensor, is seen
through a mosaic of colours, and processed again, with and without noise. What a camera's own software does then, such
as smoothing colours more than luminance, and resizing and JPEG after it, makes the noise coarse.
"""

from __future__ import annotations

import io
import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from bigprior.io.arrays import in_eight_bits
from bigprior.ops.colour import LUMINANCE, from_linear, luminance, to_linear

#: Linear sRGB to the colours of four cameras (Brooks et al., 2019: XYZ to camera of the Darmstadt Noise Dataset).
_XYZ_TO_CAMERA = torch.tensor(
    [
        [[1.0234, -0.2969, -0.2266], [-0.5625, 1.6328, -0.0469], [-0.0703, 0.2188, 0.6406]],
        [[0.4913, -0.0541, -0.0202], [-0.6130, 1.3513, 0.2906], [-0.1564, 0.2151, 0.7183]],
        [[0.8380, -0.2630, -0.0639], [-0.2887, 1.0725, 0.2496], [-0.0627, 0.1427, 0.5438]],
        [[0.6596, -0.2079, -0.0562], [-0.4782, 1.3016, 0.1933], [-0.0970, 0.1581, 0.5181]],
    ]
)
_RGB_TO_XYZ = torch.tensor([[0.41246, 0.35758, 0.18044], [0.21267, 0.71515, 0.07217], [0.01933, 0.11919, 0.95030]])
#: Filters of Malvar, He and Cutler (ICASSP 2004): green at red or blue; red at green in a row and in a column of reds;
#: red at blue. The same with red and blue exchanged.
_MALVAR = (
    torch.tensor(
        [
            [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]],
            [[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]],
            [[0, 0, -1, 0, 0], [0, -1, 4, -1, 0], [0.5, 0, 5, 0, 0.5], [0, -1, 4, -1, 0], [0, 0, -1, 0, 0]],
            [[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]],
        ]
    )[:, None]
    / 8
)
#: Luminance, and two colours that are none in a grey picture.
_LUMA = torch.tensor([list(LUMINANCE), [0.5, -0.5, 0.0], [0.25, 0.25, -0.5]])
#: Widths of the Gaussians, in pixels, of which a camera's own denoising leaves parts.
_WIDTHS = (0.0, 0.7, 1.4, 2.8)
#: Half the width of the largest Gaussian kernel, in pixels.
_BLUR_PX = 8


class Pairs(NamedTuple):
    """Pictures without and with noise, (N, 3, S, S), and the level of white noise, (N,); NaN where it is not white."""

    clean: Tensor
    noisy: Tensor
    sigma: Tensor


def noisy_pairs(x: Tensor, side: int, rng: torch.Generator) -> Pairs:
    """White noise, a camera's, coarse noise or photons, one kind for the batch.

    Args:
        x: (N, 3, H, W), RGB in [0, 1], even sides of at least ``side``: what is more is room to be made smaller.
        side: of the pairs, in pixels.
        rng: draws everything.
    """
    kind = _uniform(rng)
    if kind < 0.36:
        return _independent(_middle(x, side), rng)
    if kind < 0.8:
        clean, noisy = through_camera(_soft(x, rng) if _uniform(rng) < 0.55 else x, rng)
        if _uniform(rng) < 0.65:
            noisy = (clean + _smoothed_by_camera(noisy - clean, rng)).clamp(0, 1)
        smaller = 0.35
    elif kind < 0.9:
        return coarse_pairs(x, side, rng)
    else:
        (clean, noisy), smaller = _photons(x, rng), 0.0
    clean, noisy = _processed(clean, noisy, side, smaller, rng)
    return Pairs(clean, noisy, torch.full((len(x),), torch.nan))


def coarse_pairs(x: Tensor, side: int, rng: torch.Generator) -> Pairs:
    """Noise a few pixels wide, as :func:`noisy_pairs` has it."""
    clean, noisy = _processed(*_coarse(x, rng), side, 0.4, rng)
    return Pairs(clean, noisy, torch.full((len(x),), torch.nan))


def through_camera(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """What a camera makes of pictures (N, 3, H, W), even sides: without and with the noise of its sensor."""
    n = len(x)
    weights = torch.rand(n, 4, generator=rng)
    to_camera = torch.einsum("nk,kij->nij", weights / weights.sum(1, keepdim=True), _XYZ_TO_CAMERA) @ _RGB_TO_XYZ
    to_camera = to_camera / to_camera.sum(2, keepdim=True)  # white stays white
    toned = _uniform(rng) < 0.5
    light = torch.einsum("nij,njhw->nihw", to_camera, to_linear(_untoned(x) if toned else x))
    gains = torch.cat([_each(rng, n, 1.2, 2.6), torch.ones(n, 1, 1, 1), _each(rng, n, 1.2, 2.3)], dim=1)
    exposure = _each(rng, n, 0.6, 1.0)
    raw = (light / gains * exposure).clamp_min(0)
    shot = _each(rng, n, math.log(5e-5), math.log(0.018)).exp()
    read = (2.18 * shot.log() + 1.2 + 0.4 * torch.randn(n, 1, 1, 1, generator=rng)).exp()
    noise = torch.randn(x.shape, generator=rng) * (shot * raw + read).sqrt()
    if _uniform(rng) < 0.15:  # banding
        noise = noise + 0.3 * read.sqrt() * torch.randn(n, 1, x.shape[2], 1, generator=rng)
    both = demosaiced(torch.cat([raw, (raw + noise).clamp_max(1)]), bilinear=_uniform(rng) < 0.3)
    both = both * (gains / exposure).repeat(2, 1, 1, 1)
    both = torch.einsum("nij,njhw->nihw", torch.linalg.inv(to_camera).repeat(2, 1, 1), both).clamp(0, 1)
    both = from_linear(both)
    clean, noisy = (3 * both**2 - 2 * both**3 if toned else both).split(n)
    return clean, noisy


def demosaiced(x: Tensor, *, bilinear: bool) -> Tensor:
    """Colours (N, 3, H, W), even sides, as they come back from a mosaic of red, green, green and blue."""
    at = x.new_zeros(4, 1, *x.shape[2:])  # red; green beside red; green beside blue; blue
    for i in range(4):
        at[i, :, i // 2 :: 2, i % 2 :: 2] = 1
    red, green_r, green_b, blue = at
    green = green_r + green_b
    raw = x[:, :1] * red + x[:, 1:2] * green + x[:, 2:] * blue
    if bilinear:
        box = x.new_tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]])[None, None] / 4
        cross = x.new_tensor([[0.0, 1, 0], [1, 4, 1], [0, 1, 0]])[None, None] / 4
        planes = ((raw * red, box), (raw * green, cross), (raw * blue, box))
        return torch.cat([F.conv2d(F.pad(p, (1, 1, 1, 1), mode="reflect"), k) for p, k in planes], dim=1)
    found = F.conv2d(F.pad(raw, (2, 2, 2, 2), mode="reflect"), _MALVAR.to(x))
    across, along, opposite = found[:, 1:2], found[:, 2:3], found[:, 3:]
    return torch.cat(
        [
            raw * red + across * green_r + along * green_b + opposite * blue,
            raw * green + found[:, :1] * (1 - green),
            raw * blue + across * green_b + along * green_r + opposite * red,
        ],
        dim=1,
    )


def _independent(x: Tensor, rng: torch.Generator) -> Pairs:
    """Gaussian noise of every pixel by itself: white, or of another level in each channel or place, or in a JPEG."""
    sigma = torch.rand(len(x), generator=rng) * 75 / 255
    if _uniform(rng) < 0.3:  # little is common, and its mistakes are seen
        sigma = 0.35 * sigma
    if _uniform(rng) < 0.05:
        sigma = torch.zeros_like(sigma)
    noise = sigma.view(-1, 1, 1, 1) * torch.randn(x.shape, generator=rng)
    unknown, kind = torch.full_like(sigma, torch.nan), _uniform(rng)
    if kind < 0.12:  # a level a channel
        noise = noise * (2 * torch.rand(len(x), 3, 1, 1, generator=rng)).clamp(0.15, 1.6)
    elif kind < 0.2:  # a level a place
        mode = "bilinear" if _uniform(rng) < 0.6 else "nearest"
        noise = 2 * noise * F.interpolate(torch.rand(len(x), 1, 3, 3, generator=rng), size=x.shape[2:], mode=mode)
    elif kind < 0.42:
        files = [_jpeg(y, int(35 + 60 * _uniform(rng)), _uniform(rng) < 0.7) for y in x + noise]
        return Pairs(x, torch.stack(files), unknown)
    noisy = x + noise
    if _uniform(rng) < 0.35:
        noisy = in_eight_bits(noisy)
    return Pairs(x, noisy, unknown if kind < 0.2 else sigma)


def _coarse(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Gaussian noise a few pixels wide, of the same strength everywhere or not, in all colours or as film has it."""
    noise = _blurred(torch.randn(x.shape, generator=rng), [1.6 * _uniform(rng) for _ in x])
    noise = noise / noise.flatten(1).std(1).view(-1, 1, 1, 1)
    if _uniform(rng) < 0.3:
        noise = 1.7 * noise.mean(1, keepdim=True).expand_as(noise)
    if _uniform(rng) < 0.4:
        noise = noise * (0.3 + 1.4 * x.clamp_min(0.01)).sqrt()
    return x, x + _each(rng, len(x), 0, 45 / 255) * noise


def _photons(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    peak = _each(rng, len(x), math.log(8), math.log(500)).exp()
    noisy = torch.poisson(x.clamp_min(0) * peak, generator=rng) / peak
    if _uniform(rng) < 0.3:
        noisy = noisy + 0.02 * torch.randn(x.shape, generator=rng)
    return x, noisy


def _soft(x: Tensor, rng: torch.Generator) -> Tensor:
    """As soft as a camera's picture at full size, which a lens, a filter and an interpolation have seen before us."""
    if _uniform(rng) < 0.5:
        return _blurred(x, [0.4 + 1.4 * _uniform(rng) for _ in x])
    side = max(16, int(x.shape[2] * (0.4 + 0.5 * _uniform(rng))))
    small = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
    return F.interpolate(small, size=x.shape[2:], mode="bicubic").clamp(0, 1)


def _smoothed_by_camera(noise: Tensor, rng: torch.Generator) -> Tensor:
    """What a camera's own denoising at several scales leaves of noise: coarse parts, in its colours above all."""
    planes = torch.einsum("ij,njhw->nihw", _LUMA, noise)
    before = _spread(planes)
    parts = []
    for width in _WIDTHS:
        part = _blurred(planes, [width * (0.7 + 0.6 * _uniform(rng)) for _ in noise])
        parts.append(part / _spread(part))
    scale = torch.arange(len(parts)).view(-1, 1, 1)
    coarseness = torch.rand(1, len(noise), 3, generator=rng) * torch.tensor([1.3, 2.4, 2.4])
    weights = torch.rand(len(parts), len(noise), 3, generator=rng)
    weights = weights * (scale * (coarseness - torch.tensor([0.9, 0.4, 0.4]))).exp()
    mixed = (torch.stack(parts) * weights[..., None, None]).sum(0)
    left = 0.1 + 0.8 * torch.rand(len(noise), 3, generator=rng)
    left[:, 1:] *= 0.3 + 0.7 * torch.rand(len(noise), 1, generator=rng)
    mixed = mixed / _spread(mixed) * before * left[..., None, None]
    return torch.einsum("ij,njhw->nihw", torch.linalg.inv(_LUMA), mixed)


def _spread(planes: Tensor) -> Tensor:
    """The standard deviation of each plane, (N, C, 1, 1), never 0."""
    return planes.flatten(2).std(2)[..., None, None] + 1e-6


def _processed(clean: Tensor, noisy: Tensor, side: int, smaller: float, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """What happens to pictures after the camera: made smaller, sharpened, grey, JPEG."""
    both, room = torch.cat([clean, noisy]), clean.shape[2]
    if _uniform(rng) < smaller and room > side:
        size = max(side, round(side + (room - side) * _uniform(rng)))
        mode = "bicubic" if _uniform(rng) < 0.6 else "bilinear"
        both = F.interpolate(both, size=(size, size), mode=mode, antialias=_uniform(rng) < 0.8).clamp(0, 1)
    if _uniform(rng) < 0.15:
        both = (both + (0.2 + 0.8 * _uniform(rng)) * (both - _blurred(both, [1.0] * len(both)))).clamp(0, 1)
    both = _middle(both, side)
    if _uniform(rng) < 0.12:
        both = luminance(both).expand(-1, 3, -1, -1)
    clean, noisy = both.contiguous().split(len(clean))
    if _uniform(rng) < 0.7:
        noisy = torch.stack([_jpeg(x, int(60 + 39 * _uniform(rng) ** 0.6), _uniform(rng) < 0.6) for x in noisy])
    elif _uniform(rng) < 0.8:
        noisy = in_eight_bits(noisy)
    return clean, noisy


def _jpeg(x: Tensor, quality: int, half_colours: bool) -> Tensor:
    """A picture (3, H, W) through a JPEG file."""
    samples = (x.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(samples).save(file, "JPEG", quality=quality, subsampling=2 if half_colours else 0)
    return torch.from_numpy(np.asarray(Image.open(file)).copy()).permute(2, 0, 1).float() / 255


def _blurred(x: Tensor, sigmas: list[float]) -> Tensor:
    """Each picture (N, C, H, W) by a Gaussian of its own, in pixels; one under a quarter of a pixel is none."""
    places = torch.arange(-_BLUR_PX, _BLUR_PX + 1).float()
    out = []
    for picture, sigma in zip(x.split(1), sigmas, strict=True):
        if sigma < 0.25:
            out.append(picture)
            continue
        kernel = torch.exp(-((places / sigma) ** 2) / 2)
        kernel = kernel / kernel.sum()
        channels = F.pad(picture, (_BLUR_PX,) * 4, mode="reflect").transpose(0, 1)
        rows = F.conv2d(channels, kernel.view(1, 1, -1, 1))
        out.append(F.conv2d(rows, kernel.view(1, 1, 1, -1)).transpose(0, 1))
    return torch.cat(out)


def _middle(x: Tensor, side: int) -> Tensor:
    start = (x.shape[2] - side) // 2
    return x[:, :, start : start + side, start : start + side]


def _untoned(x: Tensor) -> Tensor:
    """The inverse of the tone curve 3x^2 - 2x^3."""
    return 0.5 - torch.sin(torch.asin((1 - 2 * x).clamp(-1, 1)) / 3)


def _uniform(rng: torch.Generator) -> float:
    return float(torch.rand((), generator=rng))


def _each(rng: torch.Generator, count: int, low: float, high: float) -> Tensor:
    """One uniform number a picture, (N, 1, 1, 1)."""
    return (low + (high - low) * torch.rand(count, generator=rng)).view(-1, 1, 1, 1)

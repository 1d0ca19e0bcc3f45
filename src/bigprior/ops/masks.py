"""Masks of the paper's and of the field's inpainting protocols, 1 = known, 0 = hole; and their smooth filling."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from bigprior.errors import MaskError

#: Share of a picture that free-form holes leave known, at the least.
_LEAST_KNOWN = 0.1


def centre_hole(height: int, width: int, side: int | None = None) -> Tensor:
    """A square hole in the middle: float32 (1, 1, height, width).

    Args:
        side: of the hole in pixels; by default a quarter of the shorter side (64 in the paper's 256).

    Raises:
        MaskError: the hole leaves nothing known, or is empty.
    """
    side = min(height, width) // 4 if side is None else side
    if not 0 < side < max(height, width) or side > min(height, width):
        raise MaskError(
            f"a centre hole of side {side} does not fit a {width}x{height} picture: pass a smaller, positive side"
        )
    top, left = (height - side) // 2, (width - side) // 2
    mask = torch.ones(1, 1, height, width)
    mask[:, :, top : top + side, left : left + side] = 0
    return mask


def random_boxes(height: int, width: int, rng: torch.Generator) -> Tensor:
    """Two to four random boxes (Section IV-C, randomized masking): float32 (1, 1, height, width).

    A corner is uniform over the picture; sides are ``|N(64, 32)|`` of a 256-pixel side, rounded. Lengths scale with
    the picture's shorter side.

    Deviates: where the paper draws the sides again until the box fits, the corner is drawn again too: from a corner
    near the far edges no box fits.
    """
    scale = min(height, width) / 256
    mask = torch.ones(1, 1, height, width)
    for _ in range(int(torch.randint(2, 5, (), generator=rng))):
        while True:
            top, left = (int(torch.randint(side, (), generator=rng)) for side in (height, width))
            h, w = torch.randn(2, generator=rng).mul(32).add(64).abs().mul(scale).round().int().tolist()
            if min(h, w) > 8 * scale and top + h <= height and left + w <= width:
                break
        mask[:, :, top : top + h, left : left + w] = 0
    return mask


def random_strokes(height: int, width: int, rng: torch.Generator) -> Tensor:
    """Free-form holes: brush strokes and boxes over each other: float32 (1, 1, height, width).

    Strokes are broken lines of a round brush that turns back at every corner (Yu et al., "Free-form image inpainting
    with gated convolution", ICCV 2019); boxes of up to half a side lie among them, as in the masks of co-modulated
    GANs (Zhao et al., ICLR 2021). Lengths scale with the picture's shorter side. Nine tenths may be hole, not more.
    """
    scale = min(height, width) / 256
    drawn = Image.new("1", (width, height), 1)
    pen, kept = ImageDraw.Draw(drawn), drawn.copy()

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=rng))

    for _ in range(round(uniform(1, 13))):
        if uniform(0, 1) < 0.5:
            left, top = uniform(-0.1, 1) * width, uniform(-0.1, 1) * height
            w, h = (uniform(0.02, 0.5) * side for side in (width, height))
            pen.rectangle((left, top, left + w, top + h), fill=0)
        else:
            _stroke(pen, uniform(0, width), uniform(0, height), uniform(6, 24) * scale, 60 * scale, rng)
        if pil_to_tensor(drawn).float().mean() < _LEAST_KNOWN:
            break
        kept = drawn.copy()
    mask = pil_to_tensor(kept.convert("L"))[None].gt(0).float()
    return mask if bool((mask == 0).any()) else centre_hole(height, width)


def _stroke(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, length: float, rng: torch.Generator) -> None:
    """A broken line of three to nine pieces, each about as long, and each turning back by about a third of a circle."""
    angle, points = float(torch.rand((), generator=rng)) * 2 * math.pi, [(x, y)]
    for _ in range(int(torch.randint(3, 10, (), generator=rng))):
        turn, further = torch.randn(2, generator=rng).tolist()
        angle += math.pi - 2 * math.pi / 5 + 0.4 * turn
        x, y = x + abs(1 + further / 2) * length * math.cos(angle), y + abs(1 + further / 2) * length * math.sin(angle)
        points.append((x, y))
    pen.line(points, fill=0, width=max(1, round(2 * radius)))
    for x, y in points:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)


def smooth_fill(picture: Tensor, mask: Tensor, sweeps: int = 8) -> Tensor:
    """Fill holes with what is around them, as smooth as a membrane: pull-push, and a few sweeps at every scale.

    Args:
        picture: (N, C, H, W), any size; what it holds in the hole is not looked at.
        mask: (N, 1, H, W), 1 = known, 0 = hole; each has a known pixel.
        sweeps: of averaging over 3x3 pixels, at every scale.

    Returns:
        (N, C, H, W): known pixels as they are.
    """
    if max(picture.shape[2:]) == 1:
        return picture
    weight = F.avg_pool2d(mask, 2, ceil_mode=True)
    known = F.avg_pool2d(picture * mask, 2, ceil_mode=True) / weight.clamp_min(1e-3)
    coarse = smooth_fill(known, (weight > 0).to(mask), sweeps)
    filled = F.interpolate(coarse, size=picture.shape[2:], mode="bilinear", align_corners=False)
    for _ in range(sweeps):
        filled = torch.where(mask > 0, picture, filled)
        filled = F.avg_pool2d(F.pad(filled, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return torch.where(mask > 0, picture, filled)

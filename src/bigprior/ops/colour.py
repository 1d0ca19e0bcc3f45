"""Colours along other axes: opponents, and CIELAB's plane with gradients for training (reports: scikit-image's)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: Luminance as the paper's data has it.
LUMINANCE = (0.299, 0.587, 0.114)
#: RGB in Y, Cb and Cr, as JFIF has them (ITU-T T.871).
YCBCR = (LUMINANCE, (-0.299 / 1.772, -0.587 / 1.772, 0.5), (0.5, -0.587 / 1.402, -0.114 / 1.402))
#: Of :func:`has_colours`: the longest side that is looked at, steps of luminance, and the distance in the ab plane from
#: the mean colour of a step that all pixels have in the mean at most, or that only so few of them are beyond.
_SEEN_PX, _TONES, _STRAY, _FAR, _FEW = 64, 32, 2.2, 10.0, 0.01


def is_grey(x: Tensor) -> Tensor:
    """Which of the pictures (N, 3, H, W) have the same in all channels: (N,), bool."""
    return (x == x[:, :1]).flatten(1).all(dim=1)


def has_colours(x: Tensor) -> bool:
    """Whether a picture (1, 3, H, W) has colours that its luminance does not say: a grey or a toned one has none.

    In a sepia or a cyanotype, even with the noise of a scan, pixels of one luminance are of one colour.
    """
    scale = min(1.0, _SEEN_PX / max(x.shape[2:]))
    small = F.interpolate(
        x, size=[max(1, round(side * scale)) for side in x.shape[2:]], mode="bilinear", antialias=True
    )
    order = luminance(small).flatten().argsort()
    groups = ab_plane(small)[0].flatten(1)[:, order].tensor_split(min(_TONES, len(order)), dim=1)
    strays = torch.cat([(group - group.mean(dim=1, keepdim=True)).norm(dim=0) for group in groups])
    return bool(strays.mean() > _STRAY) or bool((strays > _FAR).float().mean() > _FEW)


def luminance(x: Tensor) -> Tensor:
    """The luminance (N, 1, H, W) of pictures (N, 3, H, W), by Rec. 601's weights of what is stored."""
    return (x * x.new_tensor(LUMINANCE).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def turned(x: Tensor, matrix: Tensor) -> Tensor:
    """Channels (N, C, H, W) through an orthonormal matrix (C, C), some of its rows, or some of its columns."""
    return torch.einsum("ij,njhw->nihw", matrix.to(x), x)


def to_linear(x: Tensor) -> Tensor:
    """SRGB values to linear light (IEC 61966-2-1)."""
    return torch.where(x <= 0.04045, x / 12.92, ((x.clamp_min(0) + 0.055) / 1.055) ** 2.4)


def from_linear(x: Tensor) -> Tensor:
    """Linear light to sRGB values."""
    return torch.where(x <= 0.0031308, 12.92 * x, 1.055 * x.clamp_min(1e-8) ** (1 / 2.4) - 0.055)


def ab_plane(x: Tensor) -> Tensor:
    """The a and b coordinates, (N, 2, H, W), of sRGB pictures (N, 3, H, W) in [0, 1] under D65 (CIE 15:2004)."""
    # Off black, where the powers' gradients have no bound.
    x = x.clamp(1e-4, 1)
    xyz = torch.einsum("ij,njhw->nihw", _XYZ.to(x), to_linear(x))
    f = torch.where(xyz > 0.008856, xyz.clamp_min(1e-4) ** (1 / 3), 7.787 * xyz + 16 / 116)
    return torch.cat([500 * (f[:, :1] - f[:, 1:2]), 200 * (f[:, 1:2] - f[:, 2:])], dim=1)


def ab_distance(image: Tensor, truth: Tensor) -> Tensor:
    """Mean distance in the ab plane of each picture, (N,), as a share of 150: what the AuC falls short of 1 by."""
    # A little is added under the root, whose gradient has no bound at 0.
    return (ab_plane(image) - ab_plane(truth)).square().sum(dim=1).add(0.01).sqrt().mean(dim=(1, 2)) / 150


#: Luminance and two differences of colours, orthonormal, of RGB.
OPPONENT = torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]], dtype=torch.float64)
OPPONENT = OPPONENT / OPPONENT.norm(dim=1, keepdim=True)
#: Linear sRGB to CIE XYZ, relative to the white point.
_XYZ = torch.tensor(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]],
    dtype=torch.float64,
) / torch.tensor([[0.95047], [1.0], [1.08883]], dtype=torch.float64)

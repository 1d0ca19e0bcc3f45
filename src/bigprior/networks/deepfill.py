"""DeepFill v2 (Yu et al., ICCV 2019): gated convolutions, coarse and fine, with attention to what is known.

Layers are called as in the PyTorch port nipponjo/deepfillv2-pytorch: ``stage1.conv1.conv``, ... ``stage2.conv_to_rgb``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.io.weights import built

#: Of a feature's places, attention looks at every second; its softmax is so steep.
_RATE, _STEEP = 2, 10.0
#: Dilations of the layers in the middle, by their number; 1 of the others.
_DILATIONS = {2: 2, 3: 4, 4: 8, 5: 16}


class DeepFillV2(nn.Module):
    """Fills a hole coarsely, and then once more knowing that.

    Args:
        width: of the layers at half the size; 48 as released.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.stage1, self.stage2 = _Coarse(width), _Fine(width)

    @classmethod
    def knows(cls, state: Mapping[str, Tensor]) -> bool:
        """Whether tensors are those of such a network, by their names."""
        return {"stage1.conv1.conv.weight", "stage2.b2_conv1.conv.weight"} <= state.keys()

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Rebuild from tensors, whose shapes say all.

        Raises:
            WeightsError: they do not fit.
        """
        return built(cls, "DeepFill v2", state, {"width": state["stage1.conv1.conv.weight"].shape[0]})

    def forward(self, picture: Tensor, hole: Tensor) -> Tensor:
        """A picture (1, 3, H, W) in [-1, 1] and its hole (1, 1, H, W), 1 = hole, to a filled one.

        Sides are multiples of 8.
        """
        known = picture * (1 - hole)
        coarse = self.stage1(torch.cat([known, torch.ones_like(hole), hole], dim=1))
        filled: Tensor = self.stage2(coarse * hole + known, hole)
        return filled


class _Gated(nn.Module):
    """A convolution of two halves: one is activated, and multiplied by the other's sigmoid."""

    def __init__(
        self,
        before: int,
        after: int,
        side: int = 3,
        stride: int = 1,
        dilation: int = 1,
        active: Callable[[Tensor], Tensor] | None = F.elu,
    ) -> None:
        super().__init__()
        padding = dilation * (side - 1) // 2
        outs = after if active is None else 2 * after
        self.conv = nn.Conv2d(before, outs, side, stride, padding, dilation)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        if self.active is None:
            return y
        features, gate = y.chunk(2, dim=1)
        return self.active(features) * gate.sigmoid()


class _Down(nn.Module):
    def __init__(self, before: int, after: int, hidden: int | None = None) -> None:
        super().__init__()
        self.conv1_downsample = _Gated(before, hidden or after, stride=2)
        self.conv2 = _Gated(hidden or after, after)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(self.conv1_downsample(x))
        return y


class _Upsampled(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = _Gated(before, after)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))
        return y


class _Up(nn.Module):
    def __init__(self, before: int, after: int, hidden: int | None = None) -> None:
        super().__init__()
        self.conv1_upsample = _Upsampled(before, hidden or after)
        self.conv2 = _Gated(hidden or after, after)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(self.conv1_upsample(x))
        return y


class _Coarse(nn.Module):
    """From a picture with a hole, ones, and the hole, to a picture in [-1, 1]."""

    def __init__(self, w: int) -> None:
        super().__init__()
        self.conv1 = _Gated(5, w // 2, 5)
        self.down_block1, self.down_block2 = _Down(w // 2, w), _Down(w, 2 * w)
        for i in range(1, 8):
            self.add_module(f"conv_bn{i}", _Gated(2 * w, 2 * w, dilation=_DILATIONS.get(i, 1)))
        self.up_block1, self.up_block2 = _Up(2 * w, w), _Up(w, w // 4, hidden=w // 2)
        self.conv_to_rgb = _Gated(w // 4, 3, active=None)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():  # in the order in which they were made
            x = layer(x)
        return x.tanh()


class _Fine(nn.Module):
    """From a coarsely filled picture in [-1, 1] to a filled one: a branch that sees far, and one that copies."""

    def __init__(self, w: int) -> None:
        super().__init__()
        for branch, hidden in (("b1", w), ("b2", 2 * w)):
            self.add_module(f"{branch}_conv1", _Gated(3, w // 2, 5))
            self.add_module(f"{branch}_down_block1", _Down(w // 2, w, hidden=w // 2))
            self.add_module(f"{branch}_down_block2", _Down(w, 2 * w, hidden=hidden))
        for i in range(1, 6):
            self.add_module(f"b1_conv_bn{i}", _Gated(2 * w, 2 * w, dilation=_DILATIONS.get(i, 1)))
        self.b2_conv_bn1 = _Gated(2 * w, 2 * w, active=F.relu)
        self.b2_conv_bn4, self.b2_conv_bn5 = _Gated(2 * w, 2 * w), _Gated(2 * w, 2 * w)
        self.conv_bn6, self.conv_bn7 = _Gated(4 * w, 2 * w), _Gated(2 * w, 2 * w)
        self.up_block1, self.up_block2 = _Up(2 * w, w), _Up(w, w // 4, hidden=w // 2)
        self.conv_to_rgb = _Gated(w // 4, 3, active=None)

    def forward(self, picture: Tensor, hole: Tensor) -> Tensor:
        seen, copied = picture, picture
        for name in ("conv1", "down_block1", "down_block2", *(f"conv_bn{i}" for i in range(1, 6))):
            seen = getattr(self, f"b1_{name}")(seen)
        for name in ("conv1", "down_block1", "down_block2", "conv_bn1"):
            copied = getattr(self, f"b2_{name}")(copied)
        copied = self.b2_conv_bn5(self.b2_conv_bn4(attended(copied, hole)))
        x = self.conv_bn7(self.conv_bn6(torch.cat([seen, copied], dim=1)))
        return self.conv_to_rgb(self.up_block2(self.up_block1(x))).tanh()  # type: ignore[no-any-return]


def attended(x: Tensor, hole: Tensor) -> Tensor:
    """Features (1, C, h, w) of even sides, each place a mean of those patches of what is known that are most like it.

    Args:
        x: the features.
        hole: of the picture, (1, 1, 4h, 4w), 1 = hole: a patch that touches it is not copied.
    """
    values = _patches(x, 2 * _RATE, _RATE)
    small = x[..., ::_RATE, ::_RATE]
    height, width = small.shape[2:]
    keys = _patches(small, 3, 1)
    alike = F.conv2d(small, keys / (keys.square() + 1e-4).sum((1, 2, 3), keepdim=True).sqrt(), padding=1)
    # Neighbours that are like neighbours count too, along rows and then along columns.
    alike = alike.view(height, width, height, width)
    for _ in range(2):
        alike = _along(alike).permute(1, 0, 3, 2)
    alike = alike.reshape(1, height * width, height, width)
    touched = _patches(hole[..., :: 4 * _RATE, :: 4 * _RATE], 3, 1)
    known = (touched.mean((1, 2, 3)) == 0).to(x).view(1, -1, 1, 1)
    weights = (_STEEP * alike * known).softmax(dim=1) * known
    return F.conv_transpose2d(weights, values, stride=_RATE, padding=1) / 4


def _patches(x: Tensor, side: int, stride: int) -> Tensor:
    """Patches of a map (1, C, h, w), row after row: (places, C, side, side)."""
    found = F.unfold(x, side, padding=(side - 1) // 2, stride=stride)
    return found[0].T.reshape(-1, x.shape[1], side, side)


def _along(alike: Tensor) -> Tensor:
    """Sums of three along the diagonal of a matrix of all places by all places."""
    size = alike.shape
    matrix = alike.reshape(1, 1, size[0] * size[1], size[2] * size[3])
    return F.conv2d(matrix, torch.eye(3).to(matrix).view(1, 1, 3, 3), padding=1).view(size)

"""Colorful image colorization (Zhang et al., ECCV 2016), and its interactive successor (SIGGRAPH 2017), as released.

Both take the lightness of CIELAB and give its ``a`` and ``b``. Layers are called as in the authors' PyTorch release:
``model1.0``, ``model1.2``, ... ``model_out``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.io.weights import built

#: What lightness and colour are divided by, and what is taken off lightness before.
_CENTRE, _LIGHT, _COLOUR = 50.0, 100.0, 110.0


def _block(
    channels: tuple[int, ...], *, stride: int = 1, dilation: int = 1, active: bool = False, normed: bool = True
) -> nn.Sequential:
    """Convolutions with ReLU, the last with a stride, and batch normalisation; ``active``: after a ReLU."""
    layers: list[nn.Module] = [nn.ReLU()] if active else []
    for i in range(1, len(channels)):
        step = stride if i == len(channels) - 1 else 1
        layers += [nn.Conv2d(channels[i - 1], channels[i], 3, step, dilation, dilation), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.BatchNorm2d(channels[-1])] if normed else []))


class ECCV16(nn.Module):
    """Classifies colours at a quarter of the size, and takes their annealed mean.

    Args:
        width: of the first layers; 64 as released.
        classes: of colours.
    """

    def __init__(self, width: int = 64, classes: int = 313) -> None:
        super().__init__()
        a, b, c, d = width, 2 * width, 4 * width, 8 * width
        self.model1 = _block((1, a, a), stride=2)
        self.model2 = _block((a, b, b), stride=2)
        self.model3 = _block((b, c, c, c), stride=2)
        self.model4 = _block((c, d, d, d))
        self.model5 = _block((d, d, d, d), dilation=2)
        self.model6 = _block((d, d, d, d), dilation=2)
        self.model7 = _block((d, d, d, d))
        tail = [nn.ReLU(), nn.Conv2d(c, c, 3, 1, 1), nn.ReLU(), nn.Conv2d(c, c, 3, 1, 1), nn.ReLU()]
        self.model8 = nn.Sequential(nn.ConvTranspose2d(d, c, 4, 2, 1), *tail, nn.Conv2d(c, classes, 1))
        self.model_out = nn.Conv2d(classes, 2, 1, bias=False)

    @classmethod
    def knows(cls, state: Mapping[str, Tensor]) -> bool:
        """Whether tensors are those of such a network, by their names."""
        return {"model1.0.weight", "model8.6.weight", "model_out.weight"} <= state.keys()

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Rebuild from tensors, whose shapes say all.

        Raises:
            WeightsError: they do not fit.
        """
        settings = {"width": state["model1.0.weight"].shape[0], "classes": state["model_out.weight"].shape[1]}
        return built(cls, "an ECCV16 colorization network", state, settings)

    def forward(self, light: Tensor) -> Tensor:
        """Lightness (N, 1, H, W) in 0..100 to ``a`` and ``b`` (N, 2, H, W); sides are multiples of 8."""
        x = (light - _CENTRE) / _LIGHT
        for i in range(1, 9):
            x = getattr(self, f"model{i}")(x)
        ab = self.model_out(x.softmax(dim=1))
        return _COLOUR * F.interpolate(ab, scale_factor=4, mode="bilinear", align_corners=False)


class SIGGRAPH17(nn.Module):
    """Predicts colours with the details of earlier layers; may be told of some, of which it is told none here.

    Args:
        width: of the first layers; 64 as released.
        classes: of colours, which its training looks at beside.
    """

    def __init__(self, width: int = 64, classes: int = 529) -> None:
        super().__init__()
        a, b, c, d = width, 2 * width, 4 * width, 8 * width
        self.model1, self.model2, self.model3 = _block((4, a, a)), _block((a, b, b)), _block((b, c, c, c))
        self.model4 = _block((c, d, d, d))
        self.model5, self.model6 = (_block((d, d, d, d), dilation=2) for _ in range(2))
        self.model7 = _block((d, d, d, d))
        self.model8up, self.model3short8 = _one(nn.ConvTranspose2d(d, c, 4, 2, 1)), _one(nn.Conv2d(c, c, 3, 1, 1))
        self.model8 = _block((c, c, c), active=True)
        self.model9up, self.model2short9 = _one(nn.ConvTranspose2d(c, b, 4, 2, 1)), _one(nn.Conv2d(b, b, 3, 1, 1))
        self.model9 = _block((b, b), active=True)
        self.model10up, self.model1short10 = _one(nn.ConvTranspose2d(b, b, 4, 2, 1)), _one(nn.Conv2d(a, b, 3, 1, 1))
        self.model10 = nn.Sequential(nn.ReLU(), nn.Conv2d(b, b, 3, 1, 1), nn.LeakyReLU(0.2))
        self.model_class = _one(nn.Conv2d(c, classes, 1))
        self.model_out = nn.Sequential(nn.Conv2d(b, 2, 1), nn.Tanh())

    @classmethod
    def knows(cls, state: Mapping[str, Tensor]) -> bool:
        """Whether tensors are those of such a network, by their names."""
        return {"model1.0.weight", "model10up.0.weight", "model_class.0.weight"} <= state.keys()

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Rebuild from tensors, whose shapes say all.

        Raises:
            WeightsError: they do not fit.
        """
        settings = {"width": state["model1.0.weight"].shape[0], "classes": state["model_class.0.weight"].shape[0]}
        return built(cls, "a SIGGRAPH17 colorization network", state, settings)

    def forward(self, light: Tensor) -> Tensor:
        """Lightness (N, 1, H, W) in 0..100 to ``a`` and ``b`` (N, 2, H, W); sides are multiples of 8."""
        none = torch.zeros_like(light).expand(-1, 3, -1, -1)  # of colours that are known, and where
        first = self.model1(torch.cat([(light - _CENTRE) / _LIGHT, none], dim=1))
        second = self.model2(first[..., ::2, ::2])
        third = self.model3(second[..., ::2, ::2])
        x = third[..., ::2, ::2]
        for i in range(4, 8):
            x = getattr(self, f"model{i}")(x)
        x = self.model8(self.model8up(x) + self.model3short8(third))
        x = self.model9(self.model9up(x) + self.model2short9(second))
        x = self.model10(self.model10up(x) + self.model1short10(first))
        ab: Tensor = _COLOUR * self.model_out(x)
        return ab


def _one(layer: nn.Module) -> nn.Sequential:
    """A layer that the release calls by a number too."""
    return nn.Sequential(layer)

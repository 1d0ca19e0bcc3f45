"""How much of each: the fusion of Eq. 5, and the networks that predict its weight ``phi``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.errors import UnknownNameError
from bigprior.tiling import in_tiles


def fuse(fidelity: Tensor, prior: Tensor, phi: Tensor) -> Tensor:
    """The restored picture (Eq. 5): each pixel's share ``phi`` from the prior, the rest from the measurement.

    Args:
        fidelity: ``g_inv(y)``, (N, 3, H, W).
        prior: ``G(z*)``, (N, 3, H, W), nominally in [0, 1].
        phi: (N, 1 or 3, H, W) in [0, 1]; 1 = all prior.
    """
    return (1 - phi) * fidelity + phi * prior


class UNetPhi(nn.Module):
    """A small U-Net that sees the measurement and the prior, and so can judge the prior that it weighs.

    Deviates: the paper's network sees ``y`` alone, and is unbounded as released; the sigmoid makes ``phi`` a share by
    construction.

    Args:
        widths: channels from the finest level to the coarsest; each further level halves the side.
        channels: of ``phi``: 1, a share a pixel, or 3, a share a pixel and colour.
        shuffle: the finest level works on blocks of this side, folded into channels: 2 costs a quarter of 1.
    """

    kind: ClassVar[str] = "unet"

    def __init__(self, widths: Sequence[int] = (24, 48, 96), channels: int = 1, shuffle: int = 1) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"widths": list(widths), "channels": channels, "shuffle": shuffle}
        self.shuffle = shuffle
        #: No pixel of ``phi`` depends on a pixel this far away; a multiple of the coarsest pixel, which is an eighth.
        self.reach = 8 * shuffle * 2 ** (len(widths) - 1)
        inputs = (9 * shuffle**2, *widths)
        self.down = nn.ModuleList(_block(c_in, c) for c_in, c in zip(inputs, widths, strict=False))
        self.up = nn.ModuleList(_block(c + deep, c) for c, deep in pairwise(widths))
        self.head = nn.Conv2d(widths[0], channels * shuffle**2, 3, padding=1)

    def forward(self, fidelity: Tensor, prior: Tensor) -> Tensor:
        """``g_inv(y)`` and ``G(z*)``, both (N, 3, H, W), any size, to ``phi`` (N, channels, H, W) in [0, 1]."""
        # Values far outside [0, 1] say no more than values a little outside, and could overflow.
        fidelity, prior = fidelity.clamp(-1, 2), prior.clamp(-1, 2)
        # The difference is what the decision is about; a convolution could form it, but starts from it sooner.
        x = torch.cat([fidelity - 0.5, prior - 0.5, prior - fidelity], dim=1)
        height, width = x.shape[2:]
        step = self.shuffle * 2 ** len(self.up)
        x = F.pad(x, (0, -width % step, 0, -height % step), mode="replicate")
        x = F.pixel_unshuffle(x, self.shuffle)
        skips = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else F.avg_pool2d(x, 2))
            skips.append(x)
        for block, skip in zip(reversed(self.up), reversed(skips[:-1]), strict=True):
            x = block(torch.cat([skip, F.interpolate(x, scale_factor=2.0, mode="nearest")], dim=1))
        # In single precision whatever the context: a bfloat16 share near 1 is 1, and learns nothing any more.
        return torch.sigmoid(F.pixel_shuffle(self.head(x).float(), self.shuffle))[:, :, :height, :width]


class DnCNNPhi(nn.Module):
    """The paper's network: 17 layers of DnCNN on ``y`` alone (Section IV-A), tensors named as in the released files.

    Args:
        channels_in: 1 for colorization, 3 otherwise.
        bounded: sigmoid of the output, so that ``phi`` is in [0, 1]. The released networks were trained without:
            they load with ``bounded=False``, which gives what was published and no shares.
    """

    kind: ClassVar[str] = "dncnn"

    def __init__(self, channels_in: int = 3, bounded: bool = True) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"channels_in": channels_in, "bounded": bounded}
        layers: list[nn.Module] = [nn.Conv2d(channels_in, 64, 3, padding=1, bias=False), nn.ReLU(inplace=True)]
        for _ in range(15):
            layers += [nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
        self.dncnn = nn.Sequential(*layers, nn.Conv2d(64, 3, 3, padding=1, bias=False))
        self.channels_in, self.bounded, self.reach = channels_in, bounded, 20

    def forward(self, fidelity: Tensor, prior: Tensor) -> Tensor:
        """``g_inv(y)`` (N, 3, H, W) to ``phi`` (N, 3, H, W); ``prior`` is not looked at."""
        y = fidelity[:, : self.channels_in].clamp(-1, 2) - 0.5
        phi = y - self.dncnn(y)
        return torch.sigmoid(phi) if self.bounded else phi


class ConstantPhi(nn.Module):
    """One share for every pixel: 0 gives the fidelity term, 1 the prior."""

    kind: ClassVar[str] = "constant"

    def __init__(self, value: float = 0.5) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"value": value}
        self.value, self.reach = value, 0

    def forward(self, fidelity: Tensor, prior: Tensor) -> Tensor:
        """``phi`` (N, 1, H, W)."""
        return torch.full_like(fidelity[:, :1], self.value)


@torch.no_grad()
def predict_phi(
    network: nn.Module, fidelity: Tensor, prior: Tensor, tile: int = 512, halo: int | None = None
) -> Tensor:
    """``phi`` of a picture of any size in bounded memory: tile by tile, each seen with ``halo`` pixels around it.

    The halo is by default the network's ``reach`` (64 where it names none), so that tiles leave no seam.
    """
    halo = getattr(network, "reach", 64) if halo is None else halo
    return in_tiles(network, fidelity, prior, tile=tile, halo=halo)


#: Every kind of phi network by name.
PHI_NETWORKS: dict[str, type[UNetPhi | DnCNNPhi | ConstantPhi]] = {c.kind: c for c in (UNetPhi, DnCNNPhi, ConstantPhi)}


def phi_network(kind: str, **settings: Any) -> nn.Module:
    """Build the phi network called ``kind``.

    Raises:
        UnknownNameError: no such kind.
    """
    if kind not in PHI_NETWORKS:
        raise UnknownNameError("phi network", kind, list(PHI_NETWORKS))
    return PHI_NETWORKS[kind](**settings)


def _block(c_in: int, c_out: int) -> nn.Sequential:
    conv = [nn.Conv2d(c_in, c_out, 3, padding=1), nn.GELU(), nn.Conv2d(c_out, c_out, 3, padding=1), nn.GELU()]
    return nn.Sequential(*conv)

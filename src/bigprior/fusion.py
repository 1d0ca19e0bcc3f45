"""How much of each: the fusion of Eq. 5, in any frame, and the networks that predict its weight ``phi``."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.errors import SettingsError, UnknownNameError
from bigprior.frames import Band, Bands, Frame, PixelFrame
from bigprior.frames import frame as make_frame


def fuse(fidelity: Tensor, prior: Tensor, phi: Tensor) -> Tensor:
    """The restored picture (Eq. 5): each pixel's share ``phi`` from the prior, the rest from the measurement.

    Args:
        fidelity: ``g_inv(y)``, (N, 3, H, W).
        prior: ``G(z*)``, (N, 3, H, W), nominally in [0, 1].
        phi: (N, 1 or 3, H, W) in [0, 1]; 1 = all prior.
    """
    measured, invented = terms(fidelity, prior, phi)
    return measured + invented


def terms(fidelity: Tensor, prior: Tensor, phi: Tensor) -> tuple[Tensor, Tensor]:
    """Both terms of Eq. 5 by themselves, of pixels or of coefficients: what is measured, and what is made up."""
    return (1 - phi) * fidelity, phi * prior


class UNetPhi(nn.Module):
    """A small U-Net that sees the measurement and the prior, and so can judge the prior that it weighs.

    Deviates: the paper's network sees ``y`` alone, and is unbounded as released; the sigmoid makes ``phi`` a share by
    construction.

    Args:
        widths: channels from the finest level to the coarsest; each further level halves the side.
        channels: of ``phi``: 1, a share a pixel, or 3, a share a pixel and colour.
        shuffle: the finest level works on blocks of this side, folded into channels: 2 costs a quarter of 1.
        sees_prior: without it, the measurement stands in the prior's place.
        bounded: sigmoid of the output; without it ``phi`` is a share no more.

    Raises:
        SettingsError: other ``channels``.
    """

    kind: ClassVar[str] = "unet"
    frame = PixelFrame.name

    def __init__(
        self,
        widths: Sequence[int] = (24, 48, 96),
        channels: int = 1,
        shuffle: int = 1,
        sees_prior: bool = True,
        bounded: bool = True,
    ) -> None:
        super().__init__()
        if channels not in (1, 3):
            raise SettingsError(f"channels is {channels}: expected 1, a share a pixel, or 3, one a pixel and colour")
        self.settings: dict[str, Any] = {
            "widths": list(widths),
            "channels": channels,
            "shuffle": shuffle,
            "sees_prior": sees_prior,
            "bounded": bounded,
        }
        self.shuffle, self.sees_prior, self.bounded = shuffle, sees_prior, bounded
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
        prior = prior if self.sees_prior else fidelity
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
        phi = F.pixel_shuffle(self.head(x).float(), self.shuffle)[:, :, :height, :width]
        return torch.sigmoid(phi) if self.bounded else phi


class DnCNNPhi(nn.Module):
    """The paper's network: 17 layers of DnCNN on ``y`` alone (Section IV-A), tensors named as in the released files.

    Args:
        channels_in: 1 for colorization, 3 otherwise.
        bounded: sigmoid of the output, so that ``phi`` is in [0, 1]. The released networks were trained without:
            they load with ``bounded=False``, which gives what was published and no shares.
    """

    kind: ClassVar[str] = "dncnn"
    frame = PixelFrame.name

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
    """One share for everything, in any frame: 0 gives the fidelity term, 1 the prior."""

    kind: ClassVar[str] = "constant"

    def __init__(self, value: float = 0.5, frame: str = "pixel") -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"value": value, "frame": frame}
        self.value, self.frame, self.reach = value, frame, 0


class BandPhi(nn.Module):
    """``phi`` of every coefficient of a frame, for any weight ``rho`` of what is made up.

    Of all ``phi`` that make the same error, the one that takes the least from the prior is wanted: with the prior's
    share of the variance as Eq. 14's second term, and a prior that is a posterior mean, ``1 - phi = S`` up to 1 with
    ``S = rho c^2 / (2 V d^2)``: ``c`` the coefficient, ``d^2`` the mean square of ``W g_inv(y) - W G(z*)`` around it,
    ``V`` the picture's variance. The network starts from ``phi = 1 / (1 + S)``, Eq. 8's form, and learns what to add to
    ``log S``; see ``docs/frames.md``.

    Args:
        frame: a name in :data:`bigprior.frames.FRAMES`.
        width: channels of the hidden layers.
        rho: the weight that it is used with unless another is asked for.
    """

    kind: ClassVar[str] = "bands"

    def __init__(self, frame: str = "wavelet", width: int = 32, rho: float = 1e-5) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"frame": frame, "width": width, "rho": rho}
        self.frame, self.rho = frame, rho
        self.bands = make_frame(frame).bands
        #: No coefficient's ``phi`` depends on a pixel this far away, the picture's mean and variance apart.
        self.reach = 5 * max(band.step for band in self.bands)
        self.layers = nn.ModuleDict()
        # Not a set, whose order changes from process to process, and with it which numbers each layer starts from.
        for kind, channels in dict.fromkeys((band.kind, band.channels) for band in self.bands):
            out = channels if kind in ("detail", "coarse") else 1
            head = nn.Conv2d(width, out, 3, padding=1)
            nn.init.zeros_(head.weight)
            nn.init.zeros_(cast(Tensor, head.bias))
            first = nn.Conv2d(3 * channels + 2, width, 3, padding=1)
            second = nn.Conv2d(width, width, 3, padding=1)
            self.layers[kind] = nn.Sequential(first, nn.GELU(), second, nn.GELU(), head)

    def forward(self, fidelity: Bands, prior: Bands, weight: Tensor, size: torch.Size) -> Bands:
        """Predict ``phi``.

        Args:
            fidelity, prior: bands of pictures without the prior picture's mean colour.
            weight: ``rho / V``, (N,).
            size: height and width of the pictures.

        Returns:
            A band of ``phi`` in [0, 1] for each: (N, C, h, w) in a wavelet frame, (N, 1, h, w) in others.
        """
        out = []
        log_weight = (weight.clamp(1e-6, 10) / 2).log().view(-1, 1, 1, 1)  # as far as it was trained
        for band, f, p in zip(self.bands, fidelity, prior, strict=True):
            layers = cast(nn.Sequential, self.layers[band.kind])
            # A square that lies half outside the picture holds half of the noise's energy: as if it were whole, it and
            # those around it can be compared.
            filled = _filled(band, size, f).clamp_min(1e-6)
            difference, energy = (f - p).square() / filled + 1e-9, p.square() / filled + 1e-9
            around = _mean_around(difference * filled) / _mean_around(filled)
            # A little is added, since the logarithm of a square near 0 says nothing and is far from all others.
            seen = [(energy / around + 0.03).log(), (difference / around + 0.03).log(), around.log()]
            seen += [log_weight.expand_as(f[:, :1]), (band.step * filled).log2().expand_as(f[:, :1])]
            # Chrominance is not measured where this frame is used: grey stands for it, and all that is not grey, be it
            # the mean colour, is made up. Elsewhere something is measured, even where that hardly shows.
            signal, least = (difference, -math.inf) if band.kind == "chrominance" else (energy, -5.0)
            if layers[-1].out_channels == 1:
                signal, around = signal.sum(1, keepdim=True), around.sum(1, keepdim=True)
            log_s = (log_weight + (signal / around).log()).clamp(least, 7) + layers(torch.cat(seen, dim=1) / 4)
            out.append(torch.sigmoid(-log_s))  # 1 / (1 + S)
        return out


@dataclass(frozen=True)
class Fusion:
    """Two pictures fused in a frame.

    Attributes:
        frame: its name.
        measured: what comes from the fidelity term, ``W^T (1 - phi) W g_inv(y)``, (N, 3, H, W).
        invented: what comes from the prior, ``W^T phi W G(z*)``, (N, 3, H, W); their sum is the restored picture.
        phi: the prior's share of each pixel, (N, 1 or 3, H, W) in [0, 1]. Pixel by pixel it is ``phi`` itself; in
            other frames, the share of the energy of the coefficients that cover the pixel, the mean colour apart.
        bands: ``phi`` itself, band by band.
        share: of the variance of the restored picture, what comes from the prior, (N,).
    """

    frame: str
    measured: Tensor
    invented: Tensor
    phi: Tensor
    bands: tuple[Tensor, ...]
    share: Tensor


@torch.no_grad()
def fuse_in_frame(
    network: nn.Module,
    fidelity: Tensor,
    prior: Tensor,
    *,
    rho: float | None = None,
    measured: Collection[str] = (),
    tile: int = 512,
) -> Fusion:
    """Fuse pictures of any size in the frame of a phi network, in bounded memory.

    Args:
        network: of :data:`PHI_NETWORKS`, or any of ``(fidelity, prior)`` to ``phi`` (N, 1 or 3, H, W).
        fidelity, prior: (N, 3, H, W).
        rho: weight of what is made up, for a network that takes one; its own by default. 0 gives the prior wherever it
            is better; more takes more from the measurement, and costs accuracy.
        measured: kinds of bands that are taken from the measurement as they are.
        tile: side of what is fused at once, each seen as far around as the network looks, so that tiles leave no seam.
    """
    frame = make_frame(getattr(network, "frame", PixelFrame.name))
    weight = (getattr(network, "rho", 0.0) if rho is None else rho) / variance(prior)
    height, width = prior.shape[2:]
    step = max(band.step for band in frame.bands)
    halo = -(-getattr(network, "reach", 64) // step) * step
    parts = [torch.empty_like(prior), torch.empty_like(prior)]
    bands: list[Tensor] = []
    for top, left in product(range(0, height, tile), range(0, width, tile)):
        y0, x0 = max(top - halo, 0), max(left - halo, 0)
        window = (..., slice(y0, top + tile + halo), slice(x0, left + tile + halo))
        phi = phi_bands(network, frame, fidelity[window], prior[window], centre(prior), weight)
        inner = (..., slice(top, top + tile), slice(left, left + tile))
        analysed = [frame.analyse(x[inner]) for x in (fidelity, prior)]
        for i, (band, f) in enumerate(zip(frame.bands, analysed[0], strict=True)):
            y, x, (h, w) = (top - y0) // band.step, (left - x0) // band.step, f.shape[2:]
            phi[i] = torch.zeros_like(phi[i]) if band.kind in measured else phi[i]
            phi[i] = phi[i][..., y : y + h, x : x + w]
            if len(bands) == i:
                size = (-(-height // step) * step // band.step, -(-width // step) * step // band.step)
                bands.append(phi[i].new_zeros(*phi[i].shape[:2], *size))
            y, x = top // band.step, left // band.step
            bands[i][..., y : y + h, x : x + w] = phi[i]
        weighted = [terms(*of_band) for of_band in zip(*analysed, phi, strict=True)]
        for part, of_bands in zip(parts, zip(*weighted, strict=True), strict=True):
            part[inner] = frame.synthesise(of_bands, *part[inner].shape[2:])
    shown, share = _shares(frame, parts[0] + parts[1], bands, tile)
    return Fusion(frame.name, parts[0], parts[1], shown, tuple(bands), share)


def fuse_pixels(fidelity: Tensor, prior: Tensor, phi: Tensor) -> Fusion:
    """Fuse pictures pixel by pixel with a ``phi`` (N, 1 or 3, H, W) that is known; the parts are Eq. 5's."""
    measured, invented = terms(fidelity, prior, phi)
    _, share = _shares(PixelFrame(), measured + invented, [phi], tile=max(phi.shape[2:]))
    return Fusion(PixelFrame.name, measured, invented, phi, (phi,), share)


def phi_bands(network: nn.Module, frame: Frame, fidelity: Tensor, prior: Tensor, mean: Tensor, weight: Tensor) -> Bands:
    """``phi`` of two pictures (N, 3, H, W), band by band, from any phi network.

    Args:
        network, frame: the network, and the frame that it is for.
        fidelity, prior: the pictures, or the same window of each.
        mean: the prior picture's mean colour, (N, 3, 1, 1).
        weight: ``rho`` over the prior picture's variance, (N,).
    """
    if isinstance(network, BandPhi):
        # Values far outside [0, 1] say no more than values a little outside, and could overflow.
        fidelity, prior = fidelity.clamp(-1, 2), prior.clamp(-1, 2)
        return network(frame.analyse(fidelity - mean), frame.analyse(prior - mean), weight, prior.shape[2:])
    if isinstance(network, ConstantPhi):
        return [torch.full_like(band, network.value) for band in frame.analyse(prior)]
    return [network(fidelity, prior)]


def centre(x: Tensor) -> Tensor:
    """Mean colour of pictures (N, 3, H, W), as (N, 3, 1, 1)."""
    return x.clamp(-1, 2).mean(dim=(2, 3), keepdim=True)


def variance(x: Tensor) -> Tensor:
    """Variance of pictures (N, 3, H, W) around their mean colour, (N,); that of a flat one is as if it were not."""
    return (x.clamp(-1, 2) - centre(x)).square().mean(dim=(1, 2, 3)).clamp_min(1e-6)


def _filled(band: Band, size: torch.Size, coefficients: Tensor) -> Tensor:
    """How much of the square of each coefficient (N, C, h, w) lies in a picture of ``size``: (1, 1, h, w) in [0, 1]."""
    rows, columns = (
        ((inside - band.step * torch.arange(count)) / band.step).clamp(0, 1)
        for inside, count in zip(size, coefficients.shape[2:], strict=True)
    )
    return (rows[:, None] * columns).to(coefficients)[None, None]


def _mean_around(x: Tensor) -> Tensor:
    """The mean of 5x5 neighbours in maps (N, C, h, w)."""
    return F.avg_pool2d(x, 5, stride=1, padding=2, count_include_pad=False)


def _shares(frame: Frame, restored: Tensor, phi: Bands, tile: int) -> tuple[Tensor, Tensor]:
    """The prior's share of each pixel, and of the variance, of a restored picture."""
    height, width = restored.shape[2:]
    mean, map_ = centre(restored), restored.new_zeros(len(restored), 1, height, width)
    total = torch.zeros(2, len(restored), dtype=torch.float64)  # not every device has doubles
    for top, left in product(range(0, height, tile), range(0, width, tile)):
        inner = (..., slice(top, top + tile), slice(left, left + tile))
        th, tw = map_[inner].shape[2:]
        sums = [torch.zeros_like(map_[inner]), torch.zeros_like(map_[inner])]
        for band, p, c in zip(frame.bands, phi, frame.analyse(restored[inner] - mean), strict=True):
            y, x, (h, w) = top // band.step, left // band.step, c.shape[2:]
            energy = c.square()
            for i, part in enumerate((energy * p[..., y : y + h, x : x + w], energy)):
                total[i] += part.sum(dim=(1, 2, 3)).cpu().double()
                spread = part.sum(dim=1, keepdim=True) / band.step**2
                sums[i] += F.interpolate(spread, scale_factor=float(band.step), mode="nearest")[..., :th, :tw]
        map_[inner] = sums[0] / sums[1].clamp_min(1e-12)
    pixel = len(phi) == 1
    return phi[0] if pixel else map_.clamp_(0, 1), (total[0] / total[1].clamp_min(1e-12)).to(restored)


#: Every kind of phi network by name.
PHI_NETWORKS: dict[str, type[UNetPhi | DnCNNPhi | ConstantPhi | BandPhi]] = {
    c.kind: c for c in (UNetPhi, DnCNNPhi, ConstantPhi, BandPhi)
}


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

"""How much of each: the fusion of Eq. 5, in pixels or in the coefficients of any frame."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.frames import Band, PixelFrame
from bigprior.frames import frame as make_frame
from bigprior.ops.tiling import Index, windows
from bigprior.phi import PhiNetwork


def fuse(fidelity: Tensor, prior: Tensor, phi: Tensor) -> Tensor:
    """The restored picture (Eq. 5): each pixel's share ``phi`` from the prior, the rest from the measurement.

    Args:
        fidelity: ``g_inv(y)``, (N, 3, H, W).
        prior: ``G(z*)``, (N, 3, H, W), nominally in [0, 1].
        phi: (N, 1 or 3, H, W) in [0, 1]; 1 = all prior.
    """
    measured, hallucinated = terms(fidelity, prior, phi)
    return measured + hallucinated


def terms(fidelity: Tensor, prior: Tensor, phi: Tensor) -> tuple[Tensor, Tensor]:
    """Both terms of Eq. 5 by themselves, of pixels or of coefficients: what is measured, and what is made up."""
    return (1 - phi) * fidelity, phi * prior


@dataclass(frozen=True)
class Fusion:
    """Two pictures fused in a frame.

    Attributes:
        frame: its name.
        measured: what comes from the fidelity term, ``W^T (1 - phi) W g_inv(y)``, (N, 3, H, W).
        hallucinated: what comes from the prior, ``W^T phi W G(z*)``, (N, 3, H, W); their sum is the restored picture.
        phi: the prior's share of each pixel, (N, 1 or 3, H, W) in [0, 1]. Pixel by pixel it is ``phi`` itself; in
            other frames, the share of the energy of the coefficients that cover the pixel, the mean colour apart.
        bands: ``phi`` itself, band by band; where squares overlap, the mean of a band's channels.
        share: of the variance of the restored picture, what comes from the prior, (N,).
    """

    frame: str
    measured: Tensor
    hallucinated: Tensor
    phi: Tensor
    bands: tuple[Tensor, ...]
    share: Tensor


@torch.no_grad()
def fuse_in_frame(
    network: PhiNetwork,
    fidelity: Tensor,
    prior: Tensor,
    *,
    rho: float | None = None,
    measured: Collection[str] = (),
    tile: int = 512,
) -> Fusion:
    """Fuse pictures of any size in the frame of a phi network, in bounded memory.

    Args:
        network: weighs, in its own frame.
        fidelity, prior: (N, 3, H, W).
        rho: weight of what is made up, for a network that takes one; its own by default. 0 gives the prior wherever it
            is better; more takes more from the measurement, and costs accuracy.
        measured: kinds of bands that are taken from the measurement as they are.
        tile: side of what is fused at once, each seen as far around as the network looks, so that tiles leave no seam.
    """
    frame = make_frame(network.frame)
    mean = centre(prior)
    whole = {"mean": mean, "weight": (network.rho if rho is None else rho) / variance(prior)}
    height, width = prior.shape[2:]
    coarsest, overlaps = max(band.step for band in frame.bands), any(band.side > band.step for band in frame.bands)
    # Where squares overlap, a pixel is made of coefficients that are seen beyond it as well.
    farthest = network.receptive_radius + (max(band.side for band in frame.bands) if overlaps else 0)
    halo = -(-farthest // coarsest) * coarsest
    parts = torch.empty_like(prior), torch.empty_like(prior)
    energies = torch.zeros_like(prior[:, :1]), torch.zeros_like(prior[:, :1])  # of all, and of what is made up
    total = torch.zeros(2, len(prior), dtype=torch.float64)  # not every device has doubles
    bands: list[Tensor] = []
    for window in windows(height, width, tile, halo):
        shown, kept, inner = window.shown, window.tile, window.inner
        phi = network(fidelity[shown], prior[shown], frame, **whole)
        constant = frame.analyse(mean.expand_as(prior[shown]))
        analysed = [frame.analyse(x[shown]) for x in (fidelity, prior)]
        weighted = []
        for i, (band, c, f, p) in enumerate(zip(frame.bands, constant, *analysed, strict=True)):
            p_phi = torch.zeros_like(phi[i]) if band.kind in measured else phi[i]
            weighted.append(terms(f, p, p_phi))
            energy = (sum(weighted[i]) - c).square()
            for j, part in enumerate((energy, p_phi * energy)):
                total[j] += _inside(part, inner, band.step, coarsest).sum(dim=(1, 2, 3)).cpu().double()
                energies[j][kept] += _spread(part.sum(dim=1, keepdim=True), band, prior[shown].shape[2:])[inner]
            if len(bands) == i:
                places = (-(-side // coarsest) * coarsest // band.step for side in (height, width))
                bands.append(p_phi.new_zeros(len(prior), 1 if overlaps else p_phi.shape[1], *places))
            top, left = (part.start // band.step for part in kept[1:])
            own = p_phi.mean(dim=1, keepdim=True) if overlaps else p_phi
            own = _inside(own, inner, band.step, coarsest)
            bands[i][..., top : top + own.shape[2], left : left + own.shape[3]] = own
        for part, of_bands in zip(parts, zip(*weighted, strict=True), strict=True):
            part[kept] = frame.synthesise(of_bands, *prior[shown].shape[2:])[inner]
    of_pixels = bands[0] if len(bands) == 1 else (energies[1] / energies[0].clamp_min(1e-12)).clamp_(0, 1)
    share = (total[1] / total[0].clamp_min(1e-12)).to(prior)
    return Fusion(frame.name, *parts, of_pixels, tuple(bands), share)


def fuse_pixels(fidelity: Tensor, prior: Tensor, phi: Tensor) -> Fusion:
    """Fuse pictures pixel by pixel with a ``phi`` (N, 1 or 3, H, W) that is known; the parts are Eq. 5's."""
    measured, hallucinated = terms(fidelity, prior, phi)
    restored = measured + hallucinated
    energy = (restored - centre(restored)).double().square()
    share = (phi * energy).sum(dim=(1, 2, 3)) / energy.sum(dim=(1, 2, 3)).clamp_min(1e-12)
    return Fusion(PixelFrame.name, measured, hallucinated, phi, (phi,), share.to(restored))


def _inside(coefficients: Tensor, inner: Index, step: int, coarsest: int) -> Tensor:
    """Those of a window's coefficients, ``step`` pixels apart, that are its tile's."""
    rows, columns = (slice(p.start // step, -(-p.stop // coarsest) * coarsest // step) for p in inner[1:])
    return coefficients[..., rows, columns]


def _spread(energy: Tensor, band: Band, size: Sequence[int]) -> Tensor:
    """The energy of coefficients (N, 1, h, w), spread over the pixels that each is about: (N, 1, H, W)."""
    height, width = size
    if band.side == band.step:
        spread = F.interpolate(energy / band.step**2, scale_factor=float(band.step), mode="nearest")
        return spread[..., :height, :width]
    for kernel in ((band.side, 1), (1, band.side)):
        around = tuple(side // 2 for side in kernel)
        energy = F.avg_pool2d(energy, kernel, stride=1, padding=around, count_include_pad=False)
    return energy[..., 1:-1, 1:-1]


def centre(x: Tensor) -> Tensor:
    """Mean colour of pictures (N, 3, H, W), as (N, 3, 1, 1)."""
    return x.clamp(-1, 2).mean(dim=(2, 3), keepdim=True)


def variance(x: Tensor) -> Tensor:
    """Variance of pictures (N, 3, H, W) around their mean colour, (N,); that of a flat one is as if it were not."""
    return (x.clamp(-1, 2) - centre(x)).square().mean(dim=(1, 2, 3)).clamp_min(1e-6)

"""How much of each: the fusion of Eq. 5, in pixels or in the coefficients of any frame."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.frames import Bands, Frame, PixelFrame
from bigprior.frames import frame as make_frame
from bigprior.ops.tiling import windows
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
        bands: ``phi`` itself, band by band.
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
    whole = {"mean": centre(prior), "weight": (network.rho if rho is None else rho) / variance(prior)}
    height, width = prior.shape[2:]
    coarsest = max(band.step for band in frame.bands)
    halo = -(-network.receptive_radius // coarsest) * coarsest
    parts = torch.empty_like(prior), torch.empty_like(prior)
    bands: list[Tensor] = []
    for window in windows(height, width, tile, halo):
        shown, kept = window.shown, window.tile
        phi = network(fidelity[shown], prior[shown], frame, **whole)
        analysed = [frame.analyse(x[kept]) for x in (fidelity, prior)]
        weighted = []
        for i, (band, f, p) in enumerate(zip(frame.bands, *analysed, strict=True)):
            p_phi = torch.zeros_like(phi[i]) if band.kind in measured else phi[i]
            top, left = (part.start // band.step for part in window.inner[1:])
            p_phi = p_phi[..., top : top + f.shape[2], left : left + f.shape[3]]
            if len(bands) == i:
                places = (-(-side // coarsest) * coarsest // band.step for side in (height, width))
                bands.append(p_phi.new_zeros(*p_phi.shape[:2], *places))
            top, left = (part.start // band.step for part in window.tile[1:])
            bands[i][..., top : top + f.shape[2], left : left + f.shape[3]] = p_phi
            weighted.append(terms(f, p, p_phi))
        for part, of_bands in zip(parts, zip(*weighted, strict=True), strict=True):
            part[kept] = frame.synthesise(of_bands, *part[kept].shape[2:])
    shares, share = _shares(frame, parts[0] + parts[1], bands, tile)
    return Fusion(frame.name, *parts, shares, tuple(bands), share)


def fuse_pixels(fidelity: Tensor, prior: Tensor, phi: Tensor) -> Fusion:
    """Fuse pictures pixel by pixel with a ``phi`` (N, 1 or 3, H, W) that is known; the parts are Eq. 5's."""
    measured, hallucinated = terms(fidelity, prior, phi)
    _, share = _shares(PixelFrame(), measured + hallucinated, [phi], tile=max(phi.shape[2:]))
    return Fusion(PixelFrame.name, measured, hallucinated, phi, (phi,), share)


def centre(x: Tensor) -> Tensor:
    """Mean colour of pictures (N, 3, H, W), as (N, 3, 1, 1)."""
    return x.clamp(-1, 2).mean(dim=(2, 3), keepdim=True)


def variance(x: Tensor) -> Tensor:
    """Variance of pictures (N, 3, H, W) around their mean colour, (N,); that of a flat one is as if it were not."""
    return (x.clamp(-1, 2) - centre(x)).square().mean(dim=(1, 2, 3)).clamp_min(1e-6)


def _shares(frame: Frame, restored: Tensor, phi: Bands, tile: int) -> tuple[Tensor, Tensor]:
    """The prior's share of each pixel, and of the variance, of a restored picture."""
    height, width = restored.shape[2:]
    mean, map_ = centre(restored), restored.new_zeros(len(restored), 1, height, width)
    total = torch.zeros(2, len(restored), dtype=torch.float64)  # not every device has doubles
    for window in windows(height, width, tile):
        kept = window.tile
        th, tw = map_[kept].shape[2:]
        sums = [torch.zeros_like(map_[kept]), torch.zeros_like(map_[kept])]
        for band, p, c in zip(frame.bands, phi, frame.analyse(restored[kept] - mean), strict=True):
            top, left = (part.start // band.step for part in window.tile[1:])
            energy = c.square()
            weighted = energy * p[..., top : top + c.shape[2], left : left + c.shape[3]]
            for i, part in enumerate((weighted, energy)):
                total[i] += part.sum(dim=(1, 2, 3)).cpu().double()
                spread = part.sum(dim=1, keepdim=True) / band.step**2
                sums[i] += F.interpolate(spread, scale_factor=float(band.step), mode="nearest")[..., :th, :tw]
        map_[kept] = sums[0] / sums[1].clamp_min(1e-12)
    pixel = len(phi) == 1
    return phi[0] if pixel else map_.clamp_(0, 1), (total[0] / total[1].clamp_min(1e-12)).to(restored)

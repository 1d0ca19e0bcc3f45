"""How much of each: the fusion of Eq. 5, in any frame, and the networks that predict its weight ``phi``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.frames import Bands, Frame, PixelFrame
from bigprior.frames import frame as make_frame
from bigprior.phi import BandPhi, ConstantPhi


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
    halo = -(-getattr(network, "receptive_radius", 64) // step) * step
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
    measured, hallucinated = terms(fidelity, prior, phi)
    _, share = _shares(PixelFrame(), measured + hallucinated, [phi], tile=max(phi.shape[2:]))
    return Fusion(PixelFrame.name, measured, hallucinated, phi, (phi,), share)


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

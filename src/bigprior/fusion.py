"""How much of each: the fusion of Eq. 5, in pixels or in the coefficients of any frame."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.degradations.terms import Fusion
from bigprior.frames import Band, Frame, PixelFrame
from bigprior.frames import frame as make_frame
from bigprior.ops.boxes import box_mean
from bigprior.ops.tiling import Index, windows
from bigprior.phi import PhiNetwork

__all__ = ["Fusion", "Split", "centre", "fuse", "fuse_in_frame", "fuse_pixels", "terms", "terms_of_result", "variance"]


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


def terms_of_result(fidelity: Tensor, restored: Tensor, phi: Tensor) -> tuple[Tensor, Tensor]:
    """Both terms of what is restored already: what is measured, and all that it has beside that."""
    measured = (1 - phi) * fidelity
    return measured, restored - measured


#: The two terms of coefficients, of ``g_inv(y)``, of another picture, and ``phi``.
Split = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


@torch.no_grad()
def fuse_in_frame(
    network: PhiNetwork,
    fidelity: Tensor,
    prior: Tensor,
    *,
    rho: float | Tensor | None = None,
    measured: Collection[str] = (),
    lost: Tensor | None = None,
    seen: tuple[Tensor, Tensor] | None = None,
    tile: int | None = None,
    split: Split = terms,
) -> Fusion:
    """Fuse pictures of any size in the frame of a phi network, in bounded memory.

    Where the frame has ``parts``, another frame with bands at the same places, what was weighed is told apart in that:
    grey is then grey, and not partly a colour that nobody added.

    Args:
        network: weighs, in its own frame.
        fidelity, prior: (N, 3, H, W).
        rho: weight of what is made up, one or one each, (N,), for a network that takes one; its own by default. 0 gives
            the prior wherever it is better; more takes more from the measurement, and costs accuracy.
        measured: kinds of bands that are taken from the measurement as they are.
        lost: (N, 1, H, W), 1 where nothing was measured: all of it is made up there, and of a coefficient that much.
        seen: both pictures as the network knows such, if ``fidelity`` and ``prior`` are on another scale, such as that
            of light: a smooth scale is a factor nearby, by which a share of coefficients does not change.
        tile: side of what is fused at once, each seen as far around as the network looks, so that tiles leave no seam;
            by default 512, and 384 of more than a megapixel, which takes much memory by itself.
        split: the two terms of coefficients; :func:`terms_of_result` where ``prior`` is restored already.
    """
    # Long for what one walk over the tiles gathers: both parts, phi, and its shares of all, of pixels and of kinds.
    frame = make_frame(network.frame)
    parts_of: Frame = getattr(frame, "parts", frame)
    if lost is not None:
        fidelity = torch.where(lost > 0, prior, fidelity)
    mean, known = centre(prior), (fidelity, prior) if seen is None else seen
    whole = {"mean": centre(known[1]), "weight": (network.rho if rho is None else rho) / variance(known[1])}
    height, width = prior.shape[2:]
    tile = tile or (512 if height * width <= 2**20 else 384)
    coarsest, overlaps = max(band.step for band in frame.bands), any(band.side > band.step for band in frame.bands)
    # Where squares overlap, a pixel is made of coefficients that are seen beyond it as well.
    farthest = network.receptive_radius + (max(band.side for band in frame.bands) if overlaps else 0)
    halo = -(-farthest // coarsest) * coarsest
    parts = torch.empty_like(prior), torch.empty_like(prior)
    energies = torch.zeros_like(prior[:, :1]), torch.zeros_like(prior[:, :1])  # of all, and of what is made up
    light = [x.new_zeros(len(prior), 1, 1, 1) for x in energies]
    total = torch.zeros(len(frame.bands), 2, len(prior), dtype=torch.float64)  # not every device has doubles
    stands_in = any(band.signal == "difference" for band in parts_of.bands)
    bands: list[Tensor] = []
    for window in windows(height, width, tile, halo):
        shown, kept, inner = window.shown, window.tile, window.inner
        phi = network(known[0][shown], known[1][shown], frame, **whole)
        if lost is not None:
            phi = [
                1 - (1 - p) * (1 - _covered(lost[shown], band, p.shape[2:]))
                for p, band in zip(phi, frame.bands, strict=True)
            ]
        constant = parts_of.analyse(mean.expand_as(prior[shown]))
        analysed = [parts_of.analyse(x[shown]) for x in (fidelity, prior)]
        weighted = []
        for i, (band, c, f, p) in enumerate(zip(parts_of.bands, constant, *analysed, strict=True)):
            p_phi = torch.zeros_like(phi[i]) if band.kind in measured else phi[i]
            weighted.append(split(f, p, p_phi))
            of_all = _energies(band, weighted[i], p_phi, c)
            for j, part in enumerate(of_all):
                total[i, j] += _inside(part, inner, band.step, coarsest).sum(dim=(1, 2, 3)).cpu().double()
            strengths = [part.sum(dim=1, keepdim=True) for part in of_all]
            if stands_in:  # as strong as it looks: squares of pale colours are next to nothing
                strengths = [part.sum(dim=1, keepdim=True) for part in _energies(band, weighted[i], p_phi, 0)]
                strengths = [part / strengths[0].sqrt().clamp_min(1e-6) for part in strengths]
            for j, part in enumerate(strengths):
                spread = _spread(part, band, prior[shown].shape[2:])[inner]
                if stands_in and band.signal == "prior":  # in the dark a colour is no stronger, but less is seen of it
                    light[j] += spread.sum(dim=(1, 2, 3), keepdim=True)
                else:
                    energies[j][kept] += spread
            if len(bands) == i:
                places = (-(-side // coarsest) * coarsest // band.step for side in (height, width))
                bands.append(p_phi.new_zeros(len(prior), 1 if overlaps else p_phi.shape[1], *places))
            top, left = (part.start // band.step for part in kept[1:])
            own = p_phi.mean(dim=1, keepdim=True) if overlaps else p_phi
            own = _inside(own, inner, band.step, coarsest)
            bands[i][..., top : top + own.shape[2], left : left + own.shape[3]] = own
        for part, of_bands in zip(parts, zip(*weighted, strict=True), strict=True):
            part[kept] = parts_of.synthesise(of_bands, *prior[shown].shape[2:])[inner]
        del phi, constant, analysed, weighted  # else they are held while the next window is weighed
    for part, of_light in zip(energies, light, strict=True):
        part += of_light / (height * width)
    of_pixels = bands[0] if len(bands) == 1 else (energies[1] / energies[0].clamp_min(1e-12)).clamp_(0, 1)
    kinds: dict[str, Tensor] = {}
    for kind in dict.fromkeys(band.kind for band in frame.bands):
        kinds[kind] = _share(total[[band.kind == kind for band in frame.bands]].sum(dim=0)).to(prior)
    fused = Fusion(frame.name, *parts, of_pixels, tuple(bands), _share(total.sum(dim=0)).to(prior), kinds)
    return fused if lost is None else _all_made_up(fused, lost > 0)


def fuse_pixels(fidelity: Tensor, prior: Tensor, phi: Tensor, split: Split = terms) -> Fusion:
    """Fuse pictures pixel by pixel with a ``phi`` (N, 1 or 3, H, W) that is known; the parts are Eq. 5's."""
    measured, hallucinated = split(fidelity, prior, phi)
    restored = measured + hallucinated
    energy = (restored - centre(restored)).double().square()
    share = (phi * energy).sum(dim=(1, 2, 3)) / energy.sum(dim=(1, 2, 3)).clamp_min(1e-12)
    return Fusion(PixelFrame.name, measured, hallucinated, phi, (phi,), share.to(restored))


def _all_made_up(fused: Fusion, lost: Tensor) -> Fusion:
    """Where pixels (N, 1, H, W) are lost, nothing is measured; their coefficients had shares of others beside them."""
    return replace(
        fused,
        measured=torch.where(lost, 0.0, fused.measured),
        hallucinated=torch.where(lost, fused.measured + fused.hallucinated, fused.hallucinated),
        phi=torch.where(lost, 1.0, fused.phi),
    )


def _covered(lost: Tensor, band: Band, places: Sequence[int]) -> Tensor:
    """The share of each coefficient's square of pixels that is lost, (N, 1, h, w), of a window (N, 1, H, W)."""
    if band.side > band.step:
        return box_mean(lost, band.side)
    height, width = (count * band.step - side for count, side in zip(places, lost.shape[2:], strict=True))
    return F.avg_pool2d(F.pad(lost, (0, width, 0, height)), band.step)


def _share(total: Tensor) -> Tensor:
    """What is made up, of all and of that, (2, N): (N,)."""
    return total[1] / total[0].clamp_min(1e-12)


def _energies(band: Band, parts: tuple[Tensor, Tensor], phi: Tensor, constant: Tensor | int) -> tuple[Tensor, Tensor]:
    """The energy of a band's fused coefficients, (N, C, h, w), around ``constant``, and what of it is made up.

    Where something else stands for what was not measured, and the measurement has none of its own, all of it is made
    up, however much of what the prior offered was taken.
    """
    measured, hallucinated = parts
    if band.signal == "prior":
        energy = (measured + hallucinated - constant).square()
        return energy, phi * energy
    energy = (measured + hallucinated).square()
    return energy, torch.where((measured == 0).all(dim=1, keepdim=True), 1, phi) * energy


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
    return box_mean(energy, band.side)[..., 1:-1, 1:-1]


def centre(x: Tensor) -> Tensor:
    """Mean colour of pictures (N, 3, H, W), as (N, 3, 1, 1)."""
    return x.clamp(-1, 2).mean(dim=(2, 3), keepdim=True)


def variance(x: Tensor) -> Tensor:
    """Variance of pictures (N, 3, H, W) around their mean colour, (N,); that of a flat one is as if it were not."""
    return (x.clamp(-1, 2) - centre(x)).square().mean(dim=(1, 2, 3)).clamp_min(1e-6)

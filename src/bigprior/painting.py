"""phi painted over a restoration: what a person keeps as it was measured, and what may be made up. No prior is asked.

Eq. 5 with another ``phi`` where somebody painted it: 0 where the measurement is to be kept, 1 where the prior may say
it all. Elsewhere the picture stays as it was, bit for bit.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from bigprior.errors import MaskError
from bigprior.fusion import centre
from bigprior.io.arrays import described
from bigprior.restoration import Restoration


def painted(restoration: Restoration, keep: Tensor | None = None, made_up: Tensor | None = None) -> Restoration:
    """A restoration with ``phi`` as a person painted it.

    Where both are painted, the measurement is kept. The share that is made up is that of what was not painted, and all
    that may be made up. The shares of kinds of bands are nobody's any more.

    Args:
        restoration: as it was before.
        keep: where ``phi`` becomes 0, (1 or N, 1, H, W) of 0 and 1.
        made_up: where ``phi`` becomes 1, the same.

    Returns:
        The restoration, whose record says under ``capped`` how much was painted.

    Raises:
        MaskError: masks of another size, or of other values than 0 and 1.
    """
    for name, mask in (("keep", keep), ("made_up", made_up)):
        if mask is not None:
            _check(name, mask, restoration)
    if keep is None and made_up is None:
        return restoration
    r, none = restoration, torch.zeros_like(restoration.phi[:, :1])
    keep, free = (none if mask is None else mask.to(none).expand_as(none) for mask in (keep, made_up))
    free = free * (1 - keep)
    energy, phi = _energy(r.restored), r.phi.mean(dim=1, keepdim=True)
    parts = {name: getattr(r, name).clone() for name in ("restored", "measured", "hallucinated", "phi")}
    window = _window(keep + free)
    for name, of_keep, of_free in (
        ("restored", r.fidelity, r.prior),
        ("measured", r.fidelity, None),
        ("hallucinated", None, r.prior),
        ("phi", None, torch.ones_like(r.phi)),
    ):
        for mask, value in ((keep[window], of_keep), (free[window], of_free)):
            part = parts[name][window]
            part.copy_(torch.where(mask > 0, 0.0 if value is None else value[window], part))
    energies = _energy(parts["restored"])
    # Of all that was made up, the part that is not painted over; and all that is painted.
    left = _sum(phi * energy * (1 - keep - free)) / _sum(phi * energy).clamp_min(1e-12)
    share = (r.share.double() * left * _sum(energy) + _sum(energies * free)) / _sum(energies).clamp_min(1e-12)
    said = {"kept": _means(keep), "made_up": _means(free)}
    capped = r.provenance.get("capped", {}) | {"painted": said}
    bands = tuple(
        torch.maximum(b * (1 - keep), free) if b.shape[2:] == keep.shape[2:] else b for b in r.bands if b is not r.phi
    )
    return replace(
        r,
        **parts,
        bands=bands or (parts["phi"],),
        share=share.clamp(0, 1).to(r.share),
        provenance={**r.provenance, "capped": capped},
        kinds={},
    )


def _window(mask: Tensor) -> tuple[slice, ...]:
    """The smallest window that holds all of masks (N, 1, H, W): a brush is small, and pictures are large."""
    there = mask.amax(dim=(0, 1)) > 0
    spans = [there.any(dim=1).nonzero(), there.any(dim=0).nonzero()]
    if not len(spans[0]):
        return slice(None), slice(None), slice(0), slice(0)
    return slice(None), slice(None), *(slice(int(span[0]), int(span[-1]) + 1) for span in spans)


def _energy(restored: Tensor) -> Tensor:
    """Of each pixel, around the mean colour, (N, 1, H, W)."""
    return (restored - centre(restored)).square_().sum(dim=1, keepdim=True)


def _sum(values: Tensor) -> Tensor:
    """Of each picture, (N,), as a double."""
    return values.sum(dim=(1, 2, 3), dtype=torch.float64)


def _means(mask: Tensor) -> list[float]:
    return [round(float(where.mean()), 6) for where in mask]


def _check(name: str, mask: Tensor, restoration: Restoration) -> None:
    height, width = restoration.restored.shape[2:]
    fits = mask.ndim == 4 and mask.shape[0] in (1, len(restoration)) and mask.shape[1:] == (1, height, width)
    if not fits or not bool(((mask == 0) | (mask == 1)).all()):
        raise MaskError(f"{name} is {described(mask)}: expected (1 or N, 1, {height}, {width}) of 0 and 1")

"""A rival of phi's map: how far wavelet coefficients may be off, by conformalized quantile regression.

After the description of the Conformal Hallucination Estimation Metric (CHEM; Li et al., arXiv 2512.09806), which sees a
restored picture alone. Of each band of a wavelet transform that keeps every place, with w of the restored picture and t
of the truth:

    q(w)     the (1 - alpha)-quantile of |w - t| among calibrating coefficients that are as large as w
    Q        the (1 - alpha)-quantile of |w - t| - q(w) among others: conformalized
    |w - t| <= q(w) + Q     for 1 - alpha of the coefficients of pictures that are drawn alike
    map      the root of the sum of (q(w) + Q)^2 over the bands of a pixel
    excess   the mean of max(0, |w - t| - q(w) - Q), where the truth is known

Deviates: where the paper's regression is by networks, ours is by the size of the coefficient, in bins; a Haar transform
stands for its wavelets and shearlets. So a figure here is of this map, and not of the paper's.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.errors import SettingsError

#: Scales of the transform, and bins of a coefficient's size.
_LEVELS, _BINS = 3, 16
#: Places of each picture that are kept to calibrate on.
_PLACES = 8000
#: The package whose transform it is.
PACKAGE = "pywt"


def is_installed() -> bool:
    """Whether there is a wavelet transform to calibrate with."""
    return find_spec(PACKAGE) is not None


class Chem:
    """Intervals for the errors of wavelet coefficients.

    Args:
        known: restored pictures (1, 3, H, W) in [0, 1], with their truth, and 1 where a pixel is unknown, (1, 1, H, W).
            Quantiles are found on every other one, and conformalized on those between.
        alpha: the share of the errors that may be larger.

    Raises:
        SettingsError: fewer than two pictures, or PyWavelets is not installed.
    """

    def __init__(self, known: Iterable[tuple[Tensor, Tensor, Tensor]], alpha: float = 0.1) -> None:
        halves: tuple[list[tuple[Tensor, Tensor]], list[tuple[Tensor, Tensor]]] = ([], [])
        rng = torch.Generator().manual_seed(0)
        for i, (restored, truth, free) in enumerate(known):
            w = _bands(restored)
            error = (w - _bands(truth)).abs()
            places = (free[0, 0] > 0).flatten().nonzero()[:, 0]
            if len(places):
                places = places[torch.randint(len(places), (_PLACES,), generator=rng)]
                halves[i % 2].append((_at(w.abs(), places), _at(error, places)))
        if not all(halves):
            raise SettingsError("CHEM needs at least two pictures with something unknown to calibrate on")
        (size, error), (other_size, other_error) = (
            tuple(torch.cat(rows, dim=1) for rows in zip(*half, strict=True)) for half in halves
        )
        steps = torch.arange(1, _BINS) / _BINS
        self._edges = torch.stack([_quantiles(row, steps) for row in size])
        index = self._bin(size)
        usual = torch.stack([_quantiles(row, torch.tensor([1 - alpha])) for row in error])  # of a bin that is empty
        self._q = usual.repeat(1, _BINS)
        for band in range(len(size)):
            for i in range(_BINS):
                if bool((inside := index[band] == i).any()):
                    self._q[band, i] = _quantiles(error[band][inside], torch.tensor([1 - alpha]))[0]
        n = other_error.shape[1]
        level = min(1.0, (1 - alpha) * (1 + 1 / n))
        over = other_error - self._q.gather(1, self._bin(other_size))
        self._conformal = torch.stack([_quantiles(row, torch.tensor([level]))[0] for row in over])

    def map(self, restored: Tensor) -> Tensor:
        """How far a picture (1, 3, H, W) may be off, (1, 1, H, W), on the scale of pictures."""
        half = self._half(_bands(restored))
        return half.square().sum(dim=0).mean(dim=0).sqrt()[None, None]

    def excess(self, restored: Tensor, truth: Tensor, free: Tensor) -> float:
        """How much larger than they may be the errors of coefficients are, the mean over unknown pixels."""
        w = _bands(restored)
        over = ((w - _bands(truth)).abs() - self._half(w)).clamp_min(0)
        places = free[0, 0] > 0
        return float(over[..., places].mean()) if bool(places.any()) else 0.0

    def _half(self, w: Tensor) -> Tensor:
        """The most that each coefficient may be off, (bands, 3, H, W)."""
        rows = w.abs().flatten(1)
        half = self._q.gather(1, self._bin(rows)) + self._conformal[:, None]
        return half.clamp_min(0).view_as(w)

    def _bin(self, size: Tensor) -> Tensor:
        """The bins of the sizes of coefficients (bands, places)."""
        return torch.searchsorted(self._edges, size.contiguous())


def _bands(x: Tensor) -> Tensor:
    """An undecimated Haar transform of a picture (1, 3, H, W) that keeps its energy, (bands, 3, H, W).

    Raises:
        SettingsError: PyWavelets is not installed.
    """
    if not is_installed():
        raise SettingsError("PyWavelets, whose transform CHEM takes, is not installed: pip install 'bigprior[bench]'")
    pywt: Any = import_module(PACKAGE)
    height, width = x.shape[2:]
    below, right = (-side % 2**_LEVELS for side in (height, width))
    padded = F.pad(x, (0, right, 0, below), mode="replicate")[0]
    coarse, *details = pywt.swt2(padded.numpy(), "haar", _LEVELS, norm=True, trim_approx=True, axes=(1, 2))
    bands = [coarse, *(band for level in details for band in level)]
    return torch.stack([torch.as_tensor(band)[:, :height, :width].float() for band in bands])


def _at(bands: Tensor, places: Tensor) -> Tensor:
    """Of bands (bands, 3, H, W), the coefficients of all channels at some places, (bands, 3 * places)."""
    return bands.flatten(2)[:, :, places].flatten(1)


def _quantiles(row: Tensor, at: Tensor) -> Tensor:
    """Quantiles of a row of any length."""
    ordered = row.sort().values
    return ordered[(at * len(ordered)).ceil().long().sub(1).clamp(0, len(ordered) - 1)]

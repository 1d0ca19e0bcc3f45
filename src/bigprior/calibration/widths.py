"""Half-widths of intervals around a restored picture: a closed formula of what there is to see.

    log h = c_0 + sum_k [ a_k z_k + b_k (z_k^2 - 1) ]        z_k = (signal_k, at most as far as any seen, - m_k) / s_k

Its coefficients are fitted on pictures apart from those that calibrate. The interval that is shortest on average, with
a share ``alpha`` of the values outside, is wanted:

    min  mean(h) / h_0  +  k P( |error| > h )

whose second term is smoothed on a logarithmic scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from bigprior.calibration.signals import REACH, Parts, Whole, signals
from bigprior.errors import SettingsError
from bigprior.ops.tiling import windows
from bigprior.settings import Settings

#: Pixels of each picture that a fit looks at, steps of it, and where they begin.
_PIXELS, _STEPS, _RATE = 2000, 250, 0.05
#: What a value outside costs, in mean widths, and over how much of a logarithm it is counted; the weight of squares of
#: coefficients. Chosen on LSUN 180-199.
_COST, _SMOOTH, _RIDGE = 6.0, 0.2, 3e-3
#: Errors below this count as it, and signals that vary less than this say nothing.
_LEAST, _STILL = 1e-4, 1e-6
#: Side of what half-widths are found of at once, in pixels.
_TILE = 1024
#: Signals are taken for at most as low and as high as all but so many of those that a fit has seen.
_TAIL = 0.01


class Term(Settings):
    """A signal in the formula.

    Attributes:
        low, high: as far as it counts.
        mean, scale: of it.
        linear, square: coefficients.
    """

    low: float
    high: float
    mean: float
    scale: float
    linear: float
    square: float

    def of(self, signal: Tensor) -> Tensor:
        """What it adds to the logarithm."""
        z = (signal.clamp(self.low, self.high) - self.mean) / self.scale
        return self.linear * z + self.square * (z.square() - 1)


class Widths(Settings):
    """The formula.

    Attributes:
        constant: the logarithm that all terms are added to.
        terms: by the signal's name; signals without a term say nothing.
    """

    constant: float
    terms: dict[str, Term]

    def half(self, parts: Parts) -> Tensor:
        """Half-widths before they are scaled, (N, 3, H, W), above 0 where a pixel is free and 0 elsewhere."""
        log, whole = torch.full_like(parts.restored, self.constant), Whole.of(parts)
        for window in windows(log.shape[2], log.shape[3], _TILE, REACH):  # a large picture has no room for its signals
            for name, signal in signals(parts.window(window.shown), whole):
                if name in self.terms:
                    log[window.tile] += self.terms[name].of(signal).expand_as(log[window.shown])[window.inner]
        return log.exp_().mul_(parts.free)


class Seen:
    """What a fit is made on: some values of each picture, gathered picture by picture."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._signals: list[Tensor] = []
        self._errors: list[Tensor] = []
        self._rng = torch.Generator().manual_seed(0)

    def add(self, parts: Parts, truth: Tensor) -> None:
        """Look at one picture (1, 3, H, W), whose truth is known."""
        free = parts.free.expand_as(truth)[0].flatten() > 0
        places = free.nonzero()[:, 0]
        if not len(places):
            return
        places = places[torch.randint(len(places), (_PIXELS,), generator=self._rng)]
        columns = []
        self.names = []
        for name, signal in signals(parts):
            self.names.append(name)
            columns.append(signal.expand_as(truth)[0].flatten()[places])
        self._signals.append(torch.stack(columns, dim=1))
        self._errors.append((parts.restored - truth)[0].abs().flatten()[places])

    def fitted(self, alpha: float) -> Widths:
        """The formula with the shortest intervals that leave about ``alpha`` of the values outside.

        Raises:
            SettingsError: no pictures, or no error in them.
        """
        if not self._errors:
            raise SettingsError("there are no pictures to fit half-widths on that have anything unknown: pass more")
        x, error = torch.cat(self._signals), torch.cat(self._errors)
        low, high = (torch.quantile(x[:: max(1, len(x) // 100_000)], q, dim=0) for q in (_TAIL, 1 - _TAIL))
        x = x.clamp(low, high)
        mean, scale = x.mean(dim=0), x.std(dim=0)
        said = scale > _STILL
        z = (x[:, said] - mean[said]) / scale[said]
        rows = torch.cat([torch.ones_like(z[:, :1]), z, z.square() - 1], dim=1)
        weights = _shortest(rows, error, alpha)
        linear, square = weights[1:].chunk(2)
        kept = [name for name, is_said in zip(self.names, said.tolist(), strict=True) if is_said]
        columns = (low[said], high[said], mean[said], scale[said], linear, square)
        values = [[_short(value) for value in column.tolist()] for column in columns]
        fields = ("low", "high", "mean", "scale", "linear", "square")
        terms = {
            name: Term(**dict(zip(fields, row, strict=True)))
            for name, row in zip(kept, zip(*values, strict=True), strict=True)
        }
        return Widths(constant=_short(float(weights[0])), terms=terms)


def _shortest(rows: Tensor, error: Tensor, alpha: float) -> Tensor:
    first = float(torch.quantile(error[:: max(1, len(error) // 100_000)], 1 - alpha).clamp_min(_LEAST))
    log_error = error.clamp_min(_LEAST).log()
    weights = torch.zeros(rows.shape[1])
    weights[0] = math.log(first)
    weights.requires_grad_()
    optimizer = torch.optim.Adam([weights], lr=_RATE)
    for step in range(_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * (1 - step / _STEPS)
        with torch.enable_grad():
            log_half = rows @ weights
            outside = torch.sigmoid((log_error - log_half) / _SMOOTH).mean()
            loss = log_half.exp().mean() / first + _COST * outside + _RIDGE * weights[1:].square().sum()
            optimizer.zero_grad()
            loss.backward()
        optimizer.step()
    return weights.detach()


def _short(value: float, digits: int = 6) -> float:
    """A number as a small file holds it."""
    return float(f"{value:.{digits}g}")


def outside(errors: Tensor, half: Tensor, free: Tensor, scales: Sequence[float]) -> Tensor:
    """The share of a picture's unknown values whose error is more than its half-width times each scale, (scales,).

    Args:
        errors, half: (1, 3, H, W), both 0 or more.
        free: (1, 1, H, W), 1 where a pixel is unknown; a picture without such has nothing outside.
        scales: that grow.
    """
    inside = free.expand_as(errors) > 0
    ratio = (errors[inside] / half[inside].clamp_min(1e-12)).sort().values.double()
    if not len(ratio):
        return torch.zeros(len(scales), dtype=torch.float64)
    return 1 - torch.searchsorted(ratio, torch.tensor(scales, dtype=torch.float64), right=True) / len(ratio)

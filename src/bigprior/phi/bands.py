"""``phi`` of every coefficient of a frame."""

from __future__ import annotations

import math
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from bigprior.frames import Band, Bands, Frame
from bigprior.frames import frame as make_frame
from bigprior.ops.boxes import box_mean
from bigprior.phi.base import PhiNetwork


class BandPhi(PhiNetwork):
    """``phi`` of every coefficient of a frame, for any weight ``rho`` of what is made up.

    Of all ``phi`` that make the same error, the one that takes the least from the prior is wanted: with the prior's
    share of the variance as Eq. 14's second term, and a prior that is a posterior mean, ``1 - phi = S`` up to 1 with
    ``S = rho c^2 / (2 V d^2)``: ``c`` the coefficient, ``d^2`` the mean square of ``W g_inv(y) - W G(z*)`` around it,
    ``V`` the picture's variance. The network starts from ``phi = 1 / (1 + S)``, Eq. 8's form, and learns what to add to
    ``log S``; see ``docs/explanation/frames.md``.

    Args:
        frame: a name in :data:`bigprior.frames.FRAMES`.
        width: channels of the hidden layers.
        rho: the weight that it is used with unless another is asked for.
    """

    kind: ClassVar[str] = "bands"
    has_knob = True

    def __init__(self, frame: str = "wavelet", width: int = 32, rho: float = 1e-5) -> None:
        bands = make_frame(frame).bands
        settings = {"frame": frame, "width": width, "rho": rho}
        super().__init__(frame, 5 * max(band.step for band in bands), settings)
        self.rho = rho
        self.layers = nn.ModuleDict()
        # Not a set, whose order changes from process to process, and with it which numbers each layer starts from.
        for kind, channels, shared in dict.fromkeys((band.kind, band.channels, band.shared) for band in bands):
            self.layers[kind] = correction(3 * channels + 2, width, 1 if shared else channels, kernel=3)

    def forward(self, fidelity: Tensor, prior: Tensor, frame: Frame, *, mean: Tensor, weight: Tensor) -> Bands:
        """Predict ``phi``, as :meth:`PhiNetwork.forward` has it."""
        size = prior.shape[2:]
        # Values far outside [0, 1] say no more than values a little outside, and could overflow.
        fidelities, priors = (frame.analyse(x.clamp(-1, 2) - mean) for x in (fidelity, prior))
        out = []
        log_weight = log_half(weight)
        for band, f, p in zip(frame.bands, fidelities, priors, strict=True):
            layers = cast(nn.Sequential, self.layers[band.kind])
            # A square that lies half outside the picture holds half of the noise's energy: as if it were whole, it and
            # those around it can be compared.
            filled = _filled(band, size, f).clamp_min(1e-6)
            difference, energy = (f - p).square() / filled + 1e-9, p.square() / filled + 1e-9
            around = _mean_around(difference * filled) / _mean_around(filled)
            # A little is added, since the logarithm of a square near 0 says nothing and is far from all others.
            seen = [(energy / around + 0.03).log(), (difference / around + 0.03).log(), around.log()]
            seen += [log_weight.expand_as(f[:, :1]), (band.step * filled).log2().expand_as(f[:, :1])]
            log_s = start(band, energy, difference, around, log_weight) + layers(torch.cat(seen, dim=1) / 4)
            out.append(torch.sigmoid(-log_s))  # 1 / (1 + S)
        return out


def correction(inputs: int, width: int, outputs: int, *, kernel: int) -> nn.Sequential:
    """The layers that learn what to add to ``log S``: nothing, to begin with."""
    head = nn.Conv2d(width, outputs, kernel, padding=kernel // 2)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(cast(Tensor, head.bias))
    first = nn.Conv2d(inputs, width, kernel, padding=kernel // 2)
    second = nn.Conv2d(width, width, kernel, padding=kernel // 2)
    return nn.Sequential(first, nn.GELU(), second, nn.GELU(), head)


def log_half(weight: Tensor) -> Tensor:
    """``log(rho / 2V)`` of weights (N,), as far as networks are trained: (N, 1, 1, 1)."""
    return (weight.clamp(1e-6, 10) / 2).log().view(-1, 1, 1, 1)


def start(band: Band, energy: Tensor, difference: Tensor, around: Tensor, log_weight: Tensor) -> Tensor:
    """``log S`` of Eq. 8's form, which networks start from: (N, C, h, w), or (N, 1, h, w) where a band shares it.

    Args:
        band: what the coefficients are.
        energy, difference: squares of the prior's coefficients, and of how far the measurement's are from them.
        around: the mean of ``difference`` around each.
        log_weight: as :func:`log_half` gives it.
    """
    # Where something else stands for what was not measured, all that differs from it is made up, be it the mean colour.
    # Elsewhere something is measured, even where that hardly shows.
    signal, least = (difference, -math.inf) if band.signal == "difference" else (energy, -5.0)
    if band.shared:
        signal, around = signal.sum(1, keepdim=True), around.sum(1, keepdim=True)
    return (log_weight + (signal / around).log()).clamp(least, 7)


def _filled(band: Band, size: torch.Size, coefficients: Tensor) -> Tensor:
    """How much of the square of each coefficient (N, C, h, w) lies in a picture of ``size``: (1, 1, h, w) in [0, 1]."""
    rows, columns = (
        ((inside - band.step * torch.arange(count)) / band.step).clamp(0, 1)
        for inside, count in zip(size, coefficients.shape[2:], strict=True)
    )
    return (rows[:, None] * columns).to(coefficients)[None, None]


def _mean_around(x: Tensor) -> Tensor:
    """The mean of 5x5 neighbours in maps (N, C, h, w)."""
    return box_mean(x, 5)

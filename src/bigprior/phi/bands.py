"""``phi`` of every coefficient of a frame."""

from __future__ import annotations

import math
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.frames import Band, Bands
from bigprior.frames import frame as make_frame


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
        self.receptive_radius = 5 * max(band.step for band in self.bands)
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

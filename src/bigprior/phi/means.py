"""``phi`` of every coefficient of a frame whose squares overlap."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.frames import Bands, Frame
from bigprior.frames import frame as make_frame
from bigprior.phi.bands import correction, log_half, start
from bigprior.phi.base import PhiNetwork

#: Places along each side whose mean stands for a neighbourhood.
_TAPS = 5
#: The least noise by which a weight goes: there is hardly a phi in less, and a camera's is not white.
_FAINTEST = 20 / 255


class MeansPhi(PhiNetwork):
    """``phi`` of every coefficient, for any weight ``rho`` of what is made up, by what is found around it.

    As :class:`bigprior.phi.bands.BandPhi`, it starts from ``phi = 1 / (1 + S)``, ``S = rho c^2 / (2 V d^2)``, and
    learns what to add to ``log S``; but it sees its neighbours by their means alone, near and farther off, so that it
    costs little where every pixel has coefficients of every scale.

    Args:
        frame: a name in :data:`bigprior.frames.FRAMES`.
        width: channels of the hidden layers.
        rho: the weight that it is used with unless another is asked for.
        rho_at: the standard deviation of noise, in [0, 1] pictures, that ``rho`` is for. Where there is less, down to
            20 of 255, a weight counts for more, in inverse proportion to the noise's variance: what was measured is
            then nearly as good as the prior, and phi follows the noise. None if it counts the same everywhere.
    """

    kind: ClassVar[str] = "means"
    has_knob = True

    def __init__(
        self, frame: str = "undecimated", width: int = 32, rho: float = 1e-5, rho_at: float | None = None
    ) -> None:
        bands = make_frame(frame).bands
        coarsest = max(band.side for band in bands)
        settings = {"frame": frame, "width": width, "rho": rho, "rho_at": rho_at}
        super().__init__(frame, (_TAPS // 2 + 1) * coarsest + 1, settings)
        self.rho, self.rho_at = rho, rho_at
        self.layers = nn.ModuleDict()
        for i, band in enumerate(bands):
            self.layers[str(i)] = correction(
                5 * band.channels + 1, width, 1 if band.shared else band.channels, kernel=1
            )

    def asked(self, rho: float | None, sigma: Tensor | None) -> float | Tensor:
        """The weight of what is made up in pictures with noise, as :meth:`PhiNetwork.asked` has it."""
        weight = super().asked(rho, sigma)
        if sigma is None or self.rho_at is None:
            return weight
        return weight * (self.rho_at / sigma.clamp_min(_FAINTEST)).square()

    def forward(self, fidelity: Tensor, prior: Tensor, frame: Frame, *, mean: Tensor, weight: Tensor) -> Bands:
        """Predict ``phi``, as :meth:`PhiNetwork.forward` has it."""
        # Values far outside [0, 1] say no more than values a little outside, and could overflow.
        fidelities, priors = (frame.analyse(x.clamp(-1, 2) - mean) for x in (fidelity, prior))
        log_weight = log_half(weight)
        out = []
        for i, (band, f, p) in enumerate(zip(frame.bands, fidelities, priors, strict=True)):
            overlap = band.side // band.step
            # As large as coefficients of squares side by side are, whose noise is as strong at every scale.
            difference, energy = ((x * overlap).square() + 1e-9 for x in (f - p, p))
            around, energy_around = (_mean_around(x, overlap) for x in (difference, energy))
            near = _mean_around(difference, max(1, overlap // 2))
            seen = [(x / around + 0.03).log() for x in (energy, difference, energy_around, near)]
            seen += [around.log(), log_weight.expand_as(f[:, :1])]
            log_s = start(band, energy, difference, around, log_weight)
            out.append(torch.sigmoid(-log_s - self.layers[str(i)](torch.cat(seen, dim=1) / 4)))  # 1 / (1 + S)
        return out


def _mean_around(x: Tensor, apart: int) -> Tensor:
    """The mean of 5x5 places of maps (N, C, h, w), so many coefficients apart; beyond the edges those on them count."""
    margin = _TAPS // 2 * apart
    for axis, pad in ((3, (margin, margin, 0, 0)), (2, (0, 0, margin, margin))):
        wide, count = F.pad(x, pad, mode="replicate"), x.shape[axis]
        x = sum((wide.narrow(axis, i * apart, count) for i in range(1, _TAPS)), wide.narrow(axis, 0, count)) / _TAPS
    return x

"""``phi`` where noise grows with light, in the coefficients of a frame of Haar's kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.errors import SettingsError
from bigprior.frames import Band, Bands, Frame
from bigprior.frames import frame as make_frame
from bigprior.ops.colour import OPPONENT, is_grey
from bigprior.ops.shot import Shot
from bigprior.phi.bands import log_half, start
from bigprior.phi.base import PhiNetwork


class ShotPhi(PhiNetwork):
    """Eq. 8 with a variance that the measurement says by itself, of shot noise.

        phi = 1 / (1 + tau^2 / (gain * LL / 2^l + read^2)),    tau^2 = rho c^2 / (2 V)

    ``LL / 2^l`` is the mean of the square that a coefficient of level ``l`` is about; ``c`` is the prior's coefficient
    and ``V`` the variance of its picture, as in :class:`bigprior.phi.bands.BandPhi`.

    Deviates: a square in which ``k`` units were counted is taken to have had ``k + 1``, since none that were counted
    do not mean that there is no light; without, what is darkest would be all measured, and black.

    Args:
        frame: of Haar's kind, or ``pixel``.
        rho: the weight that it is used with unless another is asked for.
        shot: the noise of the pictures that are weighed, which :meth:`told` says.
    """

    kind: ClassVar[str] = "shot"
    has_knob = True

    def __init__(self, frame: str = "undecimated", rho: float = 1e-5, shot: Shot | None = None) -> None:
        super().__init__(frame, max(band.side for band in make_frame(frame).bands), {"frame": frame, "rho": rho})
        self.shot, self.rho = shot, rho

    def told(self, shot: Shot | None) -> ShotPhi:
        """The same for pictures with such noise."""
        return ShotPhi(self.frame, self.rho, shot)

    def forward(self, fidelity: Tensor, prior: Tensor, frame: Frame, *, mean: Tensor, weight: Tensor) -> Bands:
        """``phi``, as :meth:`PhiNetwork.forward` has it."""
        log_weight, out = log_half(weight), []
        for band, c in zip(frame.bands, frame.analyse(prior.clamp(-1, 2) - mean), strict=True):
            noise = self._variance(band, fidelity, c.shape[2:]) + 1e-9
            # As large as coefficients of squares side by side are, whose noise is as strong at every scale.
            energy = (c * (band.side // band.step)).square() + 1e-9
            log_s = start(band, energy, energy, noise, log_weight)
            out.append(torch.sigmoid(-log_s))  # 1 / (1 + S)
        return out

    def _variance(self, band: Band, fidelity: Tensor, places: Sequence[int]) -> Tensor:
        """Of the noise in a band's coefficients, (N, C, h, w), by the mean of the square of each."""
        if self.shot is None:
            raise SettingsError("nobody says how noise grows with light: weigh in another way")
        side, unit = band.side, self.shot.gain.to(fidelity).view(-1, 1, 1, 1) / band.side**2
        height, width = fidelity.shape[2:]
        edges = (side // 2,) * 4
        if side == band.step:  # as far as squares go beyond the picture
            edges = (0, side * places[1] - width, 0, side * places[0] - height)
        mean = F.avg_pool2d(F.pad(fidelity, edges, mode="replicate"), side, band.step)
        variance = self.shot.variance(mean.clamp_min(0) + unit)
        if side == 1:  # pixels, whose colours are no axes of their own
            return variance
        # Noise of the channels is independent; that of a grey picture is one, three times as strong along grey.
        axes = OPPONENT.to(variance).square().expand(len(fidelity), 3, 3)
        alike = axes.new_tensor([3.0, 0, 0]).view(1, 3, 1) / 3 * axes.new_ones(1, 1, 3)
        axes = torch.where(is_grey(fidelity).view(-1, 1, 1), alike, axes)
        return torch.einsum("nkc,nchw->nkhw", axes, variance).repeat_interleave(band.channels // 3, dim=1)

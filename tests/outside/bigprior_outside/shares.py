"""A phi network: one learned share for each channel of each band of any frame."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from bigprior import FRAMES, Frame, PhiNetwork


class SharesPhi(PhiNetwork):
    """One share for each channel of each band, wherever it lies and whatever it holds.

    Args:
        frame: a name in :data:`bigprior.FRAMES`.
        start: what all shares are before they are trained.
    """

    kind: ClassVar[str] = "shares"

    def __init__(self, frame: str = "wavelet", start: float = 0.5) -> None:
        super().__init__(frame, 0, {"frame": frame, "start": start})
        start = torch.logit(torch.tensor(start), eps=1e-6).item()
        self.logits = nn.ParameterList(
            torch.full((1, 1 if band.shared else band.channels, 1, 1), start) for band in FRAMES[frame]().bands
        )

    def forward(self, fidelity: Tensor, prior: Tensor, frame: Frame, *, mean: Tensor, weight: Tensor) -> list[Tensor]:
        """The shares at every place of every band."""
        bands = frame.analyse(prior)
        return [
            torch.sigmoid(logit).expand(len(band), -1, *band.shape[2:])
            for logit, band in zip(self.logits, bands, strict=True)
        ]

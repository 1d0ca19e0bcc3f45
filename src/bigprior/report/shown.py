"""What is shown of a restoration, wherever it is shown, and how large."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from bigprior.noise import Noise

#: Longest side of a picture inside a panel, in pixels.
PANEL_PX = 480


class Restored(Protocol):
    """What is shown: a :class:`bigprior.Restoration`."""

    @property
    def restored(self) -> Tensor: ...  # noqa: D102
    @property
    def fidelity(self) -> Tensor: ...  # noqa: D102
    @property
    def prior(self) -> Tensor: ...  # noqa: D102
    @property
    def phi(self) -> Tensor: ...  # noqa: D102
    @property
    def bands(self) -> tuple[Tensor, ...]: ...  # noqa: D102
    @property
    def measurement(self) -> Tensor: ...  # noqa: D102
    @property
    def task(self) -> str: ...  # noqa: D102
    @property
    def provenance(self) -> dict[str, Any]: ...  # noqa: D102
    @property
    def noise(self) -> Noise | None: ...  # noqa: D102
    @property
    def mean_share(self) -> float: ...  # noqa: D102
    @property
    def kinds(self) -> dict[str, Tensor]: ...  # noqa: D102
    def __len__(self) -> int: ...


def as_picture(restoration: Restored) -> Tensor:
    """The measurement if it is a picture, grey or RGB; else the fidelity term, which loses nothing of it."""
    y = restoration.measurement
    return y.expand(-1, 3, -1, -1) if y.ndim == 4 and y.shape[1] in (1, 3) else restoration.fidelity


def shrunk(image: Tensor, side: int = PANEL_PX) -> Tensor:
    """A picture (N, C, H, W) with at most ``side`` pixels on the longer side, in the processor's memory."""
    image = image.cpu()
    scale = side / max(image.shape[2:])
    if scale >= 1:
        return image
    size = [max(1, round(side * scale)) for side in image.shape[2:]]
    return torch.nn.functional.interpolate(image, size=size, mode="bilinear", antialias=True)

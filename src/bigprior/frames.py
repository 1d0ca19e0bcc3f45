"""Where the two terms are fused: pixel by pixel, or in the coefficients of an orthonormal frame ``W``.

    x_hat = W^T [ (1 - phi) * W g_inv(y) + phi * W G(z*) ]

``W`` = identity is Eq. 5. ``W g_inv`` is still a bijection of the measurement, and white noise stays white, so that
Eq. 8, ``phi = 1 / (1 + S)``, holds coefficient by coefficient: what stands far above the noise is taken from the
measurement, though the pixel that it lies in is noisy. See ``docs/explanation/frames.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.ops.colour import LUMINANCE, OPPONENT, turned
from bigprior.registry import Registry

#: Coefficients of a picture, one tensor (N, C, h, w) a band.
Bands = list[Tensor]


class Band(NamedTuple):
    """What a band holds.

    Attributes:
        kind: bands of one kind are alike.
        channels: of its coefficients.
        step: pixels a side that a coefficient covers.
        shared: one ``phi`` weighs all channels of a place.
        signal: what counts as large: the prior's coefficient; or, where something else stands for what was not
            measured, such as grey for colours, how far the prior's is from that.
    """

    kind: str
    channels: int
    step: int
    shared: bool = False
    signal: Literal["prior", "difference"] = "prior"


class Frame(Protocol):
    """An isometry of pictures: ``synthesise(analyse(x)) == x``, and as much energy on either side (Parseval)."""

    name: ClassVar[str]
    #: In order. A window of a picture that starts at a multiple of the largest step has the picture's coefficients.
    bands: tuple[Band, ...]

    def analyse(self, x: Tensor) -> Bands:
        """``W x``: a picture (N, 3, H, W) of any size to its bands."""
        ...

    def synthesise(self, bands: Sequence[Tensor], height: int, width: int) -> Tensor:
        """``W^T``: bands to a picture (N, 3, ``height``, ``width``)."""
        ...


class PixelFrame:
    """The identity: the paper's Eq. 5."""

    name: ClassVar[str] = "pixel"
    bands: tuple[Band, ...] = (Band("pixel", 3, 1, shared=True),)

    def analyse(self, x: Tensor) -> Bands:
        """The picture itself, as the only band."""
        return [x]

    def synthesise(self, bands: Sequence[Tensor], height: int, width: int) -> Tensor:
        """The only band."""
        return bands[0]


class WaveletFrame:
    """Orthonormal Haar wavelets of three orthonormal colours: grey, and two that are none in a grey picture.

    Haar alone has coefficients of any size that belong to one square of pixels, so that large pictures can be fused
    tile by tile, exactly, and no tile or border blends into another. Sizes that the coarsest square does not divide
    are extended by zeros, which leaves the energy as it is.

    Args:
        levels: of the wavelets: the coarsest coefficient covers ``2**levels`` pixels a side.
    """

    name: ClassVar[str] = "wavelet"

    def __init__(self, levels: int = 6) -> None:
        self.levels = levels
        self.bands: tuple[Band, ...] = (
            *(Band("detail", 9, 2 ** (i + 1)) for i in range(levels)),
            Band("coarse", 3, 2**levels),
        )

    def analyse(self, x: Tensor) -> Bands:
        """Details from the finest level to the coarsest, (N, 9, h, w): three of each colour; then the averages."""
        x = turned(x, OPPONENT)
        x = F.pad(x, (0, -x.shape[3] % 2**self.levels, 0, -x.shape[2] % 2**self.levels))
        bands = []
        for _ in range(self.levels):
            # Four pixels of a square to their average and three differences; the matrix is its own inverse.
            parts = turned(F.pixel_unshuffle(x, 2).unflatten(1, (3, 4)).flatten(0, 1), _HAAR)
            parts = parts.unflatten(0, (len(x), 3))
            x = parts[:, :, 0]
            bands.append(parts[:, :, 1:].flatten(1, 2))
        return [*bands, x]

    def synthesise(self, bands: Sequence[Tensor], height: int, width: int) -> Tensor:
        """From bands as :meth:`analyse` gives them."""
        x = bands[-1]
        for detail in reversed(bands[:-1]):
            parts = torch.cat([x[:, :, None], detail.unflatten(1, (3, 3))], dim=2)
            parts = turned(parts.flatten(0, 1), _HAAR).unflatten(0, (len(x), 3))
            x = F.pixel_shuffle(parts.flatten(1, 2), 2)
        return turned(x[:, :, :height, :width], OPPONENT.T)


class LuminanceFrame:
    """Luminance along (0.299, 0.587, 0.114), which a colorization knows, and the two colours orthogonal to it."""

    name: ClassVar[str] = "luminance"
    bands: tuple[Band, ...] = (
        Band("luminance", 1, 1, shared=True),
        Band("chrominance", 2, 1, shared=True, signal="difference"),
    )

    def analyse(self, x: Tensor) -> Bands:
        """Luminance (N, 1, H, W) and chrominance (N, 2, H, W)."""
        parts = turned(x, _LUMINANCE)
        return [parts[:, :1], parts[:, 1:]]

    def synthesise(self, bands: Sequence[Tensor], height: int, width: int) -> Tensor:
        """From bands as :meth:`analyse` gives them."""
        return turned(torch.cat(list(bands), dim=1), _LUMINANCE.T)


#: Every frame by name.
FRAMES: Registry[Callable[[], Frame]] = Registry(
    "frame", "bigprior.frames", {c.name: c for c in (PixelFrame, WaveletFrame, LuminanceFrame)}
)


def frame(name: str) -> Frame:
    """The frame called ``name``.

    Raises:
        UnknownNameError: no such frame.
    """
    return FRAMES[name]()


_HAAR = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=torch.float64) / 2


def _with_first_row(row: Sequence[float]) -> Tensor:
    """An orthonormal matrix (3, 3) whose first row is along ``row``: a Householder reflection."""
    v = torch.tensor(row, dtype=torch.float64)
    v = v / v.norm()
    v[0] -= 1.0
    reflection: Tensor = torch.eye(3, dtype=torch.float64) - 2 * torch.outer(v, v) / v.square().sum()
    return reflection


_LUMINANCE = _with_first_row(LUMINANCE)

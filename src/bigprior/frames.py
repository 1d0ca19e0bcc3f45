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

from bigprior.ops.colour import LUMINANCE, OPPONENT, luminance, turned
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
        reach: pixels a side that a coefficient is about, where squares overlap; otherwise ``step``.
    """

    kind: str
    channels: int
    step: int
    shared: bool = False
    signal: Literal["prior", "difference"] = "prior"
    reach: int | None = None

    @property
    def side(self) -> int:
        """Of the square of pixels that a coefficient is about, in pixels."""
        return self.reach or self.step


class Frame(Protocol):
    """An isometry of pictures: ``synthesise(analyse(x)) == x``, and as much energy on either side (Parseval)."""

    name: ClassVar[str]
    #: In order. A window of a picture that starts at a multiple of the largest step has the picture's coefficients, but
    #: for those of squares that overlap and reach beyond its edges.
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


class UndecimatedFrame:
    """Haar wavelets at every place, not only in squares side by side: a Parseval frame without blocks.

    Each level's squares are centred on the corners of the pixels, of which a picture has one more a side than pixels;
    beyond its edges it goes on as its mirror image. So each coefficient is met by as many others as it overlaps, their
    noise is correlated, and its standard deviation is halved from level to level: fusing here is the mean of fusing in
    orthonormal wavelets of every shift (cycle spinning: Coifman and Donoho, 1995).

    Args:
        levels: of the wavelets: the coarsest coefficient is about ``2**levels`` pixels a side.
    """

    name: ClassVar[str] = "undecimated"

    def __init__(self, levels: int = 5) -> None:
        self.levels = levels
        self.bands: tuple[Band, ...] = (
            *(Band("detail", 9, 1, reach=2 ** (i + 1)) for i in range(levels)),
            Band("coarse", 3, 1, reach=2**levels),
        )

    def analyse(self, x: Tensor) -> Bands:
        """Details from the finest level to the coarsest, (N, 9, H + 1, W + 1): three of each colour; then the means."""
        x, bands = turned(x, OPPONENT), []
        for level in range(self.levels):
            (mean, across), (down, both) = (_halved(part, 3, level) for part in _halved(x, 2, level))
            bands.append(_edges(torch.stack([across, down, both], dim=2).flatten(1, 2), 0.5**0.5))
            x = mean
        return [*bands, _edges(x, 0.5**0.5)]

    def synthesise(self, bands: Sequence[Tensor], height: int, width: int) -> Tensor:
        """From bands as :meth:`analyse` gives them."""
        x = _edges(bands[-1], 2**0.5)
        for level in reversed(range(self.levels)):
            across, down, both = _edges(bands[level], 2**0.5).unflatten(1, (3, 3)).unbind(2)
            x = _joined(_joined(x, across, 3, level), _joined(down, both, 3, level), 2, level)
        return turned(x, OPPONENT.T)


class OffsetFrame:
    """Luminance, and how far each pixel is from the grey of its luminance: oblique axes, whose first is grey itself.

    No isometry, and so none to weigh in; but a grey picture has no offset, and its luminance is the picture, bit for
    bit, where the orthonormal axes of :class:`LuminanceFrame` leave part of any grey among the colours.
    """

    name: ClassVar[str] = "offset"
    bands: tuple[Band, ...] = (
        Band("luminance", 3, 1, shared=True),
        Band("chrominance", 2, 1, shared=True, signal="difference"),
    )

    def analyse(self, x: Tensor) -> Bands:
        """The grey picture of the same luminance (N, 3, H, W), and the offset from it, in its plane, (N, 2, H, W)."""
        # Rounding gives a grey pixel another luminance than its own.
        grey = torch.where((x == x[:, :1]).all(dim=1, keepdim=True), x[:, :1], luminance(x)).expand_as(x)
        return [grey, turned(x - grey, _LUMINANCE[1:])]

    def synthesise(self, bands: Sequence[Tensor], height: int, width: int) -> Tensor:
        """From bands as :meth:`analyse` gives them."""
        return bands[0] + turned(bands[1], _LUMINANCE[1:].T)


class LuminanceFrame:
    """Luminance along (0.299, 0.587, 0.114), which a colorization knows, and the two colours orthogonal to it."""

    name: ClassVar[str] = "luminance"
    #: What the two terms are told apart in, once they are weighed: see :func:`bigprior.fusion.fuse_in_frame`.
    parts: ClassVar[Frame] = OffsetFrame()
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
    "frame", "bigprior.frames", {c.name: c for c in (PixelFrame, WaveletFrame, UndecimatedFrame, LuminanceFrame)}
)


def frame(name: str) -> Frame:
    """The frame called ``name``.

    Raises:
        UnknownNameError: no such frame.
    """
    return FRAMES[name]()


def _halved(x: Tensor, axis: int, level: int) -> tuple[Tensor, Tensor]:
    """The mean and half the difference of what lies on either side of each corner, ``2**level`` pixels apart.

    Pixels come in at the first level, and corners at all others.
    """
    count, pixels, shift = x.shape[axis], level == 0, max(1, 2**level // 2)
    beyond = (torch.arange(-shift, 0), torch.arange(count, count + shift))
    first, last = (x.index_select(axis, _mirrored(at, count, pixels=pixels).to(x.device)) for at in beyond)
    wide = torch.cat([first, x, last], dim=axis)
    places, apart = count + int(pixels), 1 if pixels else 2 * shift
    before, after = wide.narrow(axis, 0, places), wide.narrow(axis, apart, places)
    return (before + after) / 2, (after - before) / 2


def _joined(mean: Tensor, difference: Tensor, axis: int, level: int) -> Tensor:
    """The inverse of :func:`_halved`, and its transpose."""
    corners, shift = mean.shape[axis], 2**level // 2
    inside = mean.new_ones(corners)
    inside[[0, -1]] = 0  # the two sides of an edge are each other's mirror image
    difference = difference * inside.view([-1 if i == axis else 1 for i in range(mean.ndim)])
    before, after = mean + difference, mean - difference
    if level == 0:
        return (before.narrow(axis, 0, corners - 1) + after.narrow(axis, 1, corners - 1)) / 2
    first = _beyond(mean, difference, axis, torch.arange(-shift, 0), 1)
    last = _beyond(mean, difference, axis, torch.arange(corners, corners + shift), -1)
    before = torch.cat([first, before], dim=axis).narrow(axis, 0, corners)
    after = torch.cat([after, last], dim=axis).narrow(axis, shift, corners)
    return (before + after) / 2


def _beyond(mean: Tensor, difference: Tensor, axis: int, places: Tensor, sign: int) -> Tensor:
    """A mean and a difference, with its sign, beyond an edge: the mean goes on as its mirror image, the other turns."""
    last = mean.shape[axis] - 1
    at = _mirrored(places, last + 1, pixels=False).to(mean.device)
    signs = torch.where(places.remainder(2 * last) <= last, sign, -sign).to(mean)
    signs = signs.view([-1 if i == axis else 1 for i in range(mean.ndim)])
    return mean.index_select(axis, at) + signs * difference.index_select(axis, at)


def _mirrored(places: Tensor, count: int, *, pixels: bool) -> Tensor:
    """Where the mirror images of ``count`` pixels, or of the corners of one pixel fewer, have a place."""
    period = 2 * count if pixels else 2 * (count - 1)
    places = places.remainder(period)
    return torch.minimum(places, period - places - int(pixels))


def _edges(x: Tensor, factor: float) -> Tensor:
    """The first and last row and column by a factor: half of what a corner on the edge is about lies outside."""
    for axis in (2, 3):
        scale = x.new_ones(x.shape[axis])
        scale[[0, -1]] = factor
        x = x * (scale[:, None] if axis == 2 else scale)
    return x


_HAAR = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=torch.float64) / 2


def _with_first_row(row: Sequence[float]) -> Tensor:
    """An orthonormal matrix (3, 3) whose first row is along ``row``: a Householder reflection."""
    v = torch.tensor(row, dtype=torch.float64)
    v = v / v.norm()
    v[0] -= 1.0
    reflection: Tensor = torch.eye(3, dtype=torch.float64) - 2 * torch.outer(v, v) / v.square().sum()
    return reflection


_LUMINANCE = _with_first_row(LUMINANCE)

"""A prior of fixed size on pictures of any size.

Denoising goes in overlapping tiles that blend smoothly; colorization as a whole, at the prior's size, since chroma is
smooth; inpainting through squares around the holes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Self

import numpy as np
import scipy.ndimage
import torch
import torch.nn.functional as F
from skimage.measure import block_reduce
from torch import Tensor

from bigprior.degradations import Degradation, Inpainting
from bigprior.errors import SettingsError
from bigprior.priors.base import Prior, Projection
from bigprior.priors.gan import GANPrior
from bigprior.progress import Progress

#: Bytes of an inversion for each pixel of a picture: about twice those of a generator of the released 256x256 format
#: whose codes move, by the peak of the process.
BYTES_A_PIXEL = 8_000
MOST = 32


def fitting(resolution: int) -> int:
    """How many pictures of a side are inverted at once: 1 to 32, in half of the memory that is free now."""
    return max(1, min(MOST, free_bytes() // 2 // (BYTES_A_PIXEL * resolution**2)))


def free_bytes() -> int:
    """Memory that a process can have, of the graphics card if there is one; as good as endless where nobody says."""
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):  # not Linux
        return 1 << 62


class AnySize:
    """Wraps a prior that works at ``resolution`` only; itself a prior that takes any size from 1x1.

    Args:
        prior: what works at its own size.
        resolution: that size, in pixels.
        overlap: of neighbouring tiles, in pixels; by default a quarter of the tile.
        batch: tiles inverted at once; by default what fits into half of the free memory, and 32 at most.

    Raises:
        SettingsError: an overlap that leaves no progress from tile to tile.
    """

    def __init__(self, prior: Prior, resolution: int, *, overlap: int | None = None, batch: int | None = None) -> None:
        self.prior, self.resolution = prior, resolution
        self.batch = fitting(resolution) if batch is None else batch
        self.overlap = resolution // 4 if overlap is None else overlap
        if not 0 <= self.overlap < resolution:
            raise SettingsError(f"overlap is {overlap}: expected 0 to {resolution - 1}, less than the tile")

    def to(self, device: torch.device | str) -> Self:
        """Move the prior, if it can be moved; measurements have to be there too."""
        move = getattr(self.prior, "to", None)
        if move is not None:
            move(device)
        return self

    def project(
        self, y: Tensor, degradation: Degradation, *, seed: int = 0, progress: Progress | None = None
    ) -> Projection:
        """Measurements (N, C, H, W), any H and W, to pictures (N, 3, H, W), consistent with what was measured.

        Codes and history are kept only for pictures of the prior's own size.
        """
        degradation.check(y)
        if isinstance(degradation, Inpainting):
            degradation = degradation.for_measurement(y)
        if y.shape[2:] == (self.resolution, self.resolution):
            own = self._in_batches(y, degradation, seed, progress)
            return replace(own, image=degradation.consistent(own.image, y))
        place = {"tiles": self._tiles, "whole": self._whole, "hole": self._hole}[degradation.placement]
        return Projection(degradation.consistent(place(y, degradation, seed, progress), y))

    def _in_batches(self, y: Tensor, degradation: Degradation, seed: int, progress: Progress | None) -> Projection:
        masks = degradation.mask if isinstance(degradation, Inpainting) else None
        parts = []
        for start in range(0, len(y), self.batch):
            chunk = slice(start, start + self.batch)
            part = degradation
            if masks is not None and len(masks) > 1:
                part = Inpainting(masks[chunk])
            shifted = _shifted(progress, start, self.batch, len(y))
            parts.append(self._own(len(y[chunk]) / len(y)).project(y[chunk], part, seed=seed, progress=shifted))
        if len(parts) == 1:
            return parts[0]
        codes = {k: torch.cat([p.codes[k] for p in parts]) for k in parts[0].codes}
        histories = [p.history for p in parts if p.history is not None]
        # Pictures that were done early keep their last loss.
        steps = max((len(h) for h in histories), default=0)
        histories = [torch.cat([h, h[-1:].expand(steps - len(h), -1)]) for h in histories]
        history = torch.cat(histories, dim=1) if len(histories) == len(parts) else None
        return Projection(torch.cat([p.image for p in parts]), codes, history)

    def _own(self, share: float) -> Prior:
        """The prior for a share of a picture's tiles: a limit in time is for all of them."""
        return self.prior.within(share) if isinstance(self.prior, GANPrior) else self.prior

    def _whole(self, y: Tensor, degradation: Degradation, seed: int, progress: Progress | None) -> Tensor:
        small = _resized(y, (self.resolution, self.resolution))
        return _resized(self._in_batches(small, degradation, seed, progress).image, y.shape[2:])

    def _tiles(self, y: Tensor, degradation: Degradation, seed: int, progress: Progress | None) -> Tensor:
        tile = self.resolution
        height, width = y.shape[2:]
        padded = _padded(y, (max(height, tile), max(width, tile)))
        corners = [
            (n, top, left)
            for n in range(len(y))
            for top in _starts(padded.shape[2], tile, tile - self.overlap)
            for left in _starts(padded.shape[3], tile, tile - self.overlap)
        ]
        window = _window(tile, self.overlap).to(y)
        total = y.new_zeros(len(y), 3, *padded.shape[2:])
        weight = y.new_zeros(len(y), 1, *padded.shape[2:])
        for start in range(0, len(corners), self.batch):
            chunk = corners[start : start + self.batch]
            tiles = torch.cat([padded[n : n + 1, :, t : t + tile, l : l + tile] for n, t, l in chunk])
            shifted = _shifted(progress, start, self.batch, len(corners))
            own = self._own(len(chunk) / len(corners))
            images = own.project(tiles, degradation, seed=seed, progress=shifted).image
            for image, (n, t, l) in zip(images, chunk, strict=True):
                total[n, :, t : t + tile, l : l + tile] += image * window
                weight[n, :, t : t + tile, l : l + tile] += window
        return total.div_(weight)[:, :, :height, :width].clamp_(0, 1)

    def _hole(self, y: Tensor, degradation: Degradation, seed: int, progress: Progress | None) -> Tensor:
        """Outside the squares around holes, the prior is the measurement itself: nothing needs to be hallucinated."""
        assert isinstance(degradation, Inpainting) and degradation.mask is not None
        masks = degradation.mask.expand(len(y), -1, -1, -1)
        squares = [(n, *square) for n, mask in enumerate(masks) for square in _squares(mask, self.resolution)]
        total, weight = y.new_zeros(y.shape), y.new_zeros(len(y), 1, *y.shape[2:])
        for start in range(0, len(squares), self.batch):
            chunk = squares[start : start + self.batch]
            seen = [self._through(y[n], masks[n], square) for n, *square in chunk]
            crops, known = (torch.cat(parts) for parts in zip(*seen, strict=True))
            shifted = _shifted(progress, start, self.batch, len(squares))
            own = self._own(len(chunk) / len(squares))
            images = own.project(crops, Inpainting(known), seed=seed, progress=shifted).image
            for image, (n, top, left, side) in zip(images, chunk, strict=True):
                window = (..., slice(top, top + side), slice(left, left + side))
                h, w = weight[n][window].shape[1:]
                share = _window(side, side // 2).to(y)[:h, :w]
                total[n][window] += _resized(image[None], (side, side))[0, :, :h, :w] * share
                weight[n][window] += share
        return torch.where(weight > 0, total / weight.clamp_min(1e-12), y).clamp(0, 1)

    def _through(self, picture: Tensor, mask: Tensor, square: Sequence[int]) -> tuple[Tensor, Tensor]:
        """What a square of a picture (3, H, W) shows at the prior's size, (1, 3, S, S), and what of it is known."""
        (top, left, side), size = square, (self.resolution, self.resolution)
        window = (None, slice(None), slice(top, top + side), slice(left, left + side))
        known = _padded(mask[window], (side, side))
        small = _resized(known, size)
        # A small pixel is known where all that it covers is; its colour is the mean of what is known.
        whole = ((small > 0.999) & (F.adaptive_max_pool2d(1 - known, size) == 0)).to(picture)
        if not whole.any():
            raise SettingsError(f"the hole leaves no known pixel at the prior's side of {size[0]}: keep more around it")
        colours = _resized(_padded(picture[window], (side, side)) * known, size)
        return colours / small.clamp_min(1e-3) * whole, whole


def _squares(mask: Tensor, resolution: int) -> list[tuple[int, int, int]]:
    """Corners and sides of squares to see the holes of a mask (1, H, W) through: each in the middle half of one.

    Holes that are near each other are seen together: through a square twice as wide, at least of the prior's size; or,
    where they are more than four times as long as deep, through several, each four times as wide as they are deep.
    """
    hole, step = (mask[0] == 0).cpu().numpy(), max(1, resolution // 8)
    near, _ = scipy.ndimage.label(block_reduce(hole, step, np.max), structure=np.ones((3, 3)))
    depth = scipy.ndimage.distance_transform_cdt(hole, "chessboard")
    squares: set[tuple[int, int, int]] = set()
    for number, place in enumerate(scipy.ndimage.find_objects(near), 1):
        origin = [part.start * step for part in place]
        own = np.kron(near[place] == number, np.ones((step, step), dtype=bool))
        window = tuple(slice(start, start + length) for start, length in zip(origin, own.shape, strict=True))
        own = own[: hole[window].shape[0], : hole[window].shape[1]] & hole[window]
        lost = [start + np.flatnonzero(own.any(axis=1 - axis)) for axis, start in enumerate(origin)]
        spans = [(int(places[0]), int(places[-1] - places[0]) + 1) for places in lost]
        deep, longest = 4 * int(depth[window][own].max()), max(extent for _, extent in spans)
        side = max(resolution, deep if longest > deep else 2 * longest)
        starts, half = [], side // 2
        for first, extent in spans:
            count = -(-extent // half)
            middle = (2 * first + extent - side - (count - 1) * half) // 2
            starts.append([middle + i * half for i in range(count)])
        for corner in product(*starts):
            inner = [start + (side - half) // 2 - o for start, o in zip(corner, origin, strict=True)]
            if own[tuple(slice(max(0, i), max(0, i + half)) for i in inner)].any():
                top, left = (max(0, min(s, n - side)) for s, n in zip(corner, hole.shape, strict=True))
                squares.add((top, left, side))
    return sorted(squares)


def _starts(length: int, tile: int, stride: int) -> list[int]:
    """Where tiles begin, so that they cover ``length`` and the last one ends at it."""
    return [*range(0, length - tile, stride), length - tile]


def _window(tile: int, overlap: int) -> Tensor:
    """Blending weights (tile, tile): 1 inside, a raised cosine over ``overlap`` pixels at each side, never 0."""
    ramp = torch.ones(tile)
    if overlap:
        edge = 0.5 - 0.5 * torch.cos(torch.pi * (torch.arange(overlap) + 0.5) / overlap)
        ramp[:overlap] = torch.minimum(ramp[:overlap], edge)
        ramp[-overlap:] = torch.minimum(ramp[-overlap:], edge.flip(0))
    return ramp[:, None] * ramp


def _padded(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Grow (N, C, H, W) to ``size`` by repeating the last row and column."""
    return F.pad(x, (0, size[1] - x.shape[3], 0, size[0] - x.shape[2]), mode="replicate")


def _resized(x: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear", antialias=True, align_corners=False)


def _shifted(progress: Progress | None, start: int, batch: int, total: int) -> Progress | None:
    """Progress over the chunks of a batch as one count of pictures times steps."""
    if progress is None:
        return None
    count = min(batch, total - start)
    return lambda done, steps: progress(start * steps + done * count, total * steps)

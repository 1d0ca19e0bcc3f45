"""A prior of fixed size on pictures of any size.

Denoising goes in overlapping tiles that blend smoothly; colorization as a whole, at the prior's size, since chroma is
smooth; inpainting through squares around the holes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import scipy.ndimage
import torch
from skimage.measure import block_reduce
from torch import Tensor

from bigprior.degradations import Measurement
from bigprior.errors import SettingsError
from bigprior.ops.resampling import resized
from bigprior.ops.tiling import Blend, overlapping
from bigprior.priors.base import Prior, Projection
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


def for_any_size(prior: Prior, placement: str) -> Prior:
    """A prior as it meets pictures of any size: as it is, where it needs no help, or in :class:`AnySize`."""
    if prior.resolution is None or placement in prior.any_size:
        return prior
    return AnySize(prior, prior.resolution)


class AnySize(Prior):
    """Wraps a prior that works at ``resolution`` only; itself a prior that takes any size from 1x1.

    Args:
        prior: what works at its own size.
        resolution: that size, in pixels.
        overlap: of neighbouring tiles, in pixels; by default a quarter of the tile.
        batch: tiles inverted at once; by default what fits into half of the free memory, and 32 at most.

    Raises:
        SettingsError: an overlap that leaves no progress from tile to tile.
    """

    resolution: int
    any_size = frozenset({"tiles", "whole", "hole"})

    def __init__(self, prior: Prior, resolution: int, *, overlap: int | None = None, batch: int | None = None) -> None:
        super().__init__()
        self.prior, self.resolution = prior, resolution
        self.batch = fitting(resolution) if batch is None else batch
        self.overlap = resolution // 4 if overlap is None else overlap
        if not 0 <= self.overlap < resolution:
            raise SettingsError(f"overlap is {overlap}: expected 0 to {resolution - 1}, less than the tile")

    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """Pictures consistent with what was measured.

        Codes and history are kept only for pictures of the prior's own size.
        """
        if m.size == (self.resolution, self.resolution):
            own = self._in_batches([m[i : i + 1] for i in range(len(m))], seed, progress)
            return replace(own, image=m.consistent(own.image))
        place = {"tiles": self._tiles, "whole": self._whole, "hole": self._holes}[m.degradation.placement]
        return Projection(m.consistent(place(m, seed, progress)))

    def around(self, m: Measurement, where: Tensor, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """As :meth:`propose`, of pictures with holes of which only some matter, ``where`` (N, 1, H, W), 1 = matters."""
        if m.size == (self.resolution, self.resolution):
            return self.propose(m, seed=seed, progress=progress)
        return Projection(m.consistent(self._squares(m, where, seed, progress)))

    def _in_batches(self, parts: Sequence[Measurement], seed: int, progress: Progress | None) -> Projection:
        """The prior's answer to parts of its own size, so many at once as it was made for."""
        chunks = [parts[start : start + self.batch] for start in range(0, len(parts), self.batch)]
        found = []
        for i, chunk in enumerate(chunks):
            shifted = _shifted(progress, i * self.batch, len(chunk), len(parts))
            own = self.prior.within(len(chunk) / len(parts))  # a limit in time is for all of them
            found.append(own.project(Measurement.join(chunk), seed=seed, progress=shifted))
        if len(found) == 1:
            return found[0]
        codes = {k: torch.cat([p.codes[k] for p in found]) for k in found[0].codes}
        histories = [p.history for p in found if p.history is not None]
        # Pictures that were done early keep their last loss.
        steps = max((len(h) for h in histories), default=0)
        histories = [torch.cat([h, h[-1:].expand(steps - len(h), -1)]) for h in histories]
        history = torch.cat(histories, dim=1) if len(histories) == len(found) else None
        return Projection(torch.cat([p.image for p in found]), codes, history)

    def _whole(self, m: Measurement, seed: int, progress: Progress | None) -> Tensor:
        small = m.resized(self.resolution, self.resolution)
        parts = [small[i : i + 1] for i in range(len(m))]
        return resized(self._in_batches(parts, seed, progress).image, *m.size)

    def _tiles(self, m: Measurement, seed: int, progress: Progress | None) -> Tensor:
        tile, (height, width), grid = self.resolution, m.size, m.degradation.grid
        if tile % grid:
            raise SettingsError(
                f"windows of {m.degradation.name} are multiples of {grid} pixels, but this prior works at {tile}: use "
                "another prior"
            )
        padded = m.padded(*(max(-(-side // grid) * grid, tile) for side in (height, width)))
        overlap = tile - max(grid, (tile - self.overlap) // grid * grid)
        corners = [
            (n, top, left)
            for n in range(len(m))
            for top in overlapping(padded.size[0], tile, overlap)
            for left in overlapping(padded.size[1], tile, overlap)
        ]
        tiles = [padded[n : n + 1].crop(top, left, tile, tile) for n, top, left in corners]
        blend = Blend(m.fidelity.new_zeros(len(m), 3, *padded.size))
        for image, (n, *corner) in zip(self._in_batches(tiles, seed, progress).image, corners, strict=True):
            blend.add(n, corner, image, overlap)
        return blend.result()[:, :, :height, :width].clamp_(0, 1)

    def _holes(self, m: Measurement, seed: int, progress: Progress | None) -> Tensor:
        """Outside the squares around holes, the prior is the measurement itself: nothing needs to be made up."""
        holes = m.hole
        if holes is None:
            raise SettingsError(f"{m.degradation.name} is placed by its holes, but says of none: give it a hole()")
        return self._squares(m, holes, seed, progress)

    def _squares(self, m: Measurement, holes: Tensor, seed: int, progress: Progress | None) -> Tensor:
        size, fidelity = self.resolution, m.fidelity
        squares = [(n, *square) for n, hole in enumerate(holes) for square in _squares(hole, size)]
        seen = [m[n : n + 1].crop(t, l, s, s).padded(s, s).resized(size, size) for n, t, l, s in squares]
        blend = Blend(fidelity)
        for image, (n, top, left, side) in zip(self._in_batches(seen, seed, progress).image, squares, strict=True):
            blend.add(n, (top, left), resized(image[None], side, side)[0], side // 2)
        return blend.result(otherwise=fidelity).clamp(0, 1)


def _squares(mask: Tensor, resolution: int) -> list[tuple[int, int, int]]:
    """Corners and sides of squares to see holes (1, H, W), 1 = hole, through: each in the middle half of one.

    Holes that are near each other are seen together: through a square twice as wide, at least of the prior's size; or,
    where they are more than four times as long as deep, through several, each four times as wide as they are deep.
    """
    hole, step = (mask[0] == 1).cpu().numpy(), max(1, resolution // 8)
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


def _shifted(progress: Progress | None, start: int, count: int, total: int) -> Progress | None:
    """Progress over the chunks of a batch as one count of pictures times steps."""
    if progress is None:
        return None
    return lambda done, steps: progress(start * steps + done * count, total * steps)

"""JPEG: the cosine coefficients of blocks, each rounded to a multiple of a step that the file's tables name.

A coefficient ``c`` was stored as ``q = round(c / Q)``, so that the file says an interval, ``(q - 1/2) Q`` to
``(q + 1/2) Q``, and nothing of the place in it. What is measured is its middle, ``q Q``; a prior's picture ``g`` says
where in it::

    x = clip(g, interval)    measured = q Q    hallucinated = x - q Q    phi = |x - q Q| / (Q / 2), and 1 where q = 0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.degradations.base import Degradation
from bigprior.degradations.protocol import Protocol
from bigprior.degradations.terms import Fusion
from bigprior.errors import ImageError, SettingsError
from bigprior.io.jpeg import Stored, read_jpeg, tables_of
from bigprior.io.pictures import Picture
from bigprior.noise import Noise
from bigprior.ops.blocks import Blocks, error_in_zero
from bigprior.ops.colour import YCBCR
from bigprior.ops.cosines import SIDE, by_block, without_mean
from bigprior.ops.resampling import padded, resized

#: Of a step, how far from its middle a coefficient may come: rounding a picture to 8 bits moves it a little, and it is
#: to be stored as the same number again; and few of those that a prior puts farther lie there. Chosen on photographs.
_INSIDE = 0.25
#: The level that JPEG takes for none, of 255.
_MIDDLE = 128.0
#: Energy, of 255 squared, below which there is nothing.
_FLAT = 1e-6
_FRAME = "cosine"


def _stored(least: int, most: int, x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    """By Pillow's tables of any quality between, 4:2:0."""
    tables = torch.from_numpy(tables_of(int(torch.randint(least, most + 1, (), generator=rng))))
    physics = Jpeg(tables, [(2, 2), (1, 1), (1, 1)], (x.shape[2], x.shape[3]))
    y = physics.f(x)
    return y, physics.holding(y)


class Jpeg(Degradation):
    """What a JPEG file keeps of a picture: ``f`` gives whole numbers, ``g_inv`` decodes the middles of their intervals.

    A measurement (N, C, rows, columns) has the numbers of one square of pixels, all of its blocks of all components, in
    its channels: 64 of each block, in the order of component, block down, frequency down, block across and frequency
    across. Where colours are stored at a lower resolution, ``f`` takes the mean of pixels, and ``g_inv`` copies it.

    Args:
        tables: of each component, grey or Y, Cb and Cr, what its numbers are multiples of, (1 or 3, 8, 8) of 1 or more;
            by default 1, as at the highest quality.
        sampling: of each component, blocks down and across in a square of pixels; by default one each, 4:4:4.
        size: height and width of the picture; by default all that the blocks cover.
        corner: where the picture begins in its blocks, down and across, in pixels.
        around: what the file holds beyond the picture's edges: planes above, below, to the left and to the right.

    Raises:
        SettingsError: tables of another form, or samples that do not divide each other.
    """

    name = "jpeg-compression"
    verb = "dejpeg"
    channels = 3 * SIDE**2
    placement = "tiles"
    grid = 4 * SIDE
    weighs = True
    turns = "consistent"
    protocols = {f"stored-{a}-{b}": Protocol(partial(_stored, a, b)) for a, b in ((10, 40), (41, 90))}  # noqa: RUF012

    def __init__(
        self,
        tables: Tensor | None = None,
        sampling: Sequence[tuple[int, int]] | None = None,
        size: tuple[int, int] | None = None,
        corner: tuple[int, int] = (0, 0),
        around: tuple[Tensor, Tensor, Tensor, Tensor] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        tables = torch.ones(3, SIDE, SIDE) if tables is None else tables
        if tables.shape not in ((1, SIDE, SIDE), (3, SIDE, SIDE)) or not bool((tables >= 1).all()):
            raise SettingsError(f"tables are {tuple(tables.shape)}: expected (1 or 3, 8, 8) of numbers of 1 or more")
        self.tables: Tensor
        self.register_buffer("tables", tables.float())
        self.blocks = Blocks(self.tables, tuple(sampling or [(1, 1)] * len(tables)))
        self.size, self.corner, self.around = size, corner, around
        self.form: Tensor  # all else that a measurement's fingerprint has to say
        self.register_buffer("form", torch.tensor([*corner, *(size or ()), *sum(self.blocks.sampling, ())]))
        self.channels = self.blocks.channels

    # The measurement of a file

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Without any: all is in the photograph's file."""
        cls.refuse_others(settings, ())
        return cls()

    def of_file(self, file: Path, picture: Picture) -> tuple[Tensor, Self]:
        """The numbers of a JPEG file, and how they came to be.

        Raises:
            ImageError: it is none, or one of other colours than grey or YCbCr.
        """
        return self.of_stored(read_jpeg(file))

    @classmethod
    def of_stored(cls, stored: Stored) -> tuple[Tensor, Self]:
        """The numbers that a file holds as a measurement, and how they came to be."""
        tables = torch.stack([torch.from_numpy(table.astype("float32")) for table in stored.tables])
        made = cls(tables, stored.sampling, stored.size, stored.corner)
        planes = [torch.from_numpy(n.astype("float32")) for n in stored.coefficients]
        y = made.blocks.packed([plane.transpose(1, 2).flatten(2).flatten(0, 1)[None, None] for plane in planes])
        return y, made.holding(y)

    def holding(self, y: Tensor) -> Self:
        """The same, that knows what a measurement holds beyond the picture's edges; as it is if that is nothing."""
        x, (rows, columns) = self.blocks.decoded(y), self._window(y)
        if x[..., rows, columns].shape == x.shape:
            return self
        inside = x[..., rows, :]
        parts = (
            x[..., : rows.start, :],
            x[..., rows.stop :, :],
            inside[..., : columns.start],
            inside[..., columns.stop :],
        )
        return self._like(around=tuple(part.clone() for part in parts))

    # The bijection, and what is known of a picture

    def A(self, x: Tensor, **kwargs: Any) -> Tensor:  # noqa: N802 (deepinv's name)
        """The numbers that a file would hold; beyond its edges, a picture goes on as its last row and column."""
        return _whole(self.blocks.numbers(self._planes(x), self.corner))

    def g_inv(self, y: Tensor) -> Tensor:
        """The middles of all intervals, decoded: a picture (N, 3, H, W) that is neither rounded nor clipped."""
        rows, columns = self._window(y)
        return self._picture(self.blocks.decoded(y)[..., rows, columns], _MIDDLE)

    def g(self, x: Tensor) -> Tensor:
        """The numbers again: each is the nearest."""
        return _whole(self.blocks.numbers(self._planes(x), self.corner, self.around))

    def consistent(self, prior: Tensor, y: Tensor) -> Tensor:
        """The prior's picture with each coefficient moved into its interval; colours keep their details."""
        numbers = self.blocks.numbers(self._planes(prior), self.corner)
        rows, columns = self._window(y)
        return prior + self._picture(self.blocks.decoded(_clipped(numbers, y) - numbers)[..., rows, columns], 0)

    def terms(self, y: Tensor, prior: Tensor, noise: Noise | None, rho: float) -> Fusion:
        """The middles; how far the prior's coefficients are from them, in their intervals; and phi.

        Of a pixel, ``phi`` is that of its block's coefficients, the mean colour apart, each by its energy: where a
        prior chose in what was stored. The shares of the variance say how much came of it: of a coefficient, how far it
        is from its middle, and no more than all of it.
        """
        restored, fidelity = self.consistent(prior, y), self.g_inv(y)
        planes, (rows, columns) = self._planes(restored), self._window(y)
        numbers = self.blocks.numbers(planes, self.corner)
        bands = self.blocks.unpacked(torch.where(y == 0, 1.0, 2 * (numbers - y).abs()).clamp_max(1))
        total, of_prior = (torch.zeros_like(planes[:, :1]) for _ in range(2))
        shares = []
        parts = zip(bands, self.blocks.stepped(numbers), self.blocks.stepped(numbers - y), strict=True)
        for i, (phi, coefficients, moved) in enumerate(parts):
            c = without_mean(coefficients)
            for out, part in ((total, c.square()), (of_prior, phi * c.square())):
                means = F.avg_pool2d(part, SIDE).repeat_interleave(SIDE, 2).repeat_interleave(SIDE, 3)
                out += _WEIGHTS[i] * self.blocks.spread(means, i)[..., rows, columns]
            whole, made_up = c.square(), c.abs() * torch.minimum(c.abs(), moved.abs())
            shares.append(
                [_WEIGHTS[i] / self.blocks.density(i) * e.double().sum(dim=(1, 2, 3)) for e in (whole, made_up)]
            )

        def share(of: slice) -> Tensor:
            whole, made_up = (torch.stack(energies).sum(dim=0) for energies in zip(*shares[of], strict=True))
            found: Tensor = made_up / whole.clamp_min(_FLAT)
            return found.to(y)

        kinds = {"luminance": share(slice(0, 1))} | ({"chrominance": share(slice(1, 3))} if len(bands) > 1 else {})
        # Where a picture is flat, next to nothing is made up of next to nothing.
        of_pixels = (of_prior / total.clamp_min(_FLAT)).clamp(0, 1)
        return Fusion(_FRAME, fidelity, restored - fidelity, of_pixels, tuple(bands), share(slice(0, 3)), kinds)

    def scope(self) -> dict[str, float | str]:
        """How coarse the steps of the light are: their mean, of 255."""
        return {"step": float(self.tables[0].mean())}

    def noise_in(self, y: Tensor) -> Noise:
        """The error that the middles of the intervals are expected to have, if coefficients have Laplace's density.

        How wide that is, says the mean of a frequency's numbers (Price and Rabbani, 2005); one that has none but 0 is
        taken to be nothing.
        """
        variance = torch.zeros(len(y)).to(y)
        for numbers, table, weight in zip(self.blocks.unpacked(y), self.tables, _WEIGHTS, strict=False):
            blocks = by_block(numbers)[:, 0].abs()  # (N, rows, 8, columns, 8)
            count = blocks.shape[1] * blocks.shape[3]
            mean = blocks.sum(dim=(1, 3)) / count
            zeros = (blocks == 0).float().mean(dim=(1, 3))
            of_frequency = (zeros * error_in_zero(mean) + (1 - zeros) / 12) * table.to(y).square()
            variance += weight * of_frequency.mean(dim=(1, 2))
        sigma = (variance / 3).sqrt() / 255
        return Noise(sigma, sigma * (3**0.5 if len(self.tables) == 1 else 1), known=True)

    # The parts of measurements

    def check(self, y: Tensor) -> Tensor:
        """Also raises ImageError: numbers that are no whole ones, or of another picture."""
        super().check(y)
        if not bool((y == y.round()).all()):
            raise ImageError(f"{self.name} takes whole numbers, as a JPEG file holds: these have fractions")
        grid = self.blocks.grid(y)
        if self.size is not None and any(
            not 0 <= c < SIDE * m or not 0 <= g - c - s < SIDE * m
            for g, c, s, m in zip(grid, self.corner, self.size, self.blocks.most, strict=True)
        ):
            came, (height, width) = f"{grid[1]}x{grid[0]}", self.size
            raise ImageError(f"the measurement covers {came} pixels but the picture is {width}x{height}")
        return y

    def picture_size(self, y: Tensor) -> tuple[int, int]:
        """As given, or all that the blocks cover."""
        height, width = (g - c for g, c in zip(self.blocks.grid(y), self.corner, strict=True))
        return self.size or (height, width)

    def select(self, pictures: slice) -> Self:
        """With what lies around these pictures."""
        return self if self.around is None else self._like(around=tuple(part[pictures] for part in self.around))

    def crop(self, y: Tensor, top: int, left: int, height: int, width: int) -> tuple[Tensor, Self]:
        """The blocks of a window."""
        parts, corner, size = [], [], []
        for first, length, c, whole, m in zip(
            (top, left), (height, width), self.corner, self.picture_size(y), self.blocks.most, strict=True
        ):
            step, length = SIDE * m, min(length, whole - first)
            parts.append(slice((c + first) // step, -(-(c + first + length) // step)))
            corner.append((c + first) % step)
            size.append(length)
        window = y[..., parts[0], parts[1]]
        made = self._like(size=(size[0], size[1]), corner=(corner[0], corner[1]), around=None)
        return window, made.holding(window)

    def pad(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """What a file of the extended picture would hold."""
        return self._again(padded(self.g_inv(y), height, width))

    def resize(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """What a file of the picture at another size would hold."""
        return self._again(resized(self.g_inv(y), height, width))

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Of pictures with the same tables.

        Raises:
            SettingsError: they have others.
        """
        first = parts[0]
        if any(not torch.equal(p.tables, first.tables) or not torch.equal(p.form, first.form) for p in parts):
            raise SettingsError("these JPEG files have other tables, samples or sizes: restore one after the other")
        if any(part.around is None for part in parts):
            return first._like(around=None)
        return first._like(around=tuple(torch.cat(same) for same in zip(*(part.around for part in parts), strict=True)))

    def _again(self, x: Tensor) -> tuple[Tensor, Self]:
        made = self._like(size=(x.shape[2], x.shape[3]), corner=(0, 0), around=None)
        y = made.f(x)
        return y, made.holding(y)

    def _like(self, **other: Any) -> Self:
        own = {"size": self.size, "corner": self.corner, "around": self.around}
        return type(self)(self.tables, self.blocks.sampling, **(own | other))

    # Numbers, planes and pictures

    def _window(self, y: Tensor) -> tuple[slice, slice]:
        """Where in it the picture lies."""
        rows, columns = (slice(c, c + s) for c, s in zip(self.corner, self.picture_size(y), strict=True))
        return rows, columns

    def _planes(self, x: Tensor) -> Tensor:
        """A picture (N, 3, H, W) as grey, or Y, Cb and Cr, (N, 1 or 3, H, W), on the scale of 255 around 0."""
        matrix = _FROM_RGB[: len(self.tables)].to(x)
        planes = torch.einsum("ij,njhw->nihw", 255 * matrix, x)
        planes[:, 0] -= _MIDDLE
        return planes

    def _picture(self, planes: Tensor, middle: float) -> Tensor:
        """Planes as a picture, ``middle`` being taken for none."""
        planes = torch.cat([planes[:, :1] + middle, planes[:, 1:]], dim=1) / 255
        if planes.shape[1] == 1:
            return planes.expand(-1, 3, -1, -1).contiguous()
        return torch.einsum("ij,njhw->nihw", _FROM_RGB.inverse().to(planes), planes)


def _whole(numbers: Tensor) -> Tensor:
    return numbers.round() + 0.0  # which has no negative zero


def _clipped(numbers: Tensor, y: Tensor) -> Tensor:
    return numbers.clamp(y - _INSIDE, y + _INSIDE)


#: What a unit of Y, Cb and Cr is in the energy of RGB.
_FROM_RGB = torch.tensor(YCBCR, dtype=torch.float64)
_WEIGHTS = _FROM_RGB.inverse().square().sum(dim=0).tolist()

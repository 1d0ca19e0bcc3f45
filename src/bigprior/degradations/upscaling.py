"""Pictures that were made smaller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Self

import deepinv as dinv
import torch
from torch import Tensor

from bigprior.degradations.base import Degradation
from bigprior.degradations.kernels import gauss, read_kernel
from bigprior.degradations.levels import Level, OfLevel, checked, joined, noisy, told
from bigprior.degradations.protocol import Protocol
from bigprior.degradations.singular import proximal_in, split_in
from bigprior.degradations.terms import Fusion, levels_of
from bigprior.errors import SettingsError
from bigprior.io.arrays import in_eight_bits
from bigprior.noise import Noise
from bigprior.ops.resampling import padded, resized

#: Kernels that have a name; of ``gauss``, the standard deviation in pixels of the large picture for each factor.
KERNELS, _GAUSS_PX = ("bicubic", "box", "gauss"), 0.8
#: How far the rows of a kernel's file may be from being each other's multiples.
_SEPARABLE = 1e-3
#: Where known pictures are measured: noise of at most so much of 255.
_FAINT = 4


def _smaller(factor: int, x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    """Bicubic, with noise of a whole number of 0 to 4 of 255, which nobody is told, and rounded to 8 bits."""
    physics = Upscaling(factor)
    return in_eight_bits(noisy(physics.f(x), 0, _FAINT, rng)), physics


class Upscaling(OfLevel, Degradation, dinv.physics.LinearPhysics):  # type: ignore[misc]  # deepinv publishes no types
    """Every side so many times smaller: ``f`` is a kernel's mean at every place; ``g_inv`` repeats each pixel.

    ``f`` acts on rows and columns alike, beyond the edges as on a mirror image; so its singular vectors are those of
    small matrices, and ``phi`` is known exactly (Eq. 8): 1 for all that a small picture cannot have.

    Args:
        factor: a whole number of at least 2.
        kernel: ``bicubic``, MATLAB's with antialiasing; ``box``, the mean of a square; ``gauss``; or its weights along
            a side, (K,), in pixels of the large picture.
        sigma: noise level in [0, 1] of the small picture, one for all or one each, (N,); by default it is found.

    Raises:
        SettingsError: another factor or kernel, or a noise level outside [0, 1].
    """

    name = "upscaling"
    verb = "upscale"
    placement = "whole"
    frame = "pixel"
    noisy = True
    weighs = True
    does = "smaller"
    files = {"kernel": KERNELS}  # noqa: RUF012
    protocols = {f"upscaling-{factor}": Protocol(partial(_smaller, factor)) for factor in (2, 4)}  # noqa: RUF012

    def __init__(self, factor: int = 2, kernel: str | Tensor = "bicubic", sigma: Level = None) -> None:
        super().__init__()
        if not isinstance(factor, int) or not 2 <= factor <= 16:
            raise SettingsError(f"factor is {factor}: expected a whole number of 2 to 16, such as 2")
        if isinstance(kernel, str) and kernel not in KERNELS:
            raise SettingsError(f"kernel is {kernel!r}: expected {', '.join(KERNELS)}, or a file")
        self.factor, self.kernel, self.sigma = factor, kernel, checked(sigma)
        self.grid = factor  # type: ignore[misc]  # of this picture's windows

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Of ``factor``, ``kernel``, a name or a file, and ``sigma`` on the scale of 0..255.

        Raises:
            SettingsError: another setting, or one out of range; or a kernel that is no product of two sides.
        """
        cls.refuse_others(settings, ("factor", "kernel", "sigma"))
        kernel = settings.get("kernel", "bicubic")
        if kernel not in KERNELS and Path(str(kernel)).suffix:
            kernel = _side_of(read_kernel(kernel), str(kernel))
        return cls(settings.get("factor", 2), kernel, told(settings))

    def A(self, x: Tensor, **kwargs: Any) -> Tensor:  # noqa: D102, N802 (deepinv's name)
        down, across = self._sides(x.shape[2] // self.factor, x.shape[3] // self.factor, x)
        return down.matrix @ x[..., : down.matrix.shape[1], : across.matrix.shape[1]] @ across.matrix.T

    def A_adjoint(self, y: Tensor, **kwargs: Any) -> Tensor:  # noqa: D102, N802 (deepinv's name)
        down, across = self._sides(y.shape[2], y.shape[3], y)
        return down.matrix.T @ y @ across.matrix

    def g_inv(self, y: Tensor) -> Tensor:
        """Each pixel as a square."""
        return y.repeat_interleave(self.factor, dim=2).repeat_interleave(self.factor, dim=3)

    def g(self, x: Tensor) -> Tensor:
        """One of each square."""
        return x[..., :: self.factor, :: self.factor]

    def terms(self, y: Tensor, prior: Tensor, noise: Noise | None, rho: float) -> Fusion:
        """In singular vectors of rows and columns."""
        return split_in(self._frame(y), y, prior, levels_of(noise, y), rho)

    def proximal(self, z: Tensor, y: Tensor, sigma: Tensor, tau: float) -> Tensor:
        """In singular vectors of rows and columns."""
        return proximal_in(self._frame(y), z, y, sigma, tau)

    def with_sigma(self, sigma: float) -> Self:
        """The same with noise of a level that is known."""
        return self._as(min(sigma, 1.0))

    def record(self, y: Tensor) -> dict[str, Any]:
        """The factor and the kernel."""
        kernel = self.kernel if isinstance(self.kernel, str) else [round(float(w), 6) for w in self.kernel]
        return {"factor": self.factor, "kernel": kernel}

    def scope(self) -> dict[str, float | str]:
        """The factor, and the kernel's name."""
        return {"factor": self.factor, "kernel": self.kernel if isinstance(self.kernel, str) else "a file's"}

    def picture_size(self, y: Tensor) -> tuple[int, int]:
        """So many times that of ``y``."""
        return self.factor * y.shape[2], self.factor * y.shape[3]

    def select(self, pictures: slice) -> Self:
        """With the noise levels of these pictures."""
        return self._as(self.sigma[pictures]) if isinstance(self.sigma, Tensor) else self

    def crop(self, y: Tensor, top: int, left: int, height: int, width: int) -> tuple[Tensor, Self]:
        """A window that starts and ends with pixels of ``y``; at its edges it is thought to go on as its mirror image.

        Raises:
            SettingsError: another window.
        """
        rows, columns = self._whole(top, height, "crop"), self._whole(left, width, "crop")
        return y[..., rows[0] : sum(rows), columns[0] : sum(columns)], self

    def pad(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """By the last row and column of ``y``; raises SettingsError if the size is no multiple of the factor."""
        return padded(y, self._whole(0, height, "pad")[1], self._whole(0, width, "pad")[1]), self

    def resize(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """Raises SettingsError if the size is no multiple of the factor."""
        return resized(y, self._whole(0, height, "resize")[1], self._whole(0, width, "resize")[1]), self

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """With the noise level of each part, where they differ; of one factor and kernel."""
        return parts[0]._as(joined(parts))

    def _as(self, sigma: Level) -> Self:
        return type(self)(self.factor, self.kernel, sigma)

    def _whole(self, start: int, length: int, what: str) -> tuple[int, int]:
        if start % self.factor or length % self.factor:
            raise SettingsError(
                f"{self.name} by {self.factor} cannot {what} its picture at {start} to {start + length}: expected "
                "multiples of the factor, or a prior that takes any size"
            )
        return start // self.factor, length // self.factor

    def _sides(self, height: int, width: int, like: Tensor) -> tuple[_Side, _Side]:
        kernel = self.kernel if isinstance(self.kernel, str) else tuple(self.kernel.tolist())
        down, across = (_side(count, self.factor, kernel) for count in (height, width))
        return down.to(like), across.to(like)

    def _frame(self, y: Tensor) -> _RowsAndColumns:
        return _RowsAndColumns(*self._sides(y.shape[2], y.shape[3], y))


class _Side:
    """What happens along one side: a matrix (m, n), its singular vectors (m, m) of small pictures, and values (m,)."""

    def __init__(self, matrix: Tensor, vectors: Tensor, values: Tensor) -> None:
        self.matrix, self.vectors, self.values = matrix, vectors, values

    def to(self, like: Tensor) -> _Side:
        return _Side(self.matrix.to(like), self.vectors.to(like), self.values.to(like))


class _RowsAndColumns:
    """The singular vectors of what happens to rows and columns: products of those of either."""

    name = "singular"

    def __init__(self, down: _Side, across: _Side) -> None:
        self.down, self.across = down, across
        self.s = torch.outer(down.values, across.values)
        self._inverse = 1 / self.s.clamp_min(1e-6)

    def coefficients(self, x: Tensor) -> Tensor:
        return self.measured(self.down.matrix @ x @ self.across.matrix.T) * self._inverse

    def measured(self, y: Tensor) -> Tensor:
        return self.down.vectors.T @ y @ self.across.vectors

    def picture(self, coefficients: Tensor) -> Tensor:
        small = self.down.vectors @ (coefficients * self._inverse) @ self.across.vectors.T
        return self.down.matrix.T @ small @ self.across.matrix


@lru_cache(maxsize=8)
def _side(count: int, factor: int, kernel: str | tuple[float, ...]) -> _Side:
    """What makes ``count`` pixels of ``factor`` times as many."""
    matrix = _weights(count, factor, kernel)
    values, vectors = torch.linalg.eigh(matrix @ matrix.T)
    return _Side(matrix.float(), vectors.float(), values.clamp_min(0).sqrt().float())


def _weights(count: int, factor: int, kernel: str | tuple[float, ...]) -> Tensor:
    """Weights (count, factor * count) of a side's pixels; a mirror image goes on beyond the edges, pixel by pixel."""
    length = count * factor
    if isinstance(kernel, str) and kernel != "gauss":
        reach = 2 if kernel == "bicubic" else 0.5
        centre = (torch.arange(count).double() + 0.5) * factor - 0.5
        first = (centre - reach * factor).floor().long()
        at = first[:, None] + torch.arange(int(2 * reach * factor) + 2)
        away = ((at - centre[:, None]) / factor).abs()
        weights = _cubic(away) if kernel == "bicubic" else (away < 0.5).double()
    else:
        line = gauss(_GAUSS_PX * factor).sum(dim=0) if isinstance(kernel, str) else torch.tensor(kernel).double()
        # A kernel of an odd number of pixels has no middle between two of them: it lies on the one before.
        first = torch.arange(count) * factor + (factor - len(line)) // 2
        at = first[:, None] + torch.arange(len(line))
        weights = line.expand(count, -1)
    weights = weights / weights.sum(dim=1, keepdim=True)
    period = at.remainder(2 * length)
    mirrored = torch.minimum(period, 2 * length - 1 - period)
    return torch.zeros(count, length, dtype=torch.float64).scatter_add_(1, mirrored, weights)


def _cubic(x: Tensor) -> Tensor:
    """Keys's cubic, a = -0.5, of distances of 0 or more."""
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x < 2, far, 0.0))


def _side_of(kernel: Tensor, name: str) -> Tensor:
    """The weights along a side (K,) of a kernel (K, K) that is their product with themselves.

    Raises:
        SettingsError: it is none.
    """
    line = kernel.sum(dim=0)
    if kernel.shape[0] != kernel.shape[1] or float((torch.outer(line, line) - kernel).abs().max()) > _SEPARABLE:
        raise SettingsError(f"kernel {name} is no product of two sides that are alike: pass one that is, or box")
    return line

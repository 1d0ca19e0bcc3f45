"""Filters as priors: what one makes of a noisy picture, of one with a hole, or of a grey one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bigprior.degradations import Measurement
from bigprior.errors import SettingsError
from bigprior.filters import Denoise, Fill
from bigprior.io.samples import Array
from bigprior.ops.colour import is_grey
from bigprior.ops.tiling import in_tiles
from bigprior.priors.base import Prior, Projection
from bigprior.progress import Progress

#: Side of the tiles of a large noisy picture, and what is shown around each, in pixels: filters look no further, but
#: for those that never end, such as total variation, which hardly do.
_TILE, _HALO = 512, 48
#: A smaller picture is extended by its mirror image: filters look at blocks of pixels.
_LEAST = 16


class FilteredPrior(Prior):
    """A noisy picture without its noise, as a filter has it that is told how much there is.

    Args:
        denoise: see :data:`bigprior.filters.Denoise`.
    """

    any_size = frozenset({"tiles", "whole", "hole"})
    draws = False

    def __init__(self, denoise: Denoise) -> None:
        super().__init__()
        self.denoise = denoise

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """Picture by picture, with the noise level that was known or found; ``codes`` holds it.

        Raises:
            SettingsError: a measurement without noise.
        """
        noise = noise_levels(m)
        images = [m.fidelity[:0]]
        for i, level in enumerate(noise.tolist()):
            picture = m.fidelity[i : i + 1]
            # A channel of a grey picture is all of it; a picture without noise is what it is.
            shown = picture[:, :1] if bool(is_grey(picture)) else picture
            if level > 0:
                shown = in_tiles(lambda x, level=level: self._of_one(x, level), shown, tile=_TILE, halo=_HALO)
            images.append(shown.expand(-1, 3, -1, -1))
            if progress is not None:
                progress(i + 1, len(m))
        return Projection(torch.cat(images), {"sigma": noise})

    def _of_one(self, picture: Tensor, sigma: float) -> Tensor:
        height, width = picture.shape[2:]
        edges = [(0, max(0, _LEAST - side)) for side in (height, width)]
        wide = np.pad(as_array(picture), [*edges, (0, 0)], mode="symmetric")
        return as_tensor(self.denoise(wide, sigma)[:height, :width], picture)


class FilledPrior(Prior):
    """A picture with its hole filled by what is around it.

    Args:
        fill: see :data:`bigprior.filters.Fill`.
    """

    any_size = frozenset({"tiles", "whole", "hole"})
    draws = False

    def __init__(self, fill: Fill) -> None:
        super().__init__()
        self.fill = fill

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """Picture by picture; what is known stays as it is.

        Raises:
            SettingsError: a measurement that says of no hole.
        """
        hole, images = hole_of(m), []
        for i, lost in enumerate(hole):
            picture = m.fidelity[i : i + 1]
            if bool(lost.any()):
                filled = as_tensor(self.fill(as_array(picture), lost[0].cpu().numpy() > 0), picture)
                picture = torch.where(lost > 0, filled, picture)
            images.append(picture)
            if progress is not None:
                progress(i + 1, len(m))
        return Projection(torch.cat(images))


class ColouredPrior(Prior):
    """A grey picture in colours that depend on its grey alone.

    Args:
        colour: of a grey picture (H, W, 3), RGB in [0, 1], to a coloured one.
    """

    any_size = frozenset({"tiles", "whole", "hole"})
    draws = False

    def __init__(self, colour: Callable[[Array], Array]) -> None:
        super().__init__()
        self.colour = colour

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """Picture by picture."""
        images = [as_tensor(self.colour(as_array(picture)), picture) for picture in m.fidelity.split(1)]
        return Projection(torch.cat(images))


def noise_levels(m: Measurement) -> Tensor:
    """How much noise each picture has, (N,).

    Raises:
        SettingsError: a measurement without noise.
    """
    if m.noise is None:
        raise SettingsError(f"{m.degradation.name} has no noise that a filter could remove: use another prior")
    return m.noise.sigma


def hole_of(m: Measurement) -> Tensor:
    """Where nothing was measured, (N, 1, H, W).

    Raises:
        SettingsError: the measurement says of no hole.
    """
    if m.hole is None:
        raise SettingsError(f"{m.degradation.name} says of no hole that a filter could fill: use another prior")
    return m.hole


def as_array(picture: Tensor) -> Array:
    """A picture (1, C, H, W) as a filter takes it, (H, W, C)."""
    return np.ascontiguousarray(picture[0].permute(1, 2, 0).cpu().double().numpy())


def as_tensor(picture: Array, like: Tensor) -> Tensor:
    """What a filter gave, (H, W, C), as a picture (1, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].to(like)

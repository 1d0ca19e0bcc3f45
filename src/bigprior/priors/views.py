"""Mirrored and turned copies of a picture: a network's mean answer over them is a better one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from bigprior.ops.precision import Precision, autocast
from bigprior.ops.tiling import in_tiles
from bigprior.progress import Progress

#: How many copies: 2 are the picture and its mirror image, of 4 two stand on their heads, of 8 four lie on their side;
#: 3 are without the last of 4.
Views = Literal[1, 2, 3, 4, 8]
#: Side of the tiles of a large picture, in pixels.
_TILE = 768


@dataclass(frozen=True)
class View:
    """A picture lying on its side or not, then mirrored along some of its sides; and back."""

    sides: tuple[int, ...] = ()
    turned: bool = False

    def there(self, x: Tensor) -> Tensor:
        """A picture (N, C, H, W) as it is shown."""
        return (x.transpose(2, 3) if self.turned else x).flip(self.sides)

    def back(self, x: Tensor) -> Tensor:
        """What was shown, as it was."""
        x = x.flip(self.sides)
        return x.transpose(2, 3) if self.turned else x


#: All eight; of fewer, the first ones.
VIEWS = tuple(View(sides, turned) for turned in (False, True) for sides in ((), (3,), (2,), (2, 3)))


def denoised(
    denoiser: nn.Module,
    x: Tensor,
    sigma: float | Tensor,
    *,
    step: int = 0,
    precision: Precision = "auto",
    progress: Progress | None = None,
) -> Tensor:
    """What a denoiser makes of pictures (N, C, H, W) of any size with noise ``sigma``, of the same scale.

    Args:
        denoiser: of pictures with white noise, such as a deepinv ``Denoiser``; it sees large ones in tiles, unless it
            says that it takes ``any_size``.
        x: the pictures.
        sigma: a number, or one of each picture, (N,).
        step: of steps that follow each other, each is shown another copy, since a mirror image errs elsewhere.
        precision: of the pass.
        progress: called with (finished, total) tiles.
    """
    view = VIEWS[step % len(VIEWS)]

    def ask(shown: Tensor) -> Tensor:
        with autocast(precision, shown.device):
            clean: Tensor = denoiser(shown, sigma)
        return clean.float()

    halo = getattr(denoiser, "receptive_radius", 64)
    tile = max(x.shape[2:]) if getattr(denoiser, "any_size", False) else _TILE
    return view.back(in_tiles(ask, view.there(x), tile=tile, halo=halo, progress=progress))

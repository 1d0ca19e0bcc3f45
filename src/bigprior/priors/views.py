"""Mirrored and turned copies of a picture: a network's mean answer over them is a better one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

#: How many copies: 2 are the picture and its mirror image, 4 also stand on their heads, 8 also lie on their side.
Views = Literal[1, 2, 4, 8]


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

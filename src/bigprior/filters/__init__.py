"""Classical filters of one picture: others' packages behind one signature, and those that no package has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bigprior.io.samples import Array

#: A picture (H, W, 3 or 1) with white noise, floats, RGB or grey in [0, 1], and the noise level, to a picture.
Denoise = Callable[[Array, float], Array]
#: A picture (H, W, 3 or 1), floats in [0, 1], and its hole (H, W), bool, to a picture; what is known may change.
Fill = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Weighed:
    """An estimate that is Eq. 5 by its own equation: ``image = (1 - phi) y + phi prior``.

    Attributes:
        image: the estimate (H, W, C).
        phi: what comes from the prior, (H, W, 1) in [0, 1].
        prior: what is believed, (H, W, C).
    """

    image: Array
    phi: Array
    prior: Array


__all__ = ["Denoise", "Fill", "Weighed"]

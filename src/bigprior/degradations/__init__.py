"""What happened to the picture, by name: ``f``, and the bijection of its measurement."""

from __future__ import annotations

from bigprior.degradations.base import CONDITION_CHANNELS, Degradation
from bigprior.degradations.colorization import Colorization
from bigprior.degradations.denoising import Denoising
from bigprior.degradations.inpainting import Inpainting
from bigprior.errors import UnknownNameError

#: Every degradation by name.
DEGRADATIONS: dict[str, type[Degradation]] = {c.name: c for c in (Colorization, Inpainting, Denoising)}


def degradation(name: str, **settings: object) -> Degradation:
    """Build the degradation called ``name``.

    Raises:
        UnknownNameError: no such degradation.
    """
    if name not in DEGRADATIONS:
        raise UnknownNameError("task", name, list(DEGRADATIONS))
    return DEGRADATIONS[name](**settings)


__all__ = [
    "CONDITION_CHANNELS",
    "DEGRADATIONS",
    "Colorization",
    "Degradation",
    "Denoising",
    "Inpainting",
    "degradation",
]

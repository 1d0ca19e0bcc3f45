"""What happened to the picture, by name: ``f``, and the bijection of its measurement."""

from __future__ import annotations

import deepinv as dinv

from bigprior.degradations.base import CONDITION_CHANNELS, Degradation, Measurement
from bigprior.degradations.colorization import Colorization
from bigprior.degradations.denoising import Denoising
from bigprior.degradations.flaws import Flaws
from bigprior.degradations.inpainting import Inpainting
from bigprior.degradations.linear import Linear
from bigprior.degradations.protocol import Protocol
from bigprior.errors import SettingsError
from bigprior.registry import Registry

#: Every degradation by its name.
DEGRADATIONS: Registry[type[Degradation]] = Registry(
    "task", "bigprior.degradations", {c.name: c for c in (Colorization, Inpainting, Denoising)}
)


def task_of(text: str) -> type[Degradation]:
    """The degradation that a person means: by its name, ``denoising``, or its verb, ``denoise``; or ``linear``.

    Raises:
        UnknownNameError: no such degradation.
    """
    if text in DEGRADATIONS:
        return DEGRADATIONS[text]
    if text in (Linear.name, Linear.verb):  # made of a physics, and so not by its name alone
        return Linear
    return next((c for c in DEGRADATIONS.values() if c.verb == text), None) or DEGRADATIONS[text]


def degradation(name: str, **settings: object) -> Degradation:
    """Build the degradation called ``name``.

    Raises:
        UnknownNameError: no such degradation.
    """
    return task_of(name)(**settings)


def as_degradation(physics: dinv.physics.Physics) -> Degradation:
    """A degradation as it is; a physics of deepinv's own as the registered degradation that is made of such, or else
    as :class:`Linear`.

    Raises:
        SettingsError: no degradation is made of such a physics, or it does more than that one can.
    """
    if isinstance(physics, Degradation):
        return physics
    for kind in type(physics).__mro__:
        for known in DEGRADATIONS.values():
            if known.stock is kind:
                return known.of_physics(physics)
    if isinstance(physics, dinv.physics.LinearPhysics):
        return Linear(physics)
    raise SettingsError(
        f"{type(physics).__name__} is not linear, and has no bijection of its measurement that is known here: subclass "
        "bigprior.Degradation, give it g_inv and g, and register it; or pass a deepinv LinearPhysics"
    )


__all__ = [
    "CONDITION_CHANNELS",
    "DEGRADATIONS",
    "Colorization",
    "Degradation",
    "Denoising",
    "Flaws",
    "Inpainting",
    "Linear",
    "Measurement",
    "Protocol",
    "as_degradation",
    "degradation",
    "task_of",
]

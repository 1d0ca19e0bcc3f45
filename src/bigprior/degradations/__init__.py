"""What happened to the picture, by name: ``f``, and the bijection of its measurement."""

from __future__ import annotations

import deepinv as dinv

from bigprior.degradations.base import CONDITION_CHANNELS, Degradation, Measurement
from bigprior.degradations.colorization import Colorization
from bigprior.degradations.deblurring import Deblurring
from bigprior.degradations.demosaicing import Demosaicing
from bigprior.degradations.denoising import Denoising
from bigprior.degradations.flaws import Flaws
from bigprior.degradations.inpainting import Inpainting
from bigprior.degradations.jpeg import Jpeg
from bigprior.degradations.linear import Linear
from bigprior.degradations.poisson import Poisson
from bigprior.degradations.protocol import Protocol
from bigprior.degradations.upscaling import Upscaling
from bigprior.errors import SettingsError, UnknownNameError
from bigprior.registry import Registry

#: Every degradation by its name.
DEGRADATIONS: Registry[type[Degradation]] = Registry(
    "task",
    "bigprior.degradations",
    {c.name: c for c in (Colorization, Inpainting, Denoising)},
)
#: Those whose phi is known in closed form, so that no network learns from them, by name.
OPERATORS: Registry[type[Degradation]] = Registry(
    "task", "bigprior.operators", {c.name: c for c in (Poisson, Upscaling, Deblurring, Demosaicing, Jpeg, Linear)}
)
#: What a picture suffered that has white noise, and nothing else.
WHITE_NOISE = Denoising


def task_of(text: str) -> type[Degradation]:
    """The degradation that a person means: by its name, ``denoising``, or its verb, ``denoise``.

    Raises:
        UnknownNameError: no such degradation.
    """
    for registry in (DEGRADATIONS, OPERATORS):
        if text in registry:
            return registry[text]
        for known in registry.values():
            if known.verb == text:
                return known
    raise UnknownNameError("task", text, [*DEGRADATIONS, *OPERATORS])


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
    refused: SettingsError | None = None
    for kind in type(physics).__mro__:
        for known in (*DEGRADATIONS.values(), *OPERATORS.values()):
            if known.stock is kind:
                try:
                    return known.of_physics(physics)
                except SettingsError as error:
                    refused = refused or error
    if refused is not None:
        raise refused
    if isinstance(physics, dinv.physics.LinearPhysics):
        return Linear(physics)
    raise SettingsError(
        f"{type(physics).__name__} is not linear, and has no bijection of its measurement that is known here: subclass "
        "bigprior.Degradation, give it g_inv and g, and register it; or pass a deepinv LinearPhysics"
    )


__all__ = [
    "CONDITION_CHANNELS",
    "DEGRADATIONS",
    "OPERATORS",
    "WHITE_NOISE",
    "Colorization",
    "Deblurring",
    "Degradation",
    "Demosaicing",
    "Denoising",
    "Flaws",
    "Inpainting",
    "Jpeg",
    "Linear",
    "Measurement",
    "Poisson",
    "Protocol",
    "Upscaling",
    "as_degradation",
    "degradation",
    "task_of",
]

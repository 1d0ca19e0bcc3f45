"""Physics of deepinv's own, as degradations are made of them."""

from __future__ import annotations

import deepinv as dinv

from bigprior.errors import SettingsError


def refuse_noise(physics: dinv.physics.Physics, name: str) -> None:
    """That a physics, of which a degradation called ``name`` is to be made, adds no noise.

    Raises:
        SettingsError: it does.
    """
    model = getattr(physics, "noise_model", None)
    if model is not None and not isinstance(model, dinv.physics.ZeroNoise):
        raise SettingsError(f"{name} with {type(model).__name__} is not known here: expected one without noise")

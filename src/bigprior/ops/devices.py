"""Where tensors live, by name."""

from __future__ import annotations

import torch

from bigprior.errors import SettingsError


def device_of(name: str) -> torch.device:
    """The device called ``name``: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

    Raises:
        SettingsError: it is not usable here.
    """
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SettingsError(
            f"device is {name!r}: not usable here ({str(error).splitlines()[0]}); cpu always is"
        ) from None

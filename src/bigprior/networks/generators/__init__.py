"""Generative networks ``G``, by name."""

from __future__ import annotations

from typing import Any

from bigprior.errors import UnknownNameError
from bigprior.networks.generators.base import Generator
from bigprior.networks.generators.pggan import PGGAN

#: Every architecture by name. A new one needs ``settings`` and ``from_state_dict`` beside the protocol's members.
GENERATORS: dict[str, type[PGGAN]] = {"pggan": PGGAN}


def architecture(name: str) -> type[Any]:
    """The class of an architecture.

    Raises:
        UnknownNameError: no such architecture.
    """
    if name not in GENERATORS:
        raise UnknownNameError("generator", name, list(GENERATORS))
    return GENERATORS[name]


__all__ = ["GENERATORS", "PGGAN", "Generator", "architecture"]

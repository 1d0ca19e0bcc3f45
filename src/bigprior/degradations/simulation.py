"""Measurements of pictures that are known, for training and for evaluation.

A picture's noise or mask depends on the protocol, its name and the draw alone, so that every method sees the same
pixels, whichever pictures it is run beside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from bigprior.degradations import DEGRADATIONS, OPERATORS, Degradation, Protocol, task_of
from bigprior.errors import UnknownNameError


def protocols() -> dict[str, Protocol]:
    """Every protocol of every degradation that networks learn, by name."""
    return {name: protocol for physics in DEGRADATIONS.values() for name, protocol in physics.protocols.items()}


def learning_protocols(task: str) -> tuple[str, ...]:
    """The protocols that networks of a task learn from.

    Raises:
        UnknownNameError: no such task.
    """
    return usual_protocols(DEGRADATIONS[task].name)


def usual_protocols(task: str) -> tuple[str, ...]:
    """The protocols that a task is calibrated by: those that networks learn from, if any do.

    Raises:
        UnknownNameError: no such task.
    """
    physics = task_of(task)
    return physics.learning or tuple(physics.protocols)


def simulate(protocol: str, truth: Tensor, names: Sequence[str], draw: int = 0) -> tuple[Tensor, Degradation]:
    """Measure a batch of known pictures.

    Args:
        protocol: of a degradation, by name.
        truth: (N, 3, H, W), RGB in [0, 1].
        names: of the pictures, one each: they seed the noise and the masks.
        draw: another number gives other noise and masks.

    Returns:
        The measurements, and one degradation for them all, which knows no parameters that the protocol does not tell.

    Raises:
        UnknownNameError: no such protocol.
    """
    one = _protocol(protocol)
    pairs = [one.simulate(x, rng_of(protocol, name, draw)) for x, name in zip(truth.split(1), names, strict=True)]
    physics = [p for _, p in pairs]
    joined = physics[0].blind() if one.blind else type(physics[0]).join(physics)
    return torch.cat([y for y, _ in pairs]), joined


def noise_level(protocol: str, name: str, draw: int = 0) -> float:
    """``sigma`` in [0, 1] of the picture called ``name``, for methods that know it.

    Raises:
        UnknownNameError: no such protocol, or one without noise.
    """
    noisy = [one for physics in DEGRADATIONS.values() if physics.identity for one in physics.protocols]
    if protocol not in noisy:
        raise UnknownNameError("noisy protocol", protocol, noisy)
    sigma = _protocol(protocol).simulate(torch.zeros(1, 3, 8, 8), rng_of(protocol, name, draw))[1].known_sigma
    if sigma is None:
        raise UnknownNameError("noisy protocol", protocol, noisy)
    return float(sigma)


def _protocol(name: str) -> Protocol:
    known = protocols() | {key: value for physics in OPERATORS.values() for key, value in physics.protocols.items()}
    if name not in known:
        raise UnknownNameError("protocol", name, list(known))
    return known[name]


def rng_of(protocol: str, name: str, draw: int = 0) -> torch.Generator:
    """The random numbers of one picture's measurement."""
    digest = hashlib.sha256(f"{protocol}/{name}/{draw}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

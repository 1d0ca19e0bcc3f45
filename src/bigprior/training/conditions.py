"""What a network is conditioned on in training: what measurements of a task say exactly, and how it is judged then."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.degradations import DEGRADATIONS, Degradation, Measurement, task_of
from bigprior.degradations.simulation import learning_protocols, protocols
from bigprior.errors import SettingsError
from bigprior.ops.perceptual import LPIPS_LEAST_PX
from bigprior.training.losses import colour_error, hole_error

#: Side, in pixels, of the pictures that holes are drawn for.
_PICTURE_PX = 256
#: Shares of a crop that a hole may take.
_LEAST_HOLE, _LARGEST_HOLE = 0.02, 0.85
#: AlexNet's features are 16 pixels apart at the coarsest: a shift by as many is none.
_LARGEST_SHIFT = 15


def conditional_tasks(weights: Mapping[str, float]) -> dict[str, float]:
    """How often each task is met, by its name.

    Args:
        weights: by a task's name or verb; without any, all whose measurements say something exactly are as frequent.

    Raises:
        SettingsError: the measurements of one say nothing exactly, or there is none.
        UnknownNameError: no such task.
    """
    given = {task_of(name).name: weight for name, weight in weights.items()}
    rng, probe = torch.Generator().manual_seed(0), torch.zeros(1, 3, 64, 64)
    exact = [name for name in given or DEGRADATIONS if measured(name, probe, rng).condition is not None]
    if mute := [name for name in given if name not in exact]:
        raise SettingsError(f"a measurement of {mute[0]} says nothing exactly: leave it out of tasks")
    if not exact or (given and not sum(given.values()) > 0):
        raise SettingsError("no task is left to be conditioned on: give one a weight above 0, or set conditional to 0")
    return given or dict.fromkeys(exact, 1.0)


def measured(task: str, x: Tensor, rng: torch.Generator) -> Measurement:
    """Crops (N, 3, S, S) as a task measures them, without noise. Holes are those of pictures of 256 pixels a side."""
    meant = [protocol for protocol in DEGRADATIONS[task].protocols.values() if protocol.condition]
    meant, side = meant or [protocols()[learning_protocols(task)[0]]], x.shape[2]
    blank = torch.zeros(1, 3, max(side, _PICTURE_PX), max(side, _PICTURE_PX))
    edge = (blank.shape[2] - side) // 2
    parts: list[Degradation] = []
    while len(parts) < len(x):
        protocol = meant[int(torch.randint(len(meant), (), generator=rng))]
        whole = protocol.simulate(blank, rng)[1]
        y, part = whole.crop(whole.f(blank), edge, edge, side, side)
        hole = part.known_phi(y)
        if hole is None or _LEAST_HOLE < float(hole.mean()) < _LARGEST_HOLE:
            parts.append(part)
    physics: Degradation = type(parts[0]).join(parts).to(x.device)
    return physics.measure(physics.f(x))


def one_step_error(m: Measurement, estimate: Tensor, x: Tensor, perceptual: float, rng: torch.Generator) -> Tensor:
    """The error of a one-step estimate of pictures ``x``, and a little of the squared error of all its pixels.

    Args:
        m: what the estimate was conditioned on.
        estimate, x: (N, 3, H, W), RGB in [0, 1].
        perceptual: weight of LPIPS in filled holes.
        rng: draws which pixels LPIPS sees first.
    """
    plain = F.mse_loss(estimate, x)
    if m.degradation.colours:
        return plain + colour_error(m, estimate, x)
    if m.hole is None:
        return plain
    # A quarter of it is about as large as the other errors are.
    most = min(_LARGEST_SHIFT, x.shape[2] - LPIPS_LEAST_PX)
    top, left = (int(corner) for corner in torch.randint(max(0, most) + 1, (2,), generator=rng))
    return plain + 0.25 * hole_error(estimate, x, 1 - m.hole, perceptual, (top, left))

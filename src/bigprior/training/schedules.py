"""Learning rates along a run's plan: options of an optimiser for one step."""

from __future__ import annotations

import math
from typing import Any

from bigprior.training.plan import Moment


def cosine(moment: Moment, peak: float, rise: int = 50) -> dict[str, Any]:
    """The learning rate rises over the first ``rise`` steps, and falls along a half cosine."""
    falling = 0.5 + 0.5 * math.cos(math.pi * moment.done / moment.total)
    return {"lr": peak * (falling * min(1.0, (moment.step + 1) / rise))}


def held(moment: Moment, peak: float, decay: float, rise: int = 200) -> dict[str, Any]:
    """The learning rate rises, stays, and falls to nothing along a half cosine over the last ``decay`` of the run."""
    left = (moment.total - moment.done) / max(1.0, decay * moment.total)
    return {"lr": peak * min(1.0, (moment.step + 1) / rise, 0.5 - 0.5 * math.cos(math.pi * min(1.0, left)))}


def one_cycle(moment: Moment, peak: float, beta2: float = 0.999) -> dict[str, Any]:
    """Smith and Topin's one cycle, as ``torch.optim.lr_scheduler.OneCycleLR`` has it for Adam.

    The learning rate rises from a 25th of its peak over three tenths of the run, and falls to a 250,000th; momentum
    does the reverse.
    """
    risen, end = 0.3 * moment.total - 1, moment.total - 1
    first, last = peak / 25, peak / 25 / 1e4
    if risen > 0 and moment.done <= risen:
        share, rate, momentum = moment.done / risen, (first, peak), (0.95, 0.85)
    else:
        share, rate, momentum = min(1.0, (moment.done - risen) / (end - risen)), (peak, last), (0.85, 0.95)
    return {"lr": _between(*rate, share), "betas": (_between(*momentum, share), beta2)}


def _between(first: float, last: float, share: float) -> float:
    """Along a half cosine."""
    return last + (first - last) / 2.0 * (math.cos(math.pi * share) + 1)

"""How pictures that are known are measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Protocol:
    """How pictures that are known are measured, for training and for evaluation.

    Attributes:
        simulate: one picture (1, 3, H, W) with the given random numbers to its measurement, and the degradation as it
            truly was.
        blind: a restorer is not told that degradation's parameters, such as a noise level.
        condition: networks that are conditioned on what is known exactly learn from its measurements; where no protocol
            of a degradation says so, from those of the first that networks learn from.
    """

    simulate: Callable[[Tensor, torch.Generator], tuple[Tensor, Any]]
    blind: bool = False
    condition: bool = False

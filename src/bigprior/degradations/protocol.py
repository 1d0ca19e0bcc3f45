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
    """

    simulate: Callable[[Tensor, torch.Generator], tuple[Tensor, Any]]
    blind: bool = False

"""How precisely a network's passes are computed: single precision, or bfloat16 where the processor is made for it."""

from __future__ import annotations

from typing import Literal

import torch

#: ``auto`` is ``bf16`` where the device multiplies matrices in it, and ``fp32`` elsewhere, where it would be slower.
Precision = Literal["fp32", "bf16", "auto"]


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """The context in which a network's passes are computed; its inputs and weights stay in single precision."""
    half = precision == "bf16" or (precision == "auto" and _multiplies_bf16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=half)


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)  # torch has no public name for it yet
    return device.type == "cpu" and supported is not None and bool(supported())

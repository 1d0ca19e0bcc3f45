"""Heat whose steps were learned from photographs: trained reaction diffusion, with the weights that come with us."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from bigprior.filters.groups import closed, opened
from bigprior.io.samples import Array
from bigprior.io.weights import read_tensors
from bigprior.networks.tnrd import TNRD

#: What ``bigprior train tnrd`` made; see docs/models/tnrd.md.
WEIGHTS = Path(__file__).with_name("tnrd.safetensors")


def trained_diffusion(picture: Array, sigma: float) -> Array:
    """Remove white noise from a picture (H, W, C): grey, and if C is 3 two colours beside it, each by itself."""
    y = opened(picture, 1, 1)
    clean = _network()(y[:, None], torch.full((len(y),), sigma))[:, 0]
    return closed(clean, picture.shape[:2])


@cache
def _network() -> TNRD:
    return TNRD.from_state_dict({k: v.float() for k, v in read_tensors(WEIGHTS).items()}).requires_grad_(False)

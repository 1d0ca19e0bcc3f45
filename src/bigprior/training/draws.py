"""Random numbers of a run. They are drawn on the processor and moved, so that every device sees the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor


def step_rng(seed: int, step: int) -> torch.Generator:
    """The random numbers of one step of a run: a function of the seed and the step alone."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) & (2**63 - 1))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's global random numbers of the processor begin at ``seed``, and are put back after."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def noise_like(x: Tensor, rng: torch.Generator) -> Tensor:
    """White Gaussian noise of the shape of ``x``, where ``x`` is."""
    return torch.randn(x.shape, generator=rng).to(x.device)


def random_crop(parts: Sequence[Tensor], side: int, rng: torch.Generator) -> list[Tensor]:
    """The same square of every picture (C, H, W) of one size, at most ``side`` wide, in half of the cases mirrored."""
    height, width = parts[0].shape[1:]
    ch, cw = min(side, height), min(side, width)
    top = int(torch.randint(height - ch + 1, (), generator=rng))
    left = int(torch.randint(width - cw + 1, (), generator=rng))
    mirrored = [2] if bool(torch.randint(2, (), generator=rng)) else []
    return [part[:, top : top + ch, left : left + cw].flip(mirrored) for part in parts]


def random_square(picture: Tensor, seen: int, side: int, rng: torch.Generator) -> Tensor:
    """A square of a picture's bytes (3, H, W), ``seen`` pixels wide, as (1, 3, ``side``, ``side``) in [0, 1]."""
    (crop,) = random_crop([picture], seen, rng)
    crop = crop[None].float() / 255
    if seen == side:
        return crop
    return F.interpolate(crop, size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)


def mirrored(x: Tensor, rng: torch.Generator) -> Tensor:
    """Pictures (N, C, H, W), each in half of the cases mirrored."""
    flip = (torch.rand(len(x), 1, 1, 1, generator=rng) < 0.5).to(x.device)
    return torch.where(flip, x.flip(3), x)

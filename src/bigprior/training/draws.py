"""Random numbers of a run. Every device sees the same: few are drawn on the processor and moved, and many are made
where they are needed, of one that was drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

#: The lowest 24 bits: as many as a float32 holds exactly.
_MASK = (1 << 24) - 1


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
    """White Gaussian noise of the shape of ``x``, where ``x`` is.

    Torch's own generators give other numbers on another device, and moving them from the processor takes longer than a
    step of a graphics card. So each pair of numbers is made of its place and of one number that is drawn: SplitMix64
    (Steele et al., "Fast splittable pseudorandom number generators", 2014), and Box and Muller's transform.
    """
    place = torch.arange((x.numel() + 1) // 2, device=x.device)
    bits = _mixed(place + int(torch.randint(1 << 62, (), generator=rng)))
    uniform = [((part & _MASK) + 0.5) * 2.0**-24 for part in (bits, bits >> 24)]
    radius, angle = uniform[0].log().mul(-2).clamp_min(0).sqrt(), 2 * math.pi * uniform[1]
    return torch.cat([radius * angle.cos(), radius * angle.sin()])[: x.numel()].view(x.shape)


def _mixed(place: Tensor) -> Tensor:
    """SplitMix64's number at each place; products wrap, and right shifts bring no signs."""
    bits = place * -0x61C8864680B583EB
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15)):
        bits = (bits ^ ((bits >> shift) & ((1 << (64 - shift)) - 1))) * factor
    return bits ^ ((bits >> 31) & ((1 << 33) - 1))


def random_crop(parts: Sequence[Tensor], side: int, rng: torch.Generator) -> list[Tensor]:
    """The same square of every picture (C, H, W) of one size, at most ``side`` wide, in half of the cases mirrored."""
    height, width = parts[0].shape[1:]
    ch, cw = min(side, height), min(side, width)
    top = int(torch.randint(height - ch + 1, (), generator=rng))
    left = int(torch.randint(width - cw + 1, (), generator=rng))
    mirrored = [2] if bool(torch.randint(2, (), generator=rng)) else []
    return [part[:, top : top + ch, left : left + cw].flip(mirrored) for part in parts]


def random_squares(pictures: Sequence[Tensor], seen: Sequence[int], side: int, rng: torch.Generator) -> Tensor:
    """A square of each picture, in half of the cases mirrored: (N, 3, ``side``, ``side``) in [0, 1].

    Those that are as wide are resized together.

    Args:
        pictures: bytes (3, H, W), RGB, on one device.
        seen: the width of each square, in pixels; no more than the picture's shorter side.
        side: of what comes out, in pixels.
        rng: of the places.
    """
    places = torch.rand(len(pictures), 2, generator=rng).tolist()
    alike: dict[int, list[int]] = {}
    for i, width in enumerate(seen):
        alike.setdefault(width, []).append(i)
    found = pictures[0].new_empty(len(pictures), 3, side, side, dtype=torch.float32)
    for width, which in alike.items():
        cut = []
        for i in which:
            top, left = (int(u * (n - width + 1)) for u, n in zip(places[i], pictures[i].shape[1:], strict=True))
            cut.append(pictures[i][:, top : top + width, left : left + width])
        crops = torch.stack(cut).float() / 255
        if width != side:
            crops = F.interpolate(crops, size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)
        found[torch.tensor(which, device=found.device)] = crops
    return mirrored(found, rng)


def mirrored(x: Tensor, rng: torch.Generator) -> Tensor:
    """Pictures (N, C, H, W), each in half of the cases mirrored."""
    flip = (torch.rand(len(x), 1, 1, 1, generator=rng) < 0.5).to(x.device)
    return torch.where(flip, x.flip(3), x)

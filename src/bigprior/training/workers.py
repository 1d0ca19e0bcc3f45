"""Processes that share the steps of one run, started by ``torchrun``; one process alone needs none of this."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import distributed, nn


def started() -> int:
    """How many processes ``torchrun`` started, this one among them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def joined() -> Iterator[tuple[int, int]]:
    """Meet the other processes that ``torchrun`` started; yields this one's rank, and how many there are."""
    if started() == 1:
        yield 0, 1
        return
    distributed.init_process_group("gloo")
    try:
        yield distributed.get_rank(), distributed.get_world_size()
    finally:
        distributed.destroy_process_group()


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter], count: int) -> None:
    """Replace every gradient by its mean over ``count`` processes, which have the same parameters."""
    if count == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    together = torch.cat([g.flatten() for g in gradients])
    distributed.all_reduce(together)
    for gradient, mean in zip(gradients, (together / count).split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))

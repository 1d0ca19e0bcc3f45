"""Processes that share the steps of one run, started by ``torchrun``; one process alone needs none of this."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, distributed


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
        # None leaves while another still averages: it would find the connection closed. Here, who left has passed.
        with suppress(RuntimeError):
            distributed.barrier()
    finally:
        distributed.destroy_process_group()


@torch.no_grad()
def average(tensors: Iterable[Tensor], count: int) -> None:
    """Replace every tensor by its mean over ``count`` processes, which hold tensors of the same shapes."""
    if count == 1:
        return
    held = list(tensors)
    together = torch.cat([t.flatten() for t in held])
    distributed.all_reduce(together)
    for tensor, mean in zip(held, (together / count).split([t.numel() for t in held]), strict=True):
        tensor.copy_(mean.view_as(tensor))

"""Processes that share the steps of one run, started by ``torchrun``; one process alone needs none of this."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from bigprior.ops.devices import device_of


@dataclass(frozen=True)
class Team:
    """The processes of a run: which this one is, and how many there are."""

    rank: int = 0
    count: int = 1

    @torch.no_grad()
    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace every tensor by its mean over the processes, which hold tensors of the same shapes."""
        if self.count == 1:
            return
        held = list(tensors)
        together = torch.cat([t.flatten() for t in held])
        distributed.all_reduce(together)
        for tensor, mean in zip(held, (together / self.count).split([t.numel() for t in held]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    def mean(self, value: float) -> float:
        """The mean of a number over the processes."""
        held = torch.tensor([value], dtype=torch.float64)
        self.average([held])
        return held.item()


def started() -> int:
    """How many processes ``torchrun`` started, this one among them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def own_device(name: str) -> torch.device:
    """The device called ``name``; of several processes that are to share ``cuda``, each has its own.

    Raises:
        SettingsError: it is not usable here.
    """
    return device_of(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if name == "cuda" and started() > 1 else name)


@contextmanager
def joined(device: torch.device | None = None) -> Iterator[Team]:
    """Meet the other processes that ``torchrun`` started; yields who this one is among them."""
    if started() == 1:
        yield Team()
        return
    accelerated = device is not None and device.type == "cuda"
    distributed.init_process_group("cpu:gloo,cuda:nccl" if accelerated else "gloo")
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size())
        # None leaves while another still averages: it would find the connection closed. Here, who left has passed.
        with suppress(RuntimeError):
            distributed.barrier()
    finally:
        distributed.destroy_process_group()

"""What steps learn from, made by other processes before it is needed."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

T = TypeVar("T")
#: How many places each process is ahead.
_AHEAD = 4


class _Made(Dataset[Any]):
    """What is made of a place, as torch's loader asks for it."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self.make = make

    def __getitem__(self, place: int) -> Any:
        return self.make(place)


def made_ahead(make: Callable[[int], T], first: int, workers: int) -> Iterator[T]:
    """What ``make`` gives for each place from ``first`` on, in order, without an end.

    Args:
        make: gives tensors, on the processor, as a function of the place alone.
        first: place.
        workers: processes, at least 1; where they can be forked, they share what ``make`` holds.
    """
    context = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    loader: DataLoader[T] = DataLoader(
        _Made(make),
        batch_size=None,
        sampler=count(first),
        num_workers=workers,
        prefetch_factor=_AHEAD,
        multiprocessing_context=context,
        generator=torch.Generator(),  # torch's own draws the workers' seeds from its global random numbers
    )
    return iter(loader)

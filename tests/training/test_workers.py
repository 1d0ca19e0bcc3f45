"""Processes that share a run, and one alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bigprior.training.workers import average_gradients, joined


def test_gradients_are_averaged_over_processes(tmp_path: Path, in_two_processes: Callable[..., None]) -> None:
    script = """
import torch
from bigprior.training.workers import average_gradients, joined
with joined() as (rank, count):
    a, b, unused = (torch.nn.Parameter(torch.zeros(n)) for n in (2, 3, 1))
    ((rank + 1) * a.sum() + 10 * (rank + 1) * b.sum()).backward()
    average_gradients([a, b, unused], count)
    assert unused.grad is None
    open(f"{sys.argv[1]}/{rank}", "w").write(f"{count} {a.grad.tolist()} {b.grad.tolist()}")
"""
    in_two_processes(script, tmp_path)
    assert {(tmp_path / r).read_text() for r in "01"} == {"2 [1.5, 1.5] [15.0, 15.0, 15.0]"}


def test_alone_nothing_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as who:
        assert who == (0, 1)
    p = torch.nn.Parameter(torch.zeros(1))
    p.sum().backward()
    average_gradients([p], 1)
    assert p.grad is not None and float(p.grad) == 1

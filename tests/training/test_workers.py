"""Processes that share a run, and one alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bigprior.training.workers import average, joined


def test_tensors_are_averaged_over_processes(tmp_path: Path, in_two_processes: Callable[..., None]) -> None:
    script = """
import torch
from bigprior.training.workers import average, joined
with joined() as (rank, count):
    a, b = torch.nn.Parameter(torch.full((2,), rank + 1.0)), torch.arange(6.0).view(2, 3) * (rank + 1)
    average(iter([a, b]), count)
    open(f"{sys.argv[1]}/{rank}", "w").write(f"{count} {a.tolist()} {b.tolist()}")
"""
    in_two_processes(script, tmp_path)
    assert {(tmp_path / r).read_text() for r in "01"} == {"2 [1.5, 1.5] [[0.0, 1.5, 3.0], [4.5, 6.0, 7.5]]"}


def test_alone_nothing_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as who:
        assert who == (0, 1)
    one = torch.ones(1)
    average([one], 1)
    assert float(one) == 1

"""Processes that share a run, and one alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bigprior.training.workers import Team, joined


def test_tensors_are_averaged_over_processes(tmp_path: Path, in_two_processes: Callable[..., None]) -> None:
    script = """
import torch
from bigprior.training.workers import joined
with joined() as team:
    a, b = torch.nn.Parameter(torch.full((2,), team.rank + 1.0)), torch.arange(6.0).view(2, 3) * (team.rank + 1)
    team.average(iter([a, b]))
    open(f"{sys.argv[1]}/{team.rank}", "w").write(f"{team.count} {a.tolist()} {b.tolist()} {team.mean(3 + team.rank)}")
"""
    in_two_processes(script, tmp_path)
    assert {(tmp_path / r).read_text() for r in "01"} == {"2 [1.5, 1.5] [[0.0, 1.5, 3.0], [4.5, 6.0, 7.5]] 3.5"}


def test_alone_nothing_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as team:
        assert team == Team(0, 1)
        one = torch.ones(1)
        team.average([one])
        assert float(one) == 1 and team.mean(0.1) == 0.1

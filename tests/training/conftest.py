"""What the tests of the resumable trainings share."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch


def _flat(state: object) -> list:
    """Every tensor and number of a nested state, in order."""
    if isinstance(state, dict):
        return [x for key in state for x in _flat(state[key])]
    return [x for item in state for x in _flat(item)] if isinstance(state, list | tuple) else [state]


@pytest.fixture
def assert_equal_states() -> Callable[[Path, Path], None]:
    """``assert_equal_states(a, b)``: two runs' folders hold the same state to the bit."""

    def check(one: Path, other: Path) -> None:
        a, b = (_flat(torch.load(p / "state.pt", weights_only=True)) for p in (one, other))
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y

    return check

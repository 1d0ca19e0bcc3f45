"""What the tests of the resumable trainings share."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image


def _flat(state: object) -> list:
    """Every tensor and number of a nested state, in order."""
    if isinstance(state, dict):
        return [x for key in state for x in _flat(state[key])]
    return [x for item in state for x in _flat(item)] if isinstance(state, list | tuple) else [state]


@pytest.fixture
def assert_equal_states() -> Callable[[Path, Path], None]:
    """``assert_equal_states(a, b)``: two runs' folders hold the same state to the bit."""

    def check(one: Path, other: Path) -> None:
        states = [torch.load(p / "state.pt", weights_only=True) for p in (one, other)]
        for state in states:
            del state["logged"]  # a line's means are of the steps since the run went on
        a, b = map(_flat, states)
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y

    return check


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six pictures of noise, 32 high and 36 wide."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(rng.integers(0, 256, (32, 36, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def smooth_pictures(tmp_path: Path) -> Path:
    """A folder of four pictures of smooth colours, 20x20."""
    folder, rng = tmp_path / "pictures", torch.Generator().manual_seed(0)
    folder.mkdir()
    for i in range(4):
        small = torch.randint(256, (3, 3, 3), generator=rng, dtype=torch.uint8)
        Image.frombytes("RGB", (3, 3), bytes(small.flatten().tolist())).resize((20, 20)).save(folder / f"{i}.png")
    return folder


_KILLED = """
import os, signal, sys
import torch
sys.path.insert(0, {folder!r})
torch.set_num_threads(1)
import test_{module}
from bigprior.training import run
from bigprior.training.plan import Plan

run.SAVE_EVERY_S = -1.0
plain = Plan.moment

def moment(plan):
    if plan.step == {last_save}:
        run.SAVE_EVERY_S = 1e9  # this step and the next are lost
    if plan.step == {last_save} + 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(plan)

Plan.moment = moment
test_{module}.{call}
"""


@pytest.fixture
def run_until_killed() -> Callable[..., None]:
    """``run_until_killed(module, call, last_save, *arguments)``: a training in a process that is killed.

    ``call`` is of a function of the module's tests, and may use ``sys.argv[1:]``. The state is saved at every step up
    to ``last_save``; two steps later the process kills itself.
    """

    def run(module: str, call: str, last_save: int, *arguments: Path) -> None:
        folder = str(Path(__file__).parent)
        script = _KILLED.format(folder=folder, module=module, call=call, last_save=last_save)
        command = [sys.executable, "-c", script, *map(str, arguments)]
        done = subprocess.run(command, check=False, timeout=300, capture_output=True, text=True, env=os.environ)
        assert done.returncode == -signal.SIGKILL, done.stderr

    return run


@pytest.fixture
def in_two_processes(tmp_path: Path) -> Callable[..., None]:
    """``in_two_processes(script, *arguments)``: run it twice at once, by torchrun; test modules can be imported."""

    def run(script: str, *arguments: Path) -> None:
        file = tmp_path / "script.py"
        file.write_text(f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n{script}", encoding="utf-8")
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        command = [*torchrun, str(file), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr

    return run

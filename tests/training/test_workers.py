"""Several processes that share a run."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bigprior.errors import SettingsError
from bigprior.training.denoiser import DenoiserSettings, _Trainer, train_denoiser
from bigprior.training.workers import average_gradients, joined
from bigprior.weights import read_weights

SMALL = DenoiserSettings(
    widths=(4, 8),
    blocks=1,
    resolution=32,
    crop_px=16,
    told_crop_px=24,
    batch=4,
    total_kimg=0.04,
    snapshot_kimg=0.016,
    told=0.7,
    perceptual=0,
)


def launch(script: str, tmp_path: Path, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    """Run ``script`` in two processes that can meet."""
    file = tmp_path / "script.py"
    file.write_text(f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n{script}", encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, str(file), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_gradients_are_averaged_over_processes(tmp_path: Path) -> None:
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
    done = launch(script, tmp_path, tmp_path)
    assert done.returncode == 0, done.stderr
    assert {(tmp_path / r).read_text() for r in "01"} == {"2 [1.5, 1.5] [15.0, 15.0, 15.0]"}


def test_two_processes_train_one_denoiser(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for i in range(4):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / "pictures" / f"{i}.png")
    script = """
from test_workers import SMALL
from bigprior.training import denoiser
seen = {}
step = denoiser._Trainer.train_step
def spied(self, pictures):
    kind, loss = step(self, pictures)
    seen.setdefault(self.rank, []).append([kind, loss, float(sum(p.abs().sum() for p in self.network.parameters()))])
    return kind, loss
denoiser._Trainer.train_step = spied
denoiser.train_denoiser(sys.argv[1], sys.argv[2] + "/run", SMALL)
import json
(rank, lines), = seen.items()
open(f"{sys.argv[2]}/{rank}.json", "w").write(json.dumps(lines))
"""
    done = launch(script, tmp_path, tmp_path / "pictures", tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{r}.json").read_text()) for r in (0, 1))
    assert [kind for kind, *_ in first] == [kind for kind, *_ in second]  # asked the same
    assert all(a != b for (_, a, _), (_, b, _) in zip(first, second, strict=True))  # of other crops
    assert [size for *_, size in first] == [size for *_, size in second]  # and stay one network
    assert read_weights(tmp_path / "run" / "denoiser.safetensors")[1]["images"] == 40
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 3  # one of them writes
    alone = train_denoiser(tmp_path / "pictures", tmp_path / "alone", SMALL, quiet=True)
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["step"] == 10
    assert alone.read_bytes() != (tmp_path / "run" / "denoiser.safetensors").read_bytes()


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(SettingsError, match="3 processes cannot share a batch of 4"):
        _Trainer(SMALL, None, rank=0, count=3)


def test_alone_nothing_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as who:
        assert who == (0, 1)
    p = torch.nn.Parameter(torch.zeros(1))
    p.sum().backward()
    average_gradients([p], 1)
    assert p.grad is not None and float(p.grad) == 1

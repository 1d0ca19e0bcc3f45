"""Crops a second of a training, and the share of the device's peak that they are.

    python benchmarks/training.py denoiser --set precision=bf16 --device cuda --json FILE

Steps are taken as ``bigprior train`` takes them, on 64 pieces of scikit-image's astronaut (public domain), for
``--seconds`` after two that are not counted: reading pictures, samples and saves are left out. What they multiply is
counted by torch on the first of the same steps anew, at most 64. The peak is the fastest product of two large matrices
in the training's precision that is measured here, on the same device and threads: the share says what is left of that,
not of what a data sheet promises.
"""

from __future__ import annotations

from bigprior.threads import wait_passively

wait_passively()  # before torch is loaded

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from skimage.data import astronaut
from torch.utils.flop_counter import FlopCounterMode

from bigprior.io.arrays import as_picture
from bigprior.io.pictures import write_picture
from bigprior.ops.devices import device_of
from bigprior.training.kinds import TRAININGS
from bigprior.training.plan import Moment
from bigprior.training.recipe import read_recipe
from bigprior.training.trainer import Trainer
from bigprior.training.workers import Team

#: Steps that are not counted.
WARM = 2
#: Sides of the matrices whose product is the peak, by the device's type; and how often they are multiplied.
SIDES, REPEATS = {"cpu": 2048}, 6


def photographs(folder: Path) -> Path:
    """A folder of 64 pictures of 256x256."""
    x = as_picture(astronaut() / 255)
    for i in range(64):
        top, left = 32 * (i // 8), 32 * (i % 8)
        write_picture(folder / f"{i:02d}.png", x[..., top : top + 256, left : left + 256])
    return folder


def now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def peak(device: torch.device, precision: str, side: int | None = None) -> float:
    """Floating-point operations a second of the fastest of several products of two matrices."""
    side = side or SIDES.get(device.type, 8192)
    a, b = (torch.rand(side, side).to(device, torch.bfloat16 if precision == "bf16" else torch.float32) for _ in "ab")
    took = []
    for _ in range(REPEATS):
        began = now(device)
        a @ b
        took.append(now(device) - began)
    return 2 * side**3 / min(took)


def measured(trainer: Trainer[Any], device: torch.device, seconds: float, side: int | None = None) -> dict[str, Any]:
    """What one training does a second."""
    trainer.begin(Team(), device)
    trainer.prepare(None)
    total, s = 1_000_000, trainer.settings  # far from the end: the learning rate does not matter
    for step in range(WARM):
        trainer.train_step(Moment(step, step, total))
    began, taken = now(device), 0
    while not taken or now(device) - began < seconds:
        trainer.train_step(Moment(WARM + taken, WARM + taken, total))
        taken += 1
    took = now(device) - began
    counted = min(taken, 64)  # what a step computes does not depend on what the weights are by then
    with FlopCounterMode(display=False) as counter:
        for step in range(WARM, WARM + counted):
            trainer.train_step(Moment(step, step, total))
    crops, flop, top = taken * s.batch / took, counter.get_total_flops() / counted, peak(device, s.precision, side)
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "threads": torch.get_num_threads(),
        "precision": s.precision,
        "batch": s.batch,
        "steps": taken,
        "crops_per_second": crops,
        "gflop_per_crop": flop / s.batch / 1e9,
        "gflop_per_second": flop / s.batch * crops / 1e9,
        "peak_gflop_per_second": top / 1e9,
        "share_of_peak": flop / s.batch * crops / top,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", nargs="?", default="denoiser")
    parser.add_argument("--settings", help="as of `bigprior train`")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    kind, device = TRAININGS[arguments.kind], device_of(arguments.device)
    recipe = read_recipe(arguments.kind, kind.recipe, arguments.settings, arguments.changes)
    with tempfile.TemporaryDirectory() as folder:
        trainer = kind.of(recipe, photographs(Path(folder) / "pictures"), Path(folder) / "run")
        result = {"kind": arguments.kind} | measured(trainer, device, arguments.seconds)
    text = json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in result.items()}, indent=2)
    print(text)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

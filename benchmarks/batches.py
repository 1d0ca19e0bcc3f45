"""The throughput of a batch beside that of the bare model in a loop, and the memory that it takes as it goes on.

    python benchmarks/batches.py --pictures 60 --json FILE

Pictures of 256x256 (scikit-image's coffee, CC0, with noise) are denoised in turn, a few by a batch, from file to file,
and the same few by ``Restorer.restore`` in a loop, from tensors that are there: a machine that does something else as
well slows both. ``of_bare`` is the batch's throughput over the loop's, by the clock and by the processor's time; a
batch's start, some seconds, is not in it. ``memory`` is the peak of the last sixth over that of the first, of what the
process holds. ``per_core`` is pictures a second of processor time.
"""

from __future__ import annotations

from bigprior.threads import wait_passively

wait_passively()  # before torch is loaded

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from skimage.data import coffee

from bigprior import load_restorer
from bigprior.batch.inputs import found
from bigprior.batch.work import Plan, Worker
from bigprior.io.arrays import as_picture
from bigprior.io.pictures import write_picture
from bigprior.jobs import Job, prepare
from bigprior.report.output import Output


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - clock, time.process_time() - processor


def held_mb() -> float:
    """What this process holds now, in MB; nan where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(preset: str, pictures: int, block: int, place: Path, side: int = 256) -> dict[str, object]:
    rng, x = torch.Generator().manual_seed(0), as_picture(coffee()[:side, :side] / 255)
    for i in range(pictures):
        noisy = (x + 0.08 * torch.randn(x.shape, generator=rng)).clamp(0, 1)
        write_picture(place / "photos" / f"{i:04d}.png", noisy)
    restorer, memory = load_restorer(preset, "denoising"), list[float]()
    asked = {"output": Output(only=("restored",), format="same")}
    (place / "out").mkdir()
    worker = Worker(Plan("denoising", lambda photo: {}, asked, lambda prior: restorer, None, place / "out"))
    items = found([str(place / "photos")])
    failed = list[str]()

    def done(row: object) -> None:
        memory.append(held_mb())
        failed.extend([row.error] if row.error else [])  # type: ignore[attr-defined]

    def loop(some: list[tuple[torch.Tensor, object]]) -> None:
        for y, physics in some:
            restorer.restore(y, physics)

    times = {"batch": [0.0, 0.0], "bare": [0.0, 0.0]}
    worker.do(items[:1], lambda row: None)
    for start in range(0, pictures, block):
        some = items[start : start + block]
        ready = [prepare(Job(Path(item.source), "denoising", {}, place / "none")) for item in some]
        measured = [(one.y, one.degradation) for one in ready]
        for name, run in (("batch", lambda: worker.do(some, done)), ("bare", lambda: loop(measured))):  # noqa: B023
            for i, spent in enumerate(timed(run)):
                times[name][i] += spent
    assert not failed, failed
    sixth = max(1, pictures // 6)
    return {
        "pictures": pictures,
        "of_bare": {kind: times["bare"][i] / times["batch"][i] for i, kind in enumerate(("clock", "processor"))},
        "per_core": pictures / times["batch"][1],
        "memory": max(memory[-sixth:]) / max(memory[:sixth]),
        "memory_mb": max(memory),
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="photographs")
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--block", type=int, default=6)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        result = measure(arguments.preset, arguments.pictures, arguments.block, Path(place))
    json.dump(result, sys.stdout, indent=2)
    print()
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

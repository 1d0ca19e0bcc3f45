"""The throughput of a batch beside that of the bare model in a loop, and the memory that it takes as it goes on.

    python benchmarks/batches.py --pictures 60
    python benchmarks/batches.py --pictures 1000 --json FILE

Pictures of 256x256 (scikit-image's coffee, CC0, with noise) are denoised block by block: a block by a batch, from file
to file, with its manifest; then every tenth of it by ``Restorer.restore`` in a loop, from tensors that are there. A
machine that does something else as well slows both. ``of_bare`` is the batch's throughput over the loop's, by the clock
and by the processor's time, and ``within`` two standard errors of the first; a batch's start, some seconds, is not in
it. ``stages`` says how much of the processor each picture takes, in seconds: read, computed and written. ``memory`` is
the peak of the last tenth over that of the first, of what the process holds. ``per_core`` is pictures a second of
processor time.
"""

from __future__ import annotations

from bigprior.threads import wait_passively

wait_passively()  # before torch is loaded

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from skimage.data import coffee

from bigprior import load_restorer
from bigprior.batch.inputs import Shard, found
from bigprior.batch.manifest import Manifest, Row
from bigprior.batch.work import Plan, Worker
from bigprior.io.arrays import as_picture
from bigprior.io.pictures import write_picture
from bigprior.jobs import Job, Prepared, prepare
from bigprior.report.output import Output


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - clock, time.process_time() - processor


def peak_mb() -> float:
    """The most that this process has held since it was last asked, in MB; nan where the system does not say."""
    try:
        said = Path("/proc/self/status").read_text()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins again
    except OSError:
        return float("nan")
    return int(said.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


class Timed(Worker):
    """A worker that says how much of the processor each of its steps takes."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.stages: dict[str, list[float]] = {"read": [], "compute": [], "write": []}

    def _step(self, name: str, run: Callable[[], Any]) -> Any:
        began = time.thread_time()
        found = run()
        self.stages[name].append(time.thread_time() - began)
        return found

    def _read(self, piece: Any) -> Any:
        return self._step("read", lambda: super(Timed, self)._read(piece))

    def _compute(self, piece: Any) -> Any:
        return self._step("compute", lambda: super(Timed, self)._compute(piece))

    def _written(self, piece: Any, place: Any) -> Any:
        return self._step("write", lambda: super(Timed, self)._written(piece, place))


def measure(preset: str, pictures: int, block: int, every: int, place: Path, side: int = 256) -> dict[str, object]:
    rng, x = torch.Generator().manual_seed(0), as_picture(coffee()[:side, :side] / 255)
    for i in range(pictures):
        noisy = (x + 0.08 * torch.randn(x.shape, generator=rng)).clamp(0, 1)
        write_picture(place / "photos" / f"{i:04d}.png", noisy)
    restorer, memory = load_restorer(preset, "denoising"), list[float]()
    asked = {"output": Output(only=("restored",), format="same")}
    (place / "out").mkdir()
    worker = Timed(Plan("denoising", lambda photo: {}, asked, lambda prior: restorer, None, place / "out"))
    items, manifest = found([str(place / "photos")]), Manifest(place / "out", Shard(), "")

    def done(row: Row) -> None:
        manifest.add(row)
        assert row.error is None, row.error
        memory.append(peak_mb())

    def loop(some: list[Prepared]) -> None:
        for one in some:
            restorer.restore(one.y, one.degradation)

    spent = list[tuple[float, float, float, float]]()  # of a picture: by the batch and bare, by clock and processor
    with manifest.opened():
        worker.do(items[:1], lambda row: None)
        for times in worker.stages.values():
            times.clear()
        for start in range(0, pictures, block):
            some = items[start : start + block]
            ready = [prepare(Job(Path(item.source), "denoising", {}, place / "none")) for item in some[::every]]
            batch, alone = timed(lambda: worker.do(some, done)), timed(lambda: loop(ready))  # noqa: B023
            spent.append((*(t / len(some) for t in batch), *(t / len(ready) for t in alone)))
    of = [alone / batch for batch, _, alone, _ in spent]
    means, tenth = [sum(column) / len(spent) for column in zip(*spent, strict=True)], max(1, pictures // 10)
    return {
        "pictures": pictures,
        "of_bare": {"clock": means[2] / means[0], "processor": means[3] / means[1]},
        "within": 2 * statistics.stdev(of) / len(of) ** 0.5 if len(of) > 1 else None,
        "stages": {name: statistics.mean(times) for name, times in worker.stages.items()},
        "per_core": 1 / means[1],
        "memory": max(memory[-tenth:]) / max(memory[:tenth]),
        "memory_mb": {"first": max(memory[:tenth]), "last": max(memory[-tenth:])},
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="photographs")
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--block", type=int, default=20)
    parser.add_argument("--every", type=int, default=10, help="so many-th picture of a block is also done bare")
    parser.add_argument("--side", type=int, default=256, help="of a picture")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        result = measure(
            arguments.preset, arguments.pictures, arguments.block, arguments.every, Path(place), arguments.side
        )
    json.dump(result, sys.stdout, indent=2)
    print()
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

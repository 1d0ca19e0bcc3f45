"""How a batch grows with workers: measured for a few on this machine, simulated for many, and what a million costs.

    python benchmarks/scaling.py --measure 1 2 --json FILE
    python benchmarks/scaling.py --simulate 1 10 100 1000 --inputs FILE

Measured, for so many workers of one thread each, on pictures of 256x256, once all have loaded:

``bare``     pictures a second of as many processes, each with the model in a loop and nothing else;
``engine``   of ``bigprior batch --engine ray``, from file to file;
``growth``   either over that of the first number of workers.

What a machine has to give is ``growth`` of ``bare``: two hyperthreads of a core, or a machine that does something else
as well, are not two cores. ``of_ceiling`` is the engine's growth over that, so that what it loses is told from what the
machine lacks; ``processor`` is pictures of ``bare`` a second of processor time. Without Ray there is ``bare`` alone.

Simulated: workers take chunks of pictures from one driver, which needs ``driver_ms`` for each chunk, whether to hand it
out or to list it; a picture takes ``seconds``, half as much again or half as often (log-normal), and a worker starts
after ``start_s``. These are what was measured, where ``--inputs`` names that. ``efficiency`` is the throughput over
that of as many workers without a driver or a start.

    cost of a million = 1e6 * seconds / 3600 / efficiency * price of a core for an hour
"""

from __future__ import annotations

from bigprior.threads import wait_passively

wait_passively()  # before torch is loaded

import argparse
import heapq
import json
import os
import random
import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

#: What a simulation takes for what was not measured; so many pictures of a chunk are the engine's own.
ASSUMED = {"seconds": 1.6, "driver_ms": 5.0, "chunk": 8, "start_s": 30.0}


def simulate(
    workers: int, pictures: int, seconds: float, driver_ms: float, chunk: int, start_s: float, seed: int = 0
) -> dict[str, float]:
    rng, driver, last = random.Random(seed), 0.0, 0.0
    ready = [(start_s, worker) for worker in range(workers)]
    left = pictures
    while left > 0:
        free, worker = heapq.heappop(ready)
        size = min(chunk, left)
        left -= size
        driver = max(driver, free) + driver_ms / 1000  # it lists what came back and hands out the next
        took = sum(seconds * rng.lognormvariate(-0.08, 0.4) for _ in range(size))
        last = max(last, driver + took)
        heapq.heappush(ready, (driver + took, worker))
    return {"workers": workers, "hours": last / 3600, "efficiency": pictures * seconds / workers / last}


def noisy(side: int) -> Any:
    import torch
    from skimage.data import coffee

    from bigprior.io.arrays import as_picture

    x = as_picture(coffee()[:side, :side] / 255)
    return (x + 0.08 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)


def work(barrier: Barrier, pictures: int, preset: str, side: int, out: Any) -> None:
    import torch

    from bigprior import Denoising, load_restorer

    torch.set_num_threads(1)
    y, restorer = noisy(side), load_restorer(preset, "denoising")
    restorer.restore(y, Denoising())
    barrier.wait()
    began, processor = time.time(), time.process_time()
    for _ in range(pictures):
        restorer.restore(y, Denoising())
    out.put((began, time.time(), time.process_time() - processor))


def bare(count: int, pictures: int, preset: str, side: int) -> dict[str, float]:
    spawned = get_context("spawn")
    barrier, out = spawned.Barrier(count), spawned.Queue()
    processes = [spawned.Process(target=work, args=(barrier, pictures, preset, side, out)) for _ in range(count)]
    for process in processes:
        process.start()
    times = [out.get() for _ in processes]
    for process in processes:
        process.join()
    clock = max(end for _, end, _ in times) - min(began for began, _, _ in times)
    return {"bare": count * pictures / clock, "processor": count * pictures / sum(spent for _, _, spent in times)}


class Together:
    """Loads the restorer, restores once, and waits until as many others have."""

    def __init__(self, preset: str, count: int, side: int, place: Path) -> None:
        self.preset, self.count, self.side, self.place = preset, count, side, place

    def __call__(self, prior: Path | None) -> Any:
        from bigprior import Denoising, load_restorer

        restorer = load_restorer(self.preset, "denoising")
        restorer.restore(noisy(self.side), Denoising())
        (self.place / f"{os.getpid()}.loaded").touch()
        while len(list(self.place.glob("*.loaded"))) < self.count:
            time.sleep(0.01)
        (self.place / f"{os.getpid()}.began").write_text(str(time.time()))
        return restorer


def no_settings(photo: Path) -> dict[str, Any]:
    return {}


def engine(count: int, pictures: int, preset: str, side: int) -> dict[str, float]:
    from bigprior.batch.engines import on_ray
    from bigprior.batch.inputs import found
    from bigprior.batch.running import run_batch
    from bigprior.batch.work import Plan
    from bigprior.io.pictures import write_picture
    from bigprior.report.output import Output

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for i in range(count * pictures):
            write_picture(place / "photos" / f"{i:04d}.png", noisy(side))
        (place / "out").mkdir()
        load = Together(preset, count, side, place)
        asked = {"output": Output(only=("restored",), format="png")}
        plan = Plan("denoising", no_settings, asked, load, None, place / "out")
        called, times = time.time(), list[tuple[float, float]]()

        def heard(row: object, done: int, total: int) -> None:
            times.append((time.time(), time.thread_time()))  # of the driver, which hears it

        outcome = run_batch(found([str(place / "photos")]), plan, partial(on_ray, workers=count), heard=heard)
        assert not outcome.failed and len(outcome.rows) == count * pictures, outcome.failed
        began = max(float(path.read_text()) for path in place.glob("*.began"))
    (_, before), (last, after) = times[0], times[-1]
    chunks = len(times) / min(8, pictures // 4)
    return {
        "engine": count * pictures / (last - began),
        "start_s": began - called,
        "driver_ms": 1000 * (after - before) / (chunks - 1),
    }


def measure(counts: list[int], pictures: int, preset: str, side: int = 256) -> dict[str, Any]:
    found = dict[str, Any]()
    has_ray = find_spec("ray") is not None
    for count in counts:
        found[str(count)] = bare(count, pictures, preset, side)
        found[str(count)] |= engine(count, pictures, preset, side) if has_ray else {}
    one = found[str(counts[0])]
    for values in found.values():
        values["growth"] = {name: values[name] / one[name] for name in ("bare", "engine") if name in values}
        if has_ray:
            values["of_ceiling"] = values["growth"]["engine"] / values["growth"]["bare"]
            values["of_bare"] = values["engine"] / values["bare"]
    return found


def inputs_of(measured: dict[str, Any]) -> dict[str, float]:
    """What a simulation takes of a measurement: the pace of the first number of workers, the driver of the last."""
    first, last = (measured[count] for count in (min(measured, key=int), max(measured, key=int)))
    found = {"seconds": 1 / first["processor"]}
    return found | {name: last[name] for name in ("driver_ms", "start_s") if name in last}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", type=int, nargs="*", default=[])
    parser.add_argument("--simulate", type=int, nargs="*", default=[])
    parser.add_argument("--pictures", type=int, help="24 a worker measured, a million simulated")
    parser.add_argument("--side", type=int, default=256, help="of a picture that is measured")
    parser.add_argument("--preset", default="photographs")
    parser.add_argument("--inputs", type=Path, help="what --measure --json wrote, for --simulate")
    for name, value in ASSUMED.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(value), help=f"where nothing else says so: {value}"
        )
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # of all processes that are started here, before they load torch
    result: dict[str, Any] = {}
    if arguments.measure:
        result["load"] = os.getloadavg()[0]  # of whatever else the machine does: above 0.2, measure again later
        result["measured"] = measure(arguments.measure, arguments.pictures or 24, arguments.preset, arguments.side)
        result["inputs"] = inputs_of(result["measured"])
    if arguments.simulate:
        measured = json.loads(arguments.inputs.read_text())["inputs"] if arguments.inputs else result.get("inputs", {})
        told = {name: getattr(arguments, name) for name in ASSUMED if getattr(arguments, name) is not None}
        inputs, total = ASSUMED | measured | told, arguments.pictures or 1_000_000
        result["simulated"] = [simulate(count, total, **inputs) for count in arguments.simulate]
        result["inputs"] = inputs
        result["assumed"] = sorted(ASSUMED.keys() - measured.keys() - told.keys() - {"chunk"})
    json.dump(result, sys.stdout, indent=2)
    print()
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

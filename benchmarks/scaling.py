"""How a batch grows with workers: measured for a few on this machine, simulated for many, and what a million costs.

    python benchmarks/scaling.py --measure 1 2 --json FILE
    python benchmarks/scaling.py --simulate 1 10 100 1000 --seconds 1.6 --driver-ms 5

Measured: so many processes of one thread each denoise pictures of 256x256 at the same time, once all have loaded;
``together`` is pictures a second of all of them, by the clock, and ``growth`` that over one's. A machine that does
something else meanwhile has less to give: ``processor`` is pictures a second of processor time, which says how much
slower each is made by the others.

Simulated: workers take chunks of pictures from one driver, which needs ``--driver-ms`` for each chunk, whether to hand
it out or to list it; a picture takes ``--seconds``, half as much again or half as often (log-normal), and a worker
starts after ``--start-s``. ``efficiency`` is the throughput over that of as many workers without a driver or a start.

    cost of a million = 1e6 * seconds / 3600 / efficiency * price of a core for an hour
"""

from __future__ import annotations

from bigprior.threads import wait_passively

wait_passively()  # before torch is loaded

import argparse
import heapq
import json
import random
import sys
import time
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any


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


def work(barrier: Barrier, pictures: int, preset: str, out: Any) -> None:
    import torch
    from skimage.data import coffee

    from bigprior import Denoising, load_restorer
    from bigprior.io.arrays import as_picture

    torch.set_num_threads(1)
    x, rng = as_picture(coffee()[:256, :256] / 255), torch.Generator().manual_seed(0)
    y, restorer = x + 0.08 * torch.randn(x.shape, generator=rng), load_restorer(preset, "denoising")
    restorer.restore(y, Denoising())
    barrier.wait()
    began, processor = time.time(), time.process_time()
    for _ in range(pictures):
        restorer.restore(y, Denoising())
    out.put((began, time.time(), time.process_time() - processor))


def measure(counts: list[int], pictures: int, preset: str) -> dict[str, Any]:
    spawned, found = get_context("spawn"), dict[str, Any]()
    for count in counts:
        barrier, out = spawned.Barrier(count), spawned.Queue()
        processes = [spawned.Process(target=work, args=(barrier, pictures, preset, out)) for _ in range(count)]
        for process in processes:
            process.start()
        times = [out.get() for _ in processes]
        for process in processes:
            process.join()
        clock = max(end for _, end, _ in times) - min(began for began, _, _ in times)
        spent = sum(processor for _, _, processor in times)
        found[str(count)] = {"together": count * pictures / clock, "processor": count * pictures / spent}
    one = found[str(counts[0])]["together"]
    return {count: values | {"growth": values["together"] / one} for count, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", type=int, nargs="*", default=[])
    parser.add_argument("--simulate", type=int, nargs="*", default=[])
    parser.add_argument("--pictures", type=int, help="8 a process measured, a million simulated")
    parser.add_argument("--preset", default="photographs")
    parser.add_argument("--seconds", type=float, default=1.6)
    parser.add_argument("--driver-ms", type=float, default=5.0)
    parser.add_argument("--chunk", type=int, default=8)
    parser.add_argument("--start-s", type=float, default=30.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result: dict[str, Any] = {}
    if arguments.measure:
        result["measured"] = measure(arguments.measure, arguments.pictures or 8, arguments.preset)
    inputs = {name: getattr(arguments, name) for name in ("seconds", "driver_ms", "chunk", "start_s")}
    total = arguments.pictures or 1_000_000
    if arguments.simulate:
        result["simulated"] = [simulate(count, total, **inputs) for count in arguments.simulate]
        result["inputs"] = inputs | {"pictures": total}
    json.dump(result, sys.stdout, indent=2)
    print()
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

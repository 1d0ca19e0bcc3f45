"""How long denoising takes on busy cores, beside the same with a single thread.

    python benchmarks/contention.py --json FILE

Runs ``bigprior denoise`` on a picture of 600x400 (scikit-image's coffee, CC0, with noise), once as it comes and once
with ``OMP_NUM_THREADS=1``, in turn, ``--repeats`` times, while every core has another process to run: BM3D of pictures
of its own where that is installed, or, with ``--load loop``, a loop that does nothing. ``ratio`` is the median time as
it comes over that with a single thread; threads that wait without sleeping made it 2 to 7. ``--spinning`` also times
those, by ``OMP_WAIT_POLICY=ACTIVE``, and ``--idle`` all of them with no other process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import coffee

#: What the user did not say, so that the program says it.
UNSAID = ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
LOADS = {
    "loop": "while True: pass",
    "bm3d": "import bm3d, numpy\nx = numpy.random.rand(256, 256, 3)\nwhile True: bm3d.bm3d_rgb(x, 0.1)",
}


@contextmanager
def busy(load: str, processes: int) -> Iterator[None]:
    """Other processes, one thread each, that would take every core."""
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    others = [subprocess.Popen([sys.executable, "-c", LOADS[load]], env=alone) for _ in range(processes)]
    try:
        time.sleep(5 if load == "bm3d" else 0.2)  # until they are at work
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def seconds(photo: Path, folder: Path, environment: dict[str, str]) -> float:
    """The whole command, loading included."""
    plain = {name: value for name, value in os.environ.items() if name not in UNSAID}
    command = [sys.executable, "-m", "bigprior", "--quiet", "denoise", str(photo), "-o", str(folder), "--overwrite"]
    began = time.perf_counter()
    subprocess.run(command, check=True, env=plain | environment)
    return time.perf_counter() - began


def measure(repeats: int, load: str | None, processes: int, ways: dict[str, dict[str, str]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        noise = np.random.default_rng(0).normal(0, 25, coffee().shape)
        noisy = Image.fromarray((coffee() + noise).clip(0, 255).round().astype(np.uint8))
        noisy.save(folder / "photo.png")
        seconds(folder / "photo.png", folder / "out", {})  # files are in memory from here on
        for _ in range(repeats):
            for way, environment in ways.items():
                with busy(load or "loop", 0 if load is None else processes):
                    times[way].append(round(seconds(folder / "photo.png", folder / "out", environment), 2))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--load", choices=LOADS, default="bm3d" if find_spec("bm3d") else "loop")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)), help="one a core by default")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--spinning", action="store_true")
    parser.add_argument("--idle", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ways: dict[str, dict[str, str]] = {"as_it_comes": {}, "one_thread": {"OMP_NUM_THREADS": "1"}}
    if options.spinning:
        ways["spinning"] = {"OMP_WAIT_POLICY": "ACTIVE"}
    load = None if options.idle else options.load
    times = measure(options.repeats, load, options.processes, ways)
    medians = {way: statistics.median(took) for way, took in times.items()}
    results = {
        "load": load,
        "processes": 0 if load is None else options.processes,
        "cores": len(os.sched_getaffinity(0)),
        "seconds": times,
        "ratio": round(medians["as_it_comes"] / medians["one_thread"], 3),
    }
    text = json.dumps(results, indent=2)
    if options.json:
        options.json.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

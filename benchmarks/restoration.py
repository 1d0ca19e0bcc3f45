"""Seconds a picture, beside BM3D's in the same run, and the memory that a large photograph takes.

    python benchmarks/restoration.py --json FILE

Times are medians of ``--repeats`` on pictures of 256x256 (scikit-image's astronaut, public domain, in four pieces),
after loading. ``speedup`` is BM3D's time over ours for denoising. ``large`` denoises the same picture tiled to
``--megapixels`` in a process of its own, and gives its peak memory in GB.
"""

from __future__ import annotations

from bigprior.threads import wait_passively

wait_passively()  # before torch is loaded

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from skimage.data import astronaut

from bigprior import Denoising, load_restorer
from bigprior.degradations.simulation import noise_level, simulate
from bigprior.evaluation.baselines import BASELINES
from bigprior.io.arrays import as_picture

PROTOCOLS = {"denoising": "denoising-25", "inpainting": "inpainting-centre", "colorization": "colorization"}


def median_seconds(run: Callable[[], object], repeats: int) -> float:
    run()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def seconds(preset: str, repeats: int) -> dict[str, float]:
    x = as_picture(astronaut()[:256, :256] / 255)
    times = {}
    for task, protocol in PROTOCOLS.items():
        y, physics = simulate(protocol, x, ["astronaut"])
        restorer = load_restorer(preset, task)
        times[task] = median_seconds(lambda: restorer.restore(y, physics), repeats)  # noqa: B023
    if BASELINES["bm3d"].missing is None:
        y, physics = simulate("denoising-25", x, ["astronaut"])
        sigma = noise_level("denoising-25", "astronaut")
        times["bm3d"] = median_seconds(lambda: BASELINES["bm3d"].restore(y, physics, sigma), 1)
    return times


def large(preset: str, megapixels: float, steps: int | None) -> dict[str, float]:
    side = int((megapixels * 1e6) ** 0.5)
    copies = -(-side // 512)
    x = as_picture(astronaut() / 255).repeat(1, 1, copies, copies)[..., :side, :side]
    y = x + 25 / 255 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    restorer = load_restorer(preset, "denoising", steps=steps)
    began = time.perf_counter()
    restorer.restore(y, Denoising())
    took = time.perf_counter() - began
    return {"seconds": took, "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="photographs")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--steps", type=int, help="of the prior in the large picture; memory does not depend on it")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only-large", action="store_true")
    options = parser.parse_args()
    if options.only_large:
        print(json.dumps(large(options.preset, options.megapixels, options.steps)))
        return
    command = [sys.executable, __file__, "--only-large", "--preset", options.preset]
    command += ["--megapixels", str(options.megapixels)]
    command += ["--steps", str(options.steps)] if options.steps else []
    child = subprocess.run(command, check=True, capture_output=True, text=True)
    times = seconds(options.preset, options.repeats)
    results: dict[str, object] = {"seconds": times, "threads": torch.get_num_threads()}
    if "bm3d" in times:
        results["speedup"] = times["bm3d"] / times["denoising"]
    results["large"] = json.loads(child.stdout)
    text = json.dumps(results, indent=2)
    if options.json:
        options.json.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

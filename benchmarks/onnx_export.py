"""The embedded denoiser in onnxruntime beside torch, in one run: how fast, and how far apart.

    pip install 'bigprior[export,models]'
    python benchmarks/onnx_export.py --json FILE

Both have the same number of threads and take turns; ``speedup`` is torch's median time over onnxruntime's. Torch runs
the network as `bigprior denoise` does, by minimal filtering. ``difference`` is the largest over the pictures' values.
"""

from __future__ import annotations

from bigprior.threads import wait_passively

wait_passively()  # before torch is loaded

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from skimage.data import astronaut

from bigprior import DEFAULT_PRESET
from bigprior.io.arrays import as_picture
from bigprior.presets.exporting import export_onnx
from bigprior.presets.store import load_part


def measured(preset: str, side: int, repeats: int, threads: int, folder: Path) -> dict[str, Any]:
    import onnxruntime

    torch.set_num_threads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    path = export_onnx(folder / "denoiser.onnx", preset)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    network, sigma = load_part(preset, "denoiser"), 25 / 255
    clean = as_picture(astronaut()[:side, :side] / 255)
    x = clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    given = {"input": x.numpy(), "sigma": torch.full((1, 1, 1, 1), sigma).numpy()}

    def by_torch() -> torch.Tensor:
        with torch.no_grad():
            return network(x, sigma)

    def by_onnxruntime() -> torch.Tensor:
        return torch.from_numpy(session.run(None, given)[0])

    difference = float((by_torch() - by_onnxruntime()).abs().max())  # also warms both up
    seconds: dict[str, list[float]] = {"torch": [], "onnxruntime": []}
    for _ in range(repeats):
        for name, run in (("torch", by_torch), ("onnxruntime", by_onnxruntime)):
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    return {
        "side": side,
        "threads": threads,
        "difference": difference,
        "seconds": medians,
        "speedup": medians["torch"] / medians["onnxruntime"],
        "megabytes": path.stat().st_size / 1e6,
        "versions": {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default=DEFAULT_PRESET)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(options.preset, options.side, options.repeats, options.threads, Path(folder))
    print(json.dumps(found, indent=2))
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

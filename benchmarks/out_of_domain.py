"""Blind denoising of photographs that are no bedrooms, beside BM3D, which is told the noise level.

    python benchmarks/out_of_domain.py --json FILE

scikit-image's ``astronaut``, ``coffee`` and ``chelsea`` at their own size, each with noise whose level (5 to 50) and
values depend on its name alone, as in the tables. Figures are PSNR in dB, and the share of the variance that is made
up.
"""

from __future__ import annotations

from bigprior.threads import wait_passively

wait_passively()  # before torch is loaded

import argparse
import json
from pathlib import Path
from typing import Any

import skimage.data

from bigprior import load_restorer
from bigprior.degradations.simulation import noise_level, simulate
from bigprior.evaluation.baselines import BASELINES
from bigprior.evaluation.metrics import psnr
from bigprior.io.arrays import as_picture

PICTURES = ("astronaut", "coffee", "chelsea")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="photographs")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    restorer, results = load_restorer(options.preset, "denoising"), dict[str, Any]()
    for name in PICTURES:
        x = as_picture(getattr(skimage.data, name)() / 255)
        y, physics = simulate("denoising", x, [name])
        sigma, ours = noise_level("denoising", name), restorer.restore(y, physics)
        row = {"sigma": 255 * sigma, "input": float(psnr(y, x)), "ours": float(psnr(ours.restored, x))}
        row["share"] = ours.mean_share
        if BASELINES["bm3d"].missing is None:
            row["bm3d"] = float(psnr(BASELINES["bm3d"].restore(y, physics, sigma), x))
        results[name] = row
    text = json.dumps(results, indent=2)
    if options.json:
        options.json.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

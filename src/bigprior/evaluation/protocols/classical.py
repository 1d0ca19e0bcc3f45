"""The classical priors by themselves on grey pictures with white noise, beside what was published of each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from bigprior.degradations import Denoising
from bigprior.degradations.simulation import rng_of
from bigprior.errors import SettingsError
from bigprior.evaluation.metrics import psnr
from bigprior.evaluation.protocols.published import PUBLISHED_GREY
from bigprior.evaluation.protocols.request import Request, Results
from bigprior.evaluation.tables import Lines
from bigprior.io.arrays import in_eight_bits
from bigprior.io.folders import list_pictures
from bigprior.io.pictures import read_picture
from bigprior.ops.colour import luminance
from bigprior.priors.named import PRIORS
from bigprior.progress import Progress
from bigprior.registry import missing

#: Pictures of BSD68, of which the published figures are means.
_BSD68 = 68


def classical(request: Request, progress: Progress) -> Results:
    """Grey pictures with white noise of ``--sigma`` of 255, that each prior is told: PSNR of its picture, of 8 bits.

    Grey is the luminance of a picture, rounded to 8 bits; noise is not clipped. All priors of noisy pictures are
    measured, or those that ``--baselines`` names. What was published is of all 68 pictures of BSD68: of fewer, only
    how far a prior is above BM3D compares.

    Returns:
        By prior, ``psnr`` in dB, and ``above_bm3d`` on the same pictures; where a figure was published for the noise
        level, ``published``, ``published_above_bm3d``, and, of 68 pictures, the ``difference``.

    Raises:
        SettingsError: no noise level, or one outside 0..255.
    """
    if request.sigma is None or not 0 < request.sigma <= 255:
        raise SettingsError(f"sigma is {request.sigma}: classical needs --sigma, a noise level in 0..255, such as 25")
    able = {name: prior for name, prior in PRIORS.items() if Denoising.name in prior.tasks and not prior.iterates}
    named = request.baselines or tuple(
        name for name, prior in able.items() if not prior.make(Denoising, None).knows_phi
    )
    left_out = {name: why for name in named if name in able and (why := missing(able[name].package)) is not None}
    names = [name for name in named if name in able and name not in left_out]
    files, done = list_pictures(request.data, request.index), Lines(request.lines)
    scores: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for i, file in enumerate(files):
        for j, name in enumerate(names):
            key = json.dumps(["grey", file.stem, request.sigma, name])
            if key not in done.known:
                done.add(key, name, file.stem, _scores(name, file, request.sigma / 255))
            scores[name].append(done.known[key])
            progress(i * len(names) + j + 1, len(files) * len(names))
    published, results = PUBLISHED_GREY.get(request.sigma, {}), Results()
    for name, rows in scores.items():
        results[name] = {"psnr": float(np.mean([row["psnr"] for row in rows]))}
        if name in published:
            results[name]["published"] = published[name]
            if len(files) == _BSD68:
                results[name]["difference"] = results[name]["psnr"] - published[name]
    if "bm3d" in results:
        for row in results.values():
            row["above_bm3d"] = row["psnr"] - results["bm3d"]["psnr"]
            if "published" in row:
                row["published_above_bm3d"] = row["published"] - published["bm3d"]
    return results | {"pictures": len(files)} | ({"missing": left_out} if left_out else {})


def _scores(name: str, file: Path, sigma: float) -> dict[str, float]:
    grey = luminance(read_picture(file).image)
    truth = in_eight_bits(grey).expand(-1, 3, -1, -1)
    noise = sigma * torch.randn(grey.shape, generator=rng_of(f"grey-{255 * sigma:g}", file.stem))
    physics = Denoising(sigma)
    image = PRIORS[name].make(Denoising, None).project(physics.measure(truth + noise)).image
    return {"psnr": psnr(in_eight_bits(image), truth).item()}

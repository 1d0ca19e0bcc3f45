"""What is made up, and what it buys, in pixels and in other frames, over every weight of what is made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bigprior import DEFAULT_PRESET
from bigprior.degradations import DEGRADATIONS
from bigprior.degradations.simulation import noise_level, simulate
from bigprior.evaluation.metrics import METRICS
from bigprior.evaluation.protocols.request import Request, Results
from bigprior.fusion import Fusion, fuse_in_frame
from bigprior.io.folders import load_set
from bigprior.phi import PhiNetwork
from bigprior.presets.loading import load_restorer
from bigprior.progress import Progress
from bigprior.restorer import Restorer
from bigprior.weighing import asked

#: Weights that the curves are drawn through, beside each network's own.
WEIGHTS = (0.0, 1e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1)


def frames(request: Request, progress: Progress) -> Results:
    """What is made up, and what it buys, in pixels and in each task's natural frame: one prior, two fusions.

    The preset has a network for pixels and for the natural frame.

    Returns:
        For blind denoising, under ``pixel`` and ``wavelet``: ``psnr`` in dB, ``share`` of the variance that is made
        up, ``mean_phi`` of the bands and its correlation with sigma, all with the network's own weight;
        and ``curve``, the same by weight. For colorization, under ``colorization``: ``auc`` of both frames, and
        ``inconsistency`` of each, the largest difference between ``f`` of the restored picture and the measurement.

    Raises:
        SettingsError: the preset has no network for one of the frames.
    """
    preset = request.preset or DEFAULT_PRESET
    pictures = load_set(request.data, request.index)
    denoise, colour = (DEGRADATIONS[task].frame for task in ("denoising", "colorization"))
    restorers = {
        (task, frame): load_restorer(preset, task, frame=frame)
        for task, natural in (("denoising", denoise), ("colorization", colour))
        for frame in ("pixel", natural)
    }
    rows: dict[str, list[dict[str, float]]] = {"pixel": [], denoise: []}
    curves: dict[str, dict[float, list[dict[str, float]]]] = {name: {w: [] for w in WEIGHTS} for name in rows}
    colours: dict[str, list[dict[str, float]]] = {"pixel": [], colour: []}
    for i, name in enumerate(pictures.names):
        x = pictures.images[i : i + 1]
        y, physics = simulate("denoising", x, [name])
        m = physics.measure(y)
        g = restorers["denoising", denoise].prior.project(m).image
        for frame in rows:
            network = _phi(restorers["denoising", frame])
            rows[frame].append(_row(fuse_in_frame(network, y, g, rho=asked(network, m, None)), x))
            for weight, points in curves[frame].items():
                points.append(_row(fuse_in_frame(network, y, g, rho=asked(network, m, weight)), x))
        y, physics = simulate("colorization", x, [name])
        g = restorers["colorization", colour].prior.project(physics.measure(y)).image
        for frame in colours:
            known = physics.measured if frame == colour else ()
            fused = fuse_in_frame(_phi(restorers["colorization", frame]), physics.g_inv(y), g, measured=known)
            restored = fused.measured + fused.hallucinated
            off = float((physics.f(restored) - y).abs().max())
            colours[frame].append({"auc": float(METRICS["auc"](restored, x)), "inconsistency": off})
        progress(i + 1, len(pictures))
    sigmas = [noise_level("denoising", name) for name in pictures.names]
    results: Results = {}
    for frame, scores in rows.items():
        curve = {f"{weight:g}": _summary(points, sigmas) for weight, points in curves[frame].items()}
        results[frame] = _summary(scores, sigmas) | {"curve": curve}
    results["colorization"] = {frame: _means(scores) for frame, scores in colours.items()}
    for frame, scores in colours.items():
        results["colorization"][frame]["inconsistency"] = max(score["inconsistency"] for score in scores)
    return results


def _phi(restorer: Restorer) -> PhiNetwork:
    assert isinstance(restorer.phi, PhiNetwork)  # a loaded one has that of its task alone
    return restorer.phi


def _row(fused: Fusion, x: Tensor) -> dict[str, float]:
    mean_phi = float(torch.stack([band.mean() for band in fused.bands]).mean())
    return {
        "psnr": float(METRICS["psnr"](fused.measured + fused.hallucinated, x)),
        "share": float(fused.share),
        "mean_phi": mean_phi,
    }


def _summary(scores: list[dict[str, float]], sigmas: list[float]) -> dict[str, Any]:
    phis = [score["mean_phi"] for score in scores]
    if min(np.ptp(sigmas), np.ptp(phis)) > 0:  # else there is nothing to correlate
        return _means(scores) | {"phi_sigma_r": float(np.corrcoef(sigmas, phis)[0, 1])}
    return _means(scores)


def _means(scores: list[dict[str, float]]) -> dict[str, Any]:
    return {key: float(np.mean([score[key] for score in scores])) for key in scores[0]}

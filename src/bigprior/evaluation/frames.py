"""What is made up, and what it buys, in pixels and in other frames, over every weight of what is made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bigprior.degradations import DEGRADATIONS
from bigprior.folders import load_set
from bigprior.fusion import fuse_in_frame
from bigprior.metrics import METRICS
from bigprior.priors.base import Progress
from bigprior.simulation import noise_level, simulate
from bigprior.zoo import load_restorer

#: Weights that the curves are drawn through, beside each network's own.
WEIGHTS = (0.0, 1e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1)


def frame_figures(data: Path, index: tuple[int, int] | None, preset: str, progress: Progress) -> dict[str, Any]:
    """Fuse the same prior in pixels and in the task's natural frame, picture by picture.

    Args:
        data, index: pictures whose truth is known.
        preset: whose prior and phi networks fuse; it has a network for pixels and for the natural frame.
        progress: over pictures.

    Returns:
        For blind denoising, under ``pixel`` and ``wavelet``: ``psnr`` in dB, ``share`` of the variance that is made
        up, ``mean_phi`` and its correlation with sigma, all with the network's own weight; and ``curve``, psnr and
        share by weight. For colorization, under ``colorization``: ``auc`` of both frames, and ``inconsistency`` of
        each, the largest difference between ``f`` of the restored picture and the measurement.

    Raises:
        SettingsError: the preset has no network for one of the frames.
    """
    pictures = load_set(data, index)
    denoise, colour = (DEGRADATIONS[task].frame for task in ("denoising", "colorization"))
    restorers = {
        (task, frame): load_restorer(preset, task, frame=frame)
        for task, natural in (("denoising", denoise), ("colorization", colour))
        for frame in ("pixel", natural)
    }
    rows: dict[str, list[dict[str, float]]] = {"pixel": [], denoise: []}
    curves: dict[str, dict[float, list[tuple[float, float]]]] = {name: {w: [] for w in WEIGHTS} for name in rows}
    colours: dict[str, list[dict[str, float]]] = {"pixel": [], colour: []}
    for i, name in enumerate(pictures.names):
        x = pictures.images[i : i + 1]
        y, physics = simulate("denoising", x, [name])
        g = restorers["denoising", denoise].prior.project(y, physics).image
        for frame in rows:
            network = restorers["denoising", frame].phi
            fused = fuse_in_frame(network, y, g)
            mean_phi = float(torch.stack([band.mean() for band in fused.bands]).mean())
            rows[frame].append(_row(fused.measured + fused.invented, x, fused.share) | {"mean_phi": mean_phi})
            for weight, points in curves[frame].items():
                fused = fuse_in_frame(network, y, g, rho=weight)
                row = _row(fused.measured + fused.invented, x, fused.share)
                points.append((row["psnr"], row["share"]))
        y, physics = simulate("colorization", x, [name])
        g = restorers["colorization", colour].prior.project(y, physics).image
        for frame in colours:
            known = physics.measured if frame == colour else ()
            fused = fuse_in_frame(restorers["colorization", frame].phi, physics.g_inv(y), g, measured=known)
            restored = fused.measured + fused.invented
            off = float((physics.f(restored) - y).abs().max())
            colours[frame].append({"auc": float(METRICS["auc"](restored, x)), "inconsistency": off})
        progress(i + 1, len(pictures))
    sigmas = [noise_level("denoising", name) for name in pictures.names]
    results: dict[str, Any] = {}
    for frame, scores in rows.items():
        results[frame] = _means(scores)
        phis = [score["mean_phi"] for score in scores]
        if min(np.ptp(sigmas), np.ptp(phis)) > 0:  # else there is nothing to correlate
            results[frame]["phi_sigma_r"] = float(np.corrcoef(sigmas, phis)[0, 1])
        means = {weight: np.mean(all_, axis=0) for weight, all_ in curves[frame].items()}
        results[frame]["curve"] = {f"{w:g}": {"psnr": float(m[0]), "share": float(m[1])} for w, m in means.items()}
    results["colorization"] = {frame: _means(scores) for frame, scores in colours.items()}
    for frame, scores in colours.items():
        results["colorization"][frame]["inconsistency"] = max(score["inconsistency"] for score in scores)
    return results


def _row(restored: Tensor, x: Tensor, share: Tensor) -> dict[str, float]:
    return {"psnr": float(METRICS["psnr"](restored, x)), "share": float(share)}


def _means(scores: list[dict[str, float]]) -> dict[str, Any]:
    return {key: float(np.mean([score[key] for score in scores])) for key in scores[0]}

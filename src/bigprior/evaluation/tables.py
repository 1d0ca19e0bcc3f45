"""The paper's tables at the pictures' own size: what was measured, the prior, ours, and every installed baseline.

Each picture is measured, restored and scored by itself. A line of JSON a picture and method is kept beside the
results, so that an interrupted evaluation goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bigprior.atomic import write_text
from bigprior.degradations import Degradation, Inpainting
from bigprior.errors import SettingsError
from bigprior.evaluation.baselines import BASELINES, Baseline
from bigprior.folders import PictureSet, load_set
from bigprior.metrics import METRICS
from bigprior.priors.base import Progress
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.restoration import Restorer
from bigprior.simulation import noise_level, simulate
from bigprior.weights import sha256
from bigprior.zoo import load_phi, load_restorer, preset


class Lines:
    """Scores of one picture by one method each, in a file of JSON lines; in memory alone without a path.

    Every line carries a key of all that its scores depend on: a line of other weights or pixels is passed over, so
    that the same file serves again after a training, and baselines are not run twice.

    Args:
        path: the file; what it holds is kept.

    Attributes:
        known: scores by key.
    """

    def __init__(self, path: Path | None) -> None:
        self.path, self.known = path, dict[str, dict[str, float]]()
        if path is not None and path.exists():
            *whole, cut = path.read_text(encoding="utf-8").split("\n")  # what follows the last line break was cut off
            self.known = {line["key"]: line["scores"] for line in map(json.loads, whole)}
            if cut:
                write_text(path, "".join(f"{line}\n" for line in whole))

    def add(self, key: str, method: str, picture: str, scores: dict[str, float]) -> None:
        """Keep the scores of one picture by one method."""
        self.known[key] = scores
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"method": method, "picture": picture, "key": key, "scores": scores}) + "\n")


def task_table(
    task: str,
    protocol: str,
    metrics: Sequence[str],
    *,
    data: Path,
    index: tuple[int, int] | None,
    preset_name: str,
    steps: int | None = None,
    prior_dir: Path | None = None,
    phi: Path | None = None,
    baselines: Sequence[str] | None = None,
    lines: Path | None = None,
    progress: Progress,
) -> dict[str, Any]:
    """Score one task on pictures of one size whose truth is known.

    Args:
        task, protocol: the degradation, and how its measurements are made.
        metrics: names in :data:`bigprior.metrics.METRICS`.
        data, index: the pictures.
        preset_name: whose prior and phi network restore.
        steps: of the prior, in place of the preset's.
        prior_dir, phi: priors computed elsewhere, and the network that weighs them, in place of the preset's.
        baselines: which of the task's to run; all that are installed by default.
        lines: file of one JSON line a picture and method; makes the evaluation resumable.
        progress: over pictures and methods.

    Returns:
        ``{method: {metric: mean}}``, and under ``missing`` the baselines whose package is not installed.

    Raises:
        SettingsError: ``prior_dir`` without ``phi``, or with other pictures.
    """
    pictures = load_set(data, index)
    methods = {name: b for name, b in BASELINES.items() if b.task == task and (baselines is None or name in baselines)}
    missing = {name: f"needs the package {b.package}" for name, b in methods.items() if not b.installed}
    restorers = _restorers(task, pictures, index, preset_name, steps, prior_dir, phi)
    depends = {
        "prior": str(prior_dir) if prior_dir else preset(preset_name).model_dump_json(),
        "phi": sha256(phi) if phi else None,
        "steps": steps,
    }
    done, scores = Lines(lines), dict[str, list[dict[str, float]]]()
    rows = ["ours", *(name for name in methods if name not in missing)]
    for i, name in enumerate(pictures.names):
        x = pictures.images[i : i + 1]
        pixels = hashlib.sha256(x.numpy().tobytes()).hexdigest()
        for j, row in enumerate(rows):
            parts = ("input", "prior", "ours") if row == "ours" else (row,)
            settings = json.dumps([protocol, name, pixels, metrics, depends if row == "ours" else None])
            keys = {part: hashlib.sha256(f"{part}/{settings}".encode()).hexdigest()[:24] for part in parts}
            if not done.known.keys() >= set(keys.values()):
                y, physics = simulate(protocol, x, [name])
                if row == "ours":
                    new = _our_scores(restorers(i), y, physics, x, metrics)
                else:
                    new = {row: _baseline_scores(methods[row], y, physics, protocol, name, x, metrics)}
                for part, values in new.items():
                    done.add(keys[part], part, name, values)
            for part, key in keys.items():
                scores.setdefault(part, []).append(done.known[key])
            progress(i * len(rows) + j + 1, len(pictures) * len(rows))
    results: dict[str, Any] = {
        row: {k: float(np.mean([s[k] for s in all_])) for k in all_[0]} for row, all_ in scores.items()
    }
    if task == "denoising":
        sigmas, phis = [noise_level(protocol, n) for n in pictures.names], [p["mean_phi"] for p in scores["ours"]]
        if min(np.ptp(sigmas), np.ptp(phis)) > 0:  # else there is nothing to correlate
            results["ours"]["phi_sigma_r"] = float(np.corrcoef(sigmas, phis)[0, 1])
    return results | ({"missing": missing} if missing else {})


def _our_scores(
    restorer: Restorer, y: Tensor, physics: Degradation, x: Tensor, metrics: Sequence[str]
) -> dict[str, dict[str, float]]:
    began = time.perf_counter()
    result = restorer.restore(y, physics)
    more = {"seconds": time.perf_counter() - began, "mean_phi": result.mean_phi}
    more["phi_outside"] = float(((result.phi < 0) | (result.phi > 1)).double().mean())
    more["mse"] = float((result.restored - x).double().square().mean())
    parts = {"input": result.fidelity, "prior": result.prior, "ours": result.restored}
    scores = {part: _scores(image, x, metrics) for part, image in parts.items()}
    return scores | {"ours": scores["ours"] | more}


def _restorers(
    task: str,
    pictures: PictureSet,
    index: tuple[int, int] | None,
    preset_name: str,
    steps: int | None,
    prior_dir: Path | None,
    phi: Path | None,
) -> Callable[[int], Restorer]:
    """The restorer of each picture: one for all, or one around each precomputed prior."""
    if prior_dir is None:
        restorer = load_restorer(preset_name, task, steps=steps)
        if phi is not None:
            restorer = Restorer(restorer.prior, load_phi(phi))
        return lambda i: restorer
    if phi is None:
        raise SettingsError("priors computed elsewhere need a network that weighs them: pass --phi FILE")
    network, priors = load_phi(phi), load_set(prior_dir, index)
    if priors.names != pictures.names:
        raise SettingsError(f"{prior_dir} does not hold a prior of the same name for each picture")
    return lambda i: Restorer(PrecomputedPrior(priors.images[i : i + 1]), network)


def _baseline_scores(
    method: Baseline, y: Tensor, physics: Degradation, protocol: str, name: str, x: Tensor, metrics: Sequence[str]
) -> dict[str, float]:
    sigma = noise_level(protocol, name) if method.told == "sigma" else None
    mask = physics.mask if isinstance(physics, Inpainting) else None
    began = time.perf_counter()
    image = method.restore(y, sigma, mask)
    seconds = time.perf_counter() - began
    return _scores(image, x, metrics) | {"seconds": seconds}


@torch.no_grad()
def _scores(image: Tensor, truth: Tensor, metrics: Sequence[str]) -> dict[str, float]:
    return {name: float(METRICS[name](image, truth)) for name in metrics}

"""Is phi right? Whether what it says was made up is where the picture is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bigprior import DEFAULT_PRESET
from bigprior.degradations.simulation import learning_protocols, simulate
from bigprior.errors import SettingsError
from bigprior.evaluation import chem
from bigprior.evaluation.calibrating import Known, middle, restored, restored_as
from bigprior.evaluation.chem import Chem
from bigprior.evaluation.protocols.request import Request, Results
from bigprior.evaluation.sparsification import LEFT_OUT, Sparsification, sparsified
from bigprior.evaluation.unlike import drawn
from bigprior.io.folders import list_pictures
from bigprior.io.pictures import read_picture
from bigprior.presets.loading import load_restorer
from bigprior.presets.store import load_part, preset
from bigprior.priors.anysize import for_any_size
from bigprior.priors.base import Prior
from bigprior.priors.diffusion import DiffusionPrior, DiffusionSettings
from bigprior.progress import Progress

#: Tasks, and samples of the prior whose spread is a rival, each of so many steps unless another number is asked for.
_TASKS, _SAMPLES, _STEPS = ("denoising", "colorization", "inpainting"), 4, 5
#: Pictures of the folder that CHEM is calibrated on, at most: those before the ones that are measured.
_BEFORE = 12


def truth(request: Request, progress: Progress) -> Results:
    """How well maps say where a restored picture is wrong, on the request's pictures and on as many drawn by a program.

    The maps: ``phi`` times the difference of prior and measurement, ``made_up``; ``phi`` alone; the ``bound``'s width,
    where the preset is calibrated; the ``spread`` of samples of the preset's denoiser, if it has one; and ``chem``,
    calibrated on pictures of the folder before those that are measured.

    Returns:
        By task, ``photographs`` or ``drawings``, and map: ``correlation`` with the error and ``rank_correlation``,
        means over pictures; ``area`` between the map's sparsification curve and that of an oracle that knows the
        error, less is better; and both curves, over ``left_out``. Of CHEM also ``excess``, how much larger errors of
        coefficients are than its intervals. How many ``pictures`` of each kind, and a ``missing`` map with the reason.
    """
    name = request.preset or DEFAULT_PRESET
    files = list_pictures(request.data, request.index)
    before, why = _before(request)
    results: Results = {"pictures": len(files), "left_out": list(LEFT_OUT)} | (
        {"missing": {"chem": why}} if why else {}
    )
    for done, task in enumerate(_TASKS):
        restorer, sampler = load_restorer(name, task), _sampler(name, request.steps or _STEPS)
        protocols, intervals = learning_protocols(task), None
        if not why:
            known_before = restored(restorer, task, before, side=request.side)
            intervals = Chem((known.parts.restored, known.truth, known.parts.free) for known in known_before)
        found: dict[str, dict[str, list[Sparsification]]] = {"photographs": {}, "drawings": {}}
        excess: dict[str, list[float]] = {"photographs": [], "drawings": []}
        for i, file in enumerate(files):
            photo = middle(read_picture(file).image, request.side)
            for j, (kind, x) in enumerate((("photographs", photo), ("drawings", drawn(i, min(photo.shape[2:]))))):
                label = file.stem if kind == "photographs" else f"drawing-{i}"
                y, physics = simulate(protocols[i % len(protocols)], x, [label])
                known = restored_as(restorer, x, y, physics, label)
                error = (known.parts.restored - known.truth).abs().mean(dim=1, keepdim=True)
                free = known.parts.free > 0
                if intervals is not None:
                    excess[kind].append(intervals.excess(known.parts.restored, known.truth, known.parts.free))
                for map_name, doubt in _maps(known, _spread(sampler, physics, y), intervals):
                    rows = found[kind].setdefault(map_name, [])
                    rows.append(sparsified(doubt[free], error[free]))
                progress(2 * (done * len(files) + i) + j + 1, 2 * len(_TASKS) * len(files))
        results[task] = {
            kind: {name: _means(rows) for name, rows in of_maps.items()} for kind, of_maps in found.items()
        }
        for kind, beyond in excess.items():
            if beyond:
                results[task][kind]["chem"]["excess"] = float(np.mean(beyond))
    return results


def shown(name: str, results: Results) -> list[str]:
    """What :func:`truth` found on a set of pictures, as Markdown."""
    parts = [
        "",
        f"## Where pictures are wrong: {name}",
        "",
        f"{results['pictures']} photographs a task and as many drawings, which no network has seen. The area is",
        "between a map's sparsification curve and that of an oracle that knows the error: less is better; r is",
        "Spearman's with the error. `made_up` is phi times the difference of prior and measurement; `spread` that of",
        "samples; `chem` is by wavelet intervals, after CHEM.",
        "",
        "| task | map | area | r | area, drawings | r, drawings |",
        "|---|---|---|---|---|---|",
    ]
    for task in _TASKS:
        for of_map, row in results.get(task, {}).get("photographs", {}).items():
            rows = (row, results[task]["drawings"][of_map])
            cells = [f"{one[figure]:.3f}" for one in rows for figure in ("area", "rank_correlation")]
            parts.append(f"| {task} | {of_map} | " + " | ".join(cells) + " |")
    return parts + [line for of_map, why in results.get("missing", {}).items() for line in ("", f"{of_map} {why}.")]


def _before(request: Request) -> tuple[list[Path], str]:
    """The pictures that CHEM is calibrated on, and why there are none that it could be."""
    if not chem.is_installed():
        return [], "needs PyWavelets: pip install 'bigprior[bench]'"
    first = 0 if request.index is None else request.index[0]
    if first < 2:
        return [], "is calibrated on pictures before those that are measured: pass an --index that leaves some"
    return list_pictures(request.data, (max(0, first - _BEFORE), first - 1)), ""


def _maps(known: Known, spread: Tensor | None, intervals: Chem | None) -> Iterator[tuple[str, Tensor]]:
    """Each by its name, (1, 1, H, W)."""
    parts, bound = known.parts, known.restoration.bound
    phi = parts.phi.mean(dim=1, keepdim=True)
    yield "made_up", phi * (parts.prior - parts.fidelity).abs().mean(dim=1, keepdim=True)
    yield "phi", phi
    if bound is not None:
        yield "bound", (bound.upper - bound.lower).mean(dim=1, keepdim=True)
    if spread is not None:
        yield "spread", spread.mean(dim=1, keepdim=True)
    if intervals is not None:
        yield "chem", intervals.map(parts.restored)


def _sampler(name: str, steps: int) -> DiffusionPrior | None:
    """Samples of a preset's denoiser that can be conditioned on what is known; None where it has none."""
    if "denoiser" not in preset(name).sha256:
        return None
    settings = DiffusionSettings(sampler="posterior", steps=steps)
    try:
        return DiffusionPrior(load_part(name, "denoiser"), settings)
    except SettingsError:  # one that cannot be conditioned
        return None


def _spread(sampler: DiffusionPrior | None, physics: Any, y: Tensor) -> Tensor | None:
    if sampler is None:
        return None
    prior: Prior = for_any_size(sampler, physics.placement)
    m = physics.measure(y)
    return torch.stack([prior.project(m, seed=seed).image for seed in range(_SAMPLES)]).std(dim=0)


def _means(rows: list[Sparsification]) -> dict[str, Any]:
    figures: dict[str, Any] = {
        figure: float(np.mean([getattr(row, figure) for row in rows]))
        for figure in ("correlation", "rank_correlation", "area")
    }
    curves = {name: np.mean([getattr(row, name) for row in rows], axis=0) for name in ("curve", "oracle")}
    return figures | {name: [round(float(value), 4) for value in curve] for name, curve in curves.items()}

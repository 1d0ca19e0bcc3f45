"""Is phi right? Whether what it says was made up is where the picture is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor

from bigprior import DEFAULT_PRESET
from bigprior.degradations.simulation import learning_protocols, simulate
from bigprior.errors import SettingsError
from bigprior.evaluation.calibrating import Known, restored_as
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


def truth(request: Request, progress: Progress) -> Results:
    """How well maps say where a restored picture is wrong, on the request's pictures and on as many drawn by a program.

    The maps: ``phi`` times the difference of prior and measurement, ``made_up``; ``phi`` alone; the ``bound``'s width,
    where the preset is calibrated; and the ``spread`` of samples of the preset's denoiser, if it has one.

    Returns:
        By task, ``photographs`` or ``drawings``, and map: ``correlation`` with the error and ``rank_correlation``,
        means over pictures; ``area`` between the map's sparsification curve and that of an oracle that knows the
        error, less is better; and both curves, over ``left_out``.
    """
    name = request.preset or DEFAULT_PRESET
    files = list_pictures(request.data, request.index)
    results: Results = {"left_out": list(LEFT_OUT)}
    for done, task in enumerate(_TASKS):
        restorer, sampler = load_restorer(name, task), _sampler(name, request.steps or _STEPS)
        protocols = learning_protocols(task)
        found: dict[str, dict[str, list[Sparsification]]] = {"photographs": {}, "drawings": {}}
        for i, file in enumerate(files):
            photo = read_picture(file).image
            for j, (kind, x) in enumerate((("photographs", photo), ("drawings", drawn(i, min(photo.shape[2:]))))):
                label = file.stem if kind == "photographs" else f"drawing-{i}"
                y, physics = simulate(protocols[i % len(protocols)], x, [label])
                known = restored_as(restorer, x, y, physics, label)
                error = (known.parts.restored - known.truth).abs().mean(dim=1, keepdim=True)
                free = known.parts.free > 0
                for map_name, doubt in _maps(known, _spread(sampler, physics, y)):
                    rows = found[kind].setdefault(map_name, [])
                    rows.append(sparsified(doubt[free], error[free]))
                progress(2 * (done * len(files) + i) + j + 1, 2 * len(_TASKS) * len(files))
        results[task] = {
            kind: {name: _means(rows) for name, rows in of_maps.items()} for kind, of_maps in found.items()
        }
    return results


def _maps(known: Known, spread: Tensor | None) -> Iterator[tuple[str, Tensor]]:
    """Each by its name, (1, 1, H, W)."""
    parts, bound = known.parts, known.restoration.bound
    phi = parts.phi.mean(dim=1, keepdim=True)
    yield "made_up", phi * (parts.prior - parts.fidelity).abs().mean(dim=1, keepdim=True)
    yield "phi", phi
    if bound is not None:
        yield "bound", (bound.upper - bound.lower).mean(dim=1, keepdim=True)
    if spread is not None:
        yield "spread", spread.mean(dim=1, keepdim=True)


def _sampler(name: str, steps: int) -> DiffusionPrior | None:
    """Samples of a preset's denoiser that can be conditioned on what is known; None where it has none."""
    if "denoiser" not in preset(name).sha256:
        return None
    settings = DiffusionSettings(sampler="posterior", samples=_SAMPLES, steps=steps)
    try:
        return DiffusionPrior(load_part(name, "denoiser"), settings)
    except SettingsError:  # one that cannot be conditioned
        return None


def _spread(sampler: DiffusionPrior | None, physics: Any, y: Tensor) -> Tensor | None:
    if sampler is None:
        return None
    prior: Prior = for_any_size(sampler, physics.placement)
    return prior.project(physics.measure(y)).codes.get("spread")


def _means(rows: list[Sparsification]) -> dict[str, Any]:
    figures: dict[str, Any] = {
        figure: float(np.mean([getattr(row, figure) for row in rows]))
        for figure in ("correlation", "rank_correlation", "area")
    }
    curves = {name: np.mean([getattr(row, name) for row in rows], axis=0) for name in ("curve", "oracle")}
    return figures | {name: [round(float(value), 4) for value in curve] for name, curve in curves.items()}

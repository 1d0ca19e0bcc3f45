"""Is phi right? Whether what it says was made up is where the picture is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
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
from bigprior.evaluation.cases import Case, digest_of
from bigprior.evaluation.chem import Chem
from bigprior.evaluation.protocols.request import Request, Results
from bigprior.evaluation.sparsification import LEFT_OUT, sparsified
from bigprior.evaluation.tables import Lines
from bigprior.evaluation.unlike import drawn
from bigprior.io.folders import list_pictures
from bigprior.io.pictures import read_picture
from bigprior.io.weights import sha256
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
#: What is kept of a :class:`Sparsification`: its figures, and its curves.
_FIGURES, _CURVES = ("correlation", "rank_correlation", "area"), ("curve", "oracle")


def truth(request: Request, progress: Progress) -> Results:
    """How well maps say where a restored picture is wrong, on the request's pictures and on as many drawn by a program.

    The maps: ``phi`` times the difference of prior and measurement, ``made_up``; ``phi`` alone; the ``bound``'s width,
    where the preset is calibrated; the ``spread`` of samples of the preset's denoiser, if it has one; and ``chem``,
    calibrated on pictures of the folder before those that are measured. One line of JSON a picture and task is kept
    beside the results, from which an interrupted measurement goes on.

    Returns:
        By task, ``photographs`` or ``drawings``, and map: ``correlation`` with the error and ``rank_correlation``,
        means over pictures; ``area`` between the map's sparsification curve and that of an oracle that knows the
        error, less is better; and both curves, over ``left_out``. Of CHEM also ``excess``, how much larger errors of
        coefficients are than its intervals. How many ``pictures`` of each kind, and a ``missing`` map with the reason.
    """
    files, (before, why) = list_pictures(request.data, request.index), _before(request)
    results: Results = {"pictures": len(files), "left_out": list(LEFT_OUT)} | (
        {"missing": {"chem": why}} if why else {}
    )
    lines, done = Lines(request.lines), 0
    for task in _TASKS:
        judge, found = _Judge(request, task, before), dict[str, list[dict[str, Any]]]()
        for i, file in enumerate(files):
            photo = middle(read_picture(file).image, request.side)
            for kind, name, x in (
                ("photographs", file.stem, photo),
                ("drawings", f"drawing-{i}", drawn(i, min(photo.shape[2:]))),
            ):
                case = Case(x, *simulate(judge.protocols[i % len(judge.protocols)], x, [name]))
                if (key := judge.key(case)) not in lines.known:
                    lines.add(key, task, name, judge.scores(case, name))
                found.setdefault(kind, []).append(lines.known[key])
                done += 1
                progress(done, 2 * len(_TASKS) * len(files))
        results[task] = {kind: _means(rows) for kind, rows in found.items()}
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


class _Judge:
    """What is asked about the restored pictures of one task.

    Attributes:
        protocols: by which pictures are measured, in turns.
    """

    def __init__(self, request: Request, task: str, before: list[Path]) -> None:
        name = request.preset or DEFAULT_PRESET
        steps = request.steps or _STEPS
        self.protocols = learning_protocols(task)
        self._task, self._side, self._before = task, request.side, before
        self._restorer, self._sampler = load_restorer(name, task), _sampler(name, steps)
        depends = [self._restorer.provenance, request.side, steps, [sha256(file) for file in before]]
        self._made_of = json.dumps(depends, sort_keys=True, default=str)

    def key(self, case: Case) -> str:
        """Of all that the scores of a case depend on."""
        return Lines.key(f"truth/{digest_of(case)}/{self._made_of}")

    def scores(self, case: Case, name: str) -> dict[str, Any]:
        """By map, the figures of :class:`Sparsification`; of ``chem`` its ``excess`` as well."""
        known = restored_as(self._restorer, case.truth, case.y, case.physics, name)
        error = (known.parts.restored - known.truth).abs().mean(dim=1, keepdim=True)
        free = known.parts.free > 0
        scores: dict[str, Any] = {}
        for map_name, doubt in self._maps(known, case):
            row = sparsified(doubt[free], error[free])
            scores[map_name] = {figure: getattr(row, figure) for figure in _FIGURES} | {
                curve: [round(value, 4) for value in getattr(row, curve)] for curve in _CURVES
            }
        if self._intervals is not None:
            excess = self._intervals.excess(known.parts.restored, known.truth, known.parts.free)
            scores["chem"]["excess"] = excess
        return scores

    def _maps(self, known: Known, case: Case) -> Iterator[tuple[str, Tensor]]:
        """Each by its name, (1, 1, H, W)."""
        parts, bound = known.parts, known.restoration.bound
        phi = parts.phi.mean(dim=1, keepdim=True)
        yield "made_up", phi * (parts.prior - parts.fidelity).abs().mean(dim=1, keepdim=True)
        yield "phi", phi
        if bound is not None:
            yield "bound", (bound.upper - bound.lower).mean(dim=1, keepdim=True)
        if self._sampler is not None:
            yield "spread", _spread(self._sampler, case).mean(dim=1, keepdim=True)
        if self._intervals is not None:
            yield "chem", self._intervals.map(parts.restored)

    @cached_property
    def _intervals(self) -> Chem | None:
        if not self._before:
            return None
        before = restored(self._restorer, self._task, self._before, side=self._side)
        return Chem((known.parts.restored, known.truth, known.parts.free) for known in before)


def _sampler(name: str, steps: int) -> DiffusionPrior | None:
    """Samples of a preset's denoiser that can be conditioned on what is known; None where it has none."""
    if "denoiser" not in preset(name).sha256:
        return None
    settings = DiffusionSettings(sampler="posterior", steps=steps)
    try:
        return DiffusionPrior(load_part(name, "denoiser"), settings)
    except SettingsError:  # one that cannot be conditioned
        return None


def _spread(sampler: DiffusionPrior, case: Case) -> Tensor:
    prior: Prior = for_any_size(sampler, case.physics.placement)
    m = case.physics.measure(case.y)
    return torch.stack([prior.project(m, seed=seed).image for seed in range(_SAMPLES)]).std(dim=0)


def _means(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """By map, the means of its figures and curves over pictures."""
    return {
        name: {figure: np.mean([row[name][figure] for row in rows], axis=0).tolist() for figure in figures}
        for name, figures in rows[0].items()
    }

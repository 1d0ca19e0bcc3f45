"""Do bounds hold, how wide are they, and does a person hear of it where they may not?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.stats import rankdata
from torch import Tensor

from bigprior import DEFAULT_PRESET
from bigprior.degradations import DEGRADATIONS, OPERATORS
from bigprior.degradations.simulation import simulate, usual_protocols
from bigprior.errors import SettingsError
from bigprior.evaluation.calibrating import restored_as
from bigprior.evaluation.cases import Case, digest_of
from bigprior.evaluation.protocols.request import Request, Results
from bigprior.evaluation.tables import Lines
from bigprior.evaluation.unlike import drawn, with_other_noise
from bigprior.io.folders import list_pictures
from bigprior.io.pictures import read_picture
from bigprior.io.weights import sha256
from bigprior.presets.calibrations import calibration_path
from bigprior.presets.loading import load_restorer
from bigprior.progress import Progress

#: Tasks of the package whose presets are calibrated; those that weigh by themselves are measured where they are too.
_TASKS = ("denoising", "colorization", "inpainting")


def coverage(request: Request, progress: Progress) -> Results:
    """Whether the bounds hold on pictures that did not calibrate, and how wide they are.

    Returns:
        By task: ``risk``, the share of values outside, the mean of all pictures, and the ``worst`` picture's; the mean
        ``width`` of the intervals, on the scale of [0, 1], cut to it; ``constant_width`` of intervals that are the same
        everywhere, not cut, certified on the same pictures in the same way, and their ``constant_risk``; the share of
        pictures ``warned`` of; ``alpha``, ``delta``, how many ``pictures``, and how many more are ``unbounded``, as
        they were measured beyond what was calibrated. One line of JSON a picture and task is kept beside the results,
        from which an interrupted measurement goes on.

    Raises:
        SettingsError: the preset has no calibration that fits.
    """
    lines = Lines(request.lines)
    looked = [_Looked(request, task, lines) for task in (*_TASKS, *_also_calibrated(request))]
    files = list_pictures(request.data, request.index)
    results: Results = {}
    for done, of_task in enumerate(looked):
        rows, unbounded, calibration = [], 0, of_task.calibration
        for i, file in enumerate(files):
            row = of_task.row(of_task.case(read_picture(file).image, i, file.stem), file.stem)
            unbounded += "beyond" in row
            if "risk" in row:
                rows.append([row[figure] for figure in ("risk", "width", "constant_risk", "far")])
            progress(done * len(files) + i + 1, len(looked) * len(files))
        risk, width, same, warned = np.mean(rows, axis=0)
        results[of_task.task] = {
            "risk": float(risk),
            "width": float(width),
            "constant_width": 2 * calibration.constant,
            "constant_risk": float(same),
            "worst": float(np.max(rows, axis=0)[0]),
            "warned": float(warned),
            "alpha": calibration.alpha,
            "delta": calibration.delta,
            "pictures": len(rows),
        } | ({"unbounded": unbounded} if unbounded else {})
    return results


def warning(request: Request, progress: Progress) -> Results:
    """Whether pictures that a calibration says nothing of are told from others: by their distance, and by the warning.

    Each picture of the request's, and as many of each kind that a calibration has not seen: drawn by a program,
    and photographs with noise that is not white, in place of the task's own or beneath what it does.

    Returns:
        By task and kind, ``photographs``, ``drawings`` and ``other_noise``: the share of pictures ``warned`` of, the
        ``risk`` that their bounds had, and the area under the curve (``auroc``) of telling them by their distance.

    Raises:
        SettingsError: the preset has no calibration that fits.
    """
    files, lines = list_pictures(request.data, request.index), Lines(request.lines)
    results: Results = {}
    for done, task in enumerate(_TASKS):
        looked, found = _Looked(request, task, lines), dict[str, list[dict[str, float]]]()
        for i, (kind, case, name) in enumerate(_alike_and_not(looked, files)):
            found.setdefault(kind, []).append(looked.row(case, name))
            progress(3 * done * len(files) + i + 1, 3 * len(_TASKS) * len(files))
        results[task] = {}
        for kind, rows in found.items():
            warned, risk = (float(np.mean([row[figure] for row in rows])) for figure in ("far", "risk"))
            results[task][kind] = {"warned": warned, "risk": risk, "pictures": len(rows)}
            if kind != "photographs":
                distances = [[row["distance"] for row in found[name]] for name in ("photographs", kind)]
                results[task][kind]["auroc"] = auroc(*distances)
    return results


def auroc(low: list[float], high: list[float]) -> float:
    """How probably one of ``high`` is above one of ``low``; ties count a half."""
    ranks = rankdata([*low, *high])[len(low) :]
    return float((ranks.mean() - (len(high) + 1) / 2) / len(low))


class _Looked:
    """What the bounds of one task's pictures are like, a line each.

    Attributes:
        task: a degradation's name.
        calibration: the preset's.

    Raises:
        SettingsError: the preset has no calibration that fits.
    """

    def __init__(self, request: Request, task: str, lines: Lines) -> None:
        name = request.preset or DEFAULT_PRESET
        self._restorer = load_restorer(name, task)
        if self._restorer.calibration is None:
            raise SettingsError(self._restorer.unbounded or "this restorer was not calibrated")
        self.task, self.calibration = task, self._restorer.calibration
        self._protocols, self._lines = usual_protocols(task), lines
        depends = [self._restorer.provenance, sha256(calibration_path(name, task))]
        self._made_of = json.dumps(depends, sort_keys=True, default=str)

    def case(self, x: Tensor, i: int, name: str) -> Case:
        """The ``i``-th picture, by one of the protocols in turns."""
        return Case(x, *simulate(self._protocols[i % len(self._protocols)], x, [name]))

    def row(self, case: Case, name: str) -> dict[str, float]:
        """What is known of a picture's bound: the ``risk`` that it had, among others.

        Where it was measured beyond what was calibrated, ``beyond`` alone; nothing where nothing is free.
        """
        key = Lines.key(f"coverage/{self.task}/{digest_of(case)}/{self._made_of}")
        if key not in self._lines.known:
            self._lines.add(key, self.task, name, self._found(case, name))
        return self._lines.known[key]

    def _found(self, case: Case, name: str) -> dict[str, float]:
        known = restored_as(self._restorer, case.truth, case.y, case.physics, name)
        bound = known.restoration.bound
        if bound is None:
            return {"beyond": 1.0}
        if not bool(bound.free.any()):
            return {}
        errors = (known.parts.restored - known.truth).abs()
        beyond = (errors > self.calibration.constant) * bound.free
        return {
            "risk": float(bound.outside(known.truth)),
            "width": float(bound.width),
            "constant_risk": float(beyond.sum() / (3 * bound.free.sum())),
            "far": float(bound.far),
            "distance": float(bound.distance),
        }


def _alike_and_not(looked: _Looked, files: list[Path]) -> Iterator[tuple[str, Case, str]]:
    noisy = DEGRADATIONS[looked.task].noisy
    for i, file in enumerate(files):
        x = read_picture(file).image
        yield "photographs", looked.case(x, i, file.stem), file.stem
        yield "drawings", looked.case(drawn(i, min(x.shape[2:])), i, f"drawing-{i}"), f"drawing-{i}"
        y = with_other_noise(x, i)
        if noisy:
            yield "other_noise", Case(x, y, DEGRADATIONS[looked.task]()), file.stem
        else:
            yield "other_noise", looked.case(y.clamp(0, 1), i, file.stem), file.stem


def _also_calibrated(request: Request) -> list[str]:
    """Tasks whose phi is known in closed form, as far as the preset is calibrated for them."""
    name = request.preset or DEFAULT_PRESET
    tasks = [task for task, physics in OPERATORS.items() if physics.protocols]
    return [task for task in tasks if calibration_path(name, task).is_file()]

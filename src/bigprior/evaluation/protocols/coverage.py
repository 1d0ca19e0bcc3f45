"""Do bounds hold, how wide are they, and does a person hear of it where they may not?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata
from torch import Tensor

from bigprior import DEFAULT_PRESET
from bigprior.calibration import Bound, Calibration
from bigprior.degradations import DEGRADATIONS, OPERATORS
from bigprior.degradations.simulation import learning_protocols, simulate
from bigprior.errors import SettingsError
from bigprior.evaluation.calibrating import Known, restored, restored_as
from bigprior.evaluation.protocols.request import Request, Results
from bigprior.evaluation.unlike import drawn, with_other_noise
from bigprior.io.folders import list_pictures
from bigprior.io.pictures import read_picture
from bigprior.presets.calibrations import calibration_path
from bigprior.presets.loading import load_restorer
from bigprior.progress import Progress, part_of
from bigprior.restorer import Restorer

#: Tasks of the package whose presets are calibrated; those that weigh by themselves are measured where they are too.
_TASKS = ("denoising", "colorization", "inpainting")


def coverage(request: Request, progress: Progress) -> Results:
    """Whether the bounds hold on pictures that did not calibrate, and how wide they are.

    Returns:
        By task: ``risk``, the share of values outside, the mean of all pictures, and the ``worst`` picture's; the mean
        ``width`` of the intervals, on the scale of [0, 1], cut to it; ``constant_width`` of intervals that are the same
        everywhere, not cut, certified on the same pictures in the same way, and their ``constant_risk``; the share of
        pictures ``warned`` of; ``alpha``, ``delta``, how many ``pictures``, and how many more are ``unbounded``, as
        they were measured beyond what was calibrated.

    Raises:
        SettingsError: the preset has no calibration that fits.
    """
    results: Results = {}
    found = {task: _calibrated(request, task) for task in _TASKS} | _also_calibrated(request)
    for done, (task, (restorer, calibration)) in enumerate(found.items()):
        rows, unbounded = [], 0
        files = list_pictures(request.data, request.index)
        for known in restored(restorer, task, files, part_of(progress, done, len(found))):
            bound = known.restoration.bound
            if bound is None:  # measured in a way that is beyond what was calibrated
                unbounded += 1
                continue
            if not bool(bound.free.any()):
                continue
            errors = (known.parts.restored - known.truth).abs()
            beyond = (errors > calibration.constant) * bound.free
            same = float(beyond.sum() / (3 * bound.free.sum()))
            rows.append([float(bound.outside(known.truth)), float(bound.width), same, float(bound.far)])
        risk, width, same, warned = np.mean(rows, axis=0)
        results[task] = {
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
    results: Results = {}
    for done, task in enumerate(_TASKS):
        restorer, _ = _calibrated(request, task)
        files = list_pictures(request.data, request.index)
        found: dict[str, list[tuple[float, float, float]]] = {}
        for i, (kind, known) in enumerate(_alike_and_not(restorer, task, files)):
            bound = _bound(known)
            outside = float(bound.outside(known.truth))
            found.setdefault(kind, []).append((float(bound.distance), float(bound.far), outside))
            progress(3 * done * len(files) + i + 1, 3 * len(_TASKS) * len(files))
        results[task] = {}
        for kind, rows in found.items():
            _, warned, risk = np.mean(rows, axis=0)
            results[task][kind] = {"warned": float(warned), "risk": float(risk), "pictures": len(rows)}
            if kind != "photographs":
                distances = [[row[0] for row in found[name]] for name in ("photographs", kind)]
                results[task][kind]["auroc"] = auroc(*distances)
    return results


def auroc(low: list[float], high: list[float]) -> float:
    """How probably one of ``high`` is above one of ``low``; ties count a half."""
    ranks = rankdata([*low, *high])[len(low) :]
    return float((ranks.mean() - (len(high) + 1) / 2) / len(low))


def _alike_and_not(restorer: Restorer, task: str, files: list[Path]) -> Iterator[tuple[str, Known]]:
    protocols, noisy = learning_protocols(task), DEGRADATIONS[task].noisy

    def case(x: Tensor, i: int, name: str) -> Known:
        return restored_as(restorer, x, *simulate(protocols[i % len(protocols)], x, [name]), name)

    for i, file in enumerate(files):
        x = read_picture(file).image
        yield "photographs", case(x, i, file.stem)
        yield "drawings", case(drawn(i, min(x.shape[2:])), i, f"drawing-{i}")
        y = with_other_noise(x, i)
        if noisy:
            yield "other_noise", restored_as(restorer, x, y, DEGRADATIONS[task](), file.stem)
        else:
            yield "other_noise", case(y.clamp(0, 1), i, file.stem)


def _also_calibrated(request: Request) -> dict[str, tuple[Restorer, Calibration]]:
    """Tasks whose phi is known in closed form, as far as the preset is calibrated for them."""
    name = request.preset or DEFAULT_PRESET
    tasks = [task for task, physics in OPERATORS.items() if physics.protocols]
    tasks = [task for task in tasks if calibration_path(name, task).is_file()]
    return {task: _calibrated(request, task) for task in tasks}


def _calibrated(request: Request, task: str) -> tuple[Restorer, Calibration]:
    restorer: Any = load_restorer(request.preset or DEFAULT_PRESET, task)
    if restorer.calibration is None:
        raise SettingsError(restorer.unbounded or "this restorer was not calibrated")
    return restorer, restorer.calibration


def _bound(known: Known) -> Bound:
    assert known.restoration.bound is not None  # the restorer is calibrated
    return known.restoration.bound

"""The paper's tables at the pictures' own size: what was measured, the prior, ours, and every installed baseline.

Each picture is measured, restored and scored by itself. A line of JSON a picture and method is kept beside the
results, so that an interrupted evaluation goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bigprior.degradations import task_of
from bigprior.errors import SettingsError
from bigprior.evaluation.baselines import Baseline, choose
from bigprior.evaluation.cases import Case, Cases, digest_of
from bigprior.evaluation.metrics import METRICS
from bigprior.evaluation.regions import region_scores
from bigprior.evaluation.rivals import left_out, models
from bigprior.evaluation.sparsification import sparsified
from bigprior.io.arrays import in_eight_bits
from bigprior.io.atomic import append_line, write_text
from bigprior.io.folders import list_pictures
from bigprior.io.pictures import read_picture
from bigprior.io.weights import sha256
from bigprior.presets.loading import load_phi, load_restorer
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.progress import Progress
from bigprior.restorer import Restorer

#: Scores of a picture (1, 3, H, W) beside its truth.
_Score = Callable[[Tensor], dict[str, float]]


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
        self.path, self.known = path, dict[str, dict[str, Any]]()
        if path is not None and path.exists():
            *whole, cut = path.read_text(encoding="utf-8").split("\n")  # what follows the last line break was cut off
            self.known = {line["key"]: line["scores"] for line in map(json.loads, whole)}
            if cut:
                write_text(path, "".join(f"{line}\n" for line in whole))

    @staticmethod
    def key(depends: str) -> str:
        """The key of scores, of a text that says all that they depend on."""
        return hashlib.sha256(depends.encode()).hexdigest()[:24]

    def add(self, key: str, method: str, picture: str, scores: dict[str, Any]) -> None:
        """Keep the scores of one picture by one method."""
        self.known[key] = scores
        if self.path is not None:
            line = {"method": method, "picture": picture, "key": key, "scores": scores}
            append_line(self.path, json.dumps(line))


@dataclass(frozen=True)
class Rows:
    """Scores of every picture by every method.

    Attributes:
        names: of the pictures.
        scores: by method, a picture's scores each, in the order of ``names``.
        missing: methods that could not run, and why.
        notes: what a reader has to know of a method.
    """

    names: list[str]
    scores: dict[str, list[dict[str, float]]]
    missing: dict[str, str]
    notes: dict[str, str]


def picture_rows(
    task: str,
    cases: Cases,
    *,
    metrics: Sequence[str] | None = None,
    preset_name: str,
    steps: int | None = None,
    prior_dir: Path | None = None,
    phi: Path | None = None,
    prior: Path | None = None,
    rivals: Sequence[Path] = (),
    trusted: bool = False,
    baselines: tuple[str, ...] | None = None,
    dncnn: Path | None = None,
    lines: Path | None = None,
    progress: Progress,
) -> Rows:
    """Measure, restore and score each picture by itself: what was measured, the prior, ours, and the baselines.

    Args:
        task: the degradation.
        cases: the pictures, and how they are measured.
        metrics: names in :data:`bigprior.evaluation.metrics.METRICS`; what the degradation is scored by, by default.
        preset_name: whose prior and phi network restore.
        steps: of the prior, in place of the preset's.
        prior_dir, phi: priors computed elsewhere, of the pictures' names, and the network that weighs them, in place of
            the preset's.
        prior: a model's file in place of the preset.
        rivals: models' files, each a row of its own, of what it makes of a measurement by itself.
        trusted: those files may run code.
        baselines: which of the task's to run; all that are installed and not slow by default.
        dncnn: folder of trained networks, see :func:`bigprior.evaluation.baselines.choose`.
        lines: file of one JSON line a picture and method; makes the evaluation resumable.
        progress: over pictures and methods.

    Raises:
        SettingsError: ``prior_dir`` without ``phi``, or with other pictures.
        WeightsError: a file of ``dncnn`` that is none.
    """
    # Long for all that a table can be asked, each with a line of its own.
    metrics = metrics or task_of(task).metrics
    methods, missing = choose(task, baselines, dncnn)
    given = models(rivals, task, (*methods, "input", "prior", "ours"), trusted=trusted)
    methods |= given
    if baselines is None:
        missing |= left_out(task, given)
    asked = partial(load_restorer, preset_name, task, steps=steps, phi=phi, prior=prior, trusted=trusted)
    restorers = _restorers(asked, cases.names, prior_dir, phi)
    done, scores = Lines(lines), dict[str, list[dict[str, float]]]()
    rows, others = ["ours", *methods], {name: method.depends(task) for name, method in methods.items()}
    for i, name in enumerate(cases.names):
        case, (restorer, made_of) = cases[i], restorers(i)
        seen = [cases.protocol, name, digest_of(case), metrics]
        score = partial(_scores, case=case, cases=cases, metrics=metrics)
        for j, row in enumerate(rows):
            parts = ("input", "prior", "ours") if row == "ours" else (row,)
            settings = json.dumps([*seen, made_of if row == "ours" else others[row]])
            keys = {part: Lines.key(f"{part}/{settings}") for part in parts}
            if not done.known.keys() >= set(keys.values()):
                ours = row == "ours"
                new = (
                    _our_scores(restorer, case, cases, score)
                    if ours
                    else {row: _baseline_scores(methods[row], case, score)}
                )
                for part, values in new.items():
                    done.add(keys[part], part, name, values)
            for part, key in keys.items():
                scores.setdefault(part, []).append(done.known[key])
            progress(i * len(rows) + j + 1, len(cases) * len(rows))
    notes = {name: method.note for name, method in methods.items() if method.note}
    return Rows(list(cases.names), scores, missing, notes)


def means(rows: Rows) -> dict[str, Any]:
    """A table: ``{method: {metric: mean}}``.

    Under ``pictures`` stands how many there are; under ``missing`` the baselines that could not run, and under
    ``notes`` what has to be known of the others, if there is anything to say.
    """
    table: dict[str, Any] = {
        method: {k: float(np.mean([s[k] for s in scores])) for k in scores[0]} for method, scores in rows.scores.items()
    }
    table["pictures"] = len(rows.names)
    return table | {name: said for name, said in (("missing", rows.missing), ("notes", rows.notes)) if said}


def _our_scores(restorer: Restorer, case: Case, cases: Cases, score: _Score) -> dict[str, dict[str, float]]:
    began = time.perf_counter()
    result = restorer.restore(case.y, case.physics)
    more = {"seconds": time.perf_counter() - began, "mean_phi": result.mean_phi, "map_phi": float(result.phi.mean())}
    outside = [((band < 0) | (band > 1)).double().mean() for band in result.bands]
    more |= {"phi_outside": float(torch.stack(outside).mean()), "share": result.mean_share}
    more["mse"] = float((result.restored - case.truth).double().square().mean())
    if cases.error is not None:
        wrong = cases.error(result.restored.clamp(0, 1), case.truth)
        more["phi_error_r"] = sparsified(result.phi.mean(dim=1).flatten(), wrong.flatten()).rank_correlation
    parts = {"input": result.fidelity, "prior": result.prior, "ours": result.restored}
    scores = {part: score(image) for part, image in parts.items()}
    return scores | {"ours": scores["ours"] | more}


def _restorers(
    load: Callable[[], Restorer], names: Sequence[str], prior_dir: Path | None, phi: Path | None
) -> Callable[[int], tuple[Restorer, dict[str, Any]]]:
    """The restorer of each picture, one for all or one around each precomputed prior, and all it is made of."""
    if prior_dir is None:
        restorer = load()
        restorer.calibration = None  # no table has a bound, and seconds are of a restoration alone
        return lambda i: (restorer, restorer.provenance)
    if phi is None:
        raise SettingsError("priors computed elsewhere need a network that weighs them: pass --phi FILE")
    network, hashed = load_phi(phi), sha256(phi)
    found = {file.stem: file for file in list_pictures(prior_dir)}
    if not found.keys() >= set(names):
        raise SettingsError(f"{prior_dir} does not hold a prior of the same name for each picture")

    def around(i: int) -> tuple[Restorer, dict[str, Any]]:
        image = read_picture(found[names[i]]).image
        pixels = hashlib.sha256(image.numpy().tobytes()).hexdigest()
        return Restorer(PrecomputedPrior(image), network), {"prior": pixels, "phi": hashed}

    return around


def _baseline_scores(method: Baseline, case: Case, score: _Score) -> dict[str, float]:
    began = time.perf_counter()
    image = method.restore(case.y, case.physics, case.sigma if method.knows_sigma else None)
    seconds = time.perf_counter() - began
    return score(image) | {"seconds": seconds}


@torch.no_grad()
def _scores(image: Tensor, *, case: Case, cases: Cases, metrics: Sequence[str]) -> dict[str, float]:
    image = in_eight_bits(image) if cases.eight_bits else image
    rows, columns = (slice(cases.border, side - cases.border) for side in case.truth.shape[2:])
    seen, truth = image[..., rows, columns], case.truth[..., rows, columns]
    scores = {metric: float(METRICS[metric](seen, truth)) for metric in metrics}
    if cases.region is not None:
        name, where = cases.region
        scores |= {f"{name}_{k}": v for k, v in region_scores(image, case.truth, where(case)).items()}
    return scores

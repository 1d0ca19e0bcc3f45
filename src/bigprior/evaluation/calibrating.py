"""Calibrates presets on pictures that are known, and restores such pictures for whoever looks at bounds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random

from torch import Tensor

from bigprior.calibration import Calibration, Parts, calibrated
from bigprior.degradations import Degradation, task_of
from bigprior.degradations.simulation import learning_protocols, simulate
from bigprior.errors import SettingsError
from bigprior.io.folders import list_pictures
from bigprior.io.pictures import read_picture
from bigprior.presets.loading import load_restorer
from bigprior.presets.store import preset
from bigprior.progress import Progress
from bigprior.restoration import Restoration
from bigprior.restorer import Restorer

#: Of pictures that nothing else is said of, one in so many is for the fit.
_FIT = 3


@dataclass(frozen=True)
class Known:
    """A known picture that was measured and restored.

    Attributes:
        name: of its file.
        truth: (1, 3, H, W), RGB in [0, 1].
        restoration: of its measurement.
        parts: of that.
    """

    name: str
    truth: Tensor
    restoration: Restoration
    parts: Parts


def restored(restorer: Restorer, task: str, files: Sequence[Path], progress: Progress | None = None) -> Iterator[Known]:
    """Pictures, measured by the protocols that the task's networks learn from, in turns, and restored one by one.

    Args:
        restorer: of the task.
        task: a degradation's name.
        files: of the pictures.
        progress: called with (finished, total) pictures.
    """
    protocols = learning_protocols(task)
    for i, file in enumerate(files):
        truth = read_picture(file).image
        yield restored_as(restorer, truth, *simulate(protocols[i % len(protocols)], truth, [file.stem]), file.stem)
        if progress is not None:
            progress(i + 1, len(files))


def restored_as(restorer: Restorer, truth: Tensor, y: Tensor, physics: Degradation, name: str) -> Known:
    """One picture, restored from a measurement."""
    made = restorer.restore(y, physics)
    m = physics.measure(y)
    parts = Parts.made(m, made.restored, made.prior, made.phi, made.projection.codes)
    return Known(name, truth, made, parts)


def calibrate(
    name: str,
    task: str,
    data: Sequence[Path],
    index: tuple[int, int] | None = None,
    *,
    fit_index: tuple[int, int] | None = None,
    alpha: float = 0.1,
    delta: float = 0.1,
    progress: Progress,
) -> Calibration:
    """Calibrate a preset for a task.

    Args:
        name: of the preset.
        task: a degradation's name, or its verb.
        data: folders of pictures that no network of the preset has learned from, such as those that it will be used
            on; what is promised holds for each folder, so every one needs enough pictures.
        index: first and last of each folder; all by default.
        fit_index: of the pictures that half-widths are fitted on, which may be such as networks have learned from; by
            default a third of those of ``index``.
        alpha, delta: at most ``alpha`` of the values lie outside, with a probability of ``1 - delta``.
        progress: called with (finished, total) pictures.

    Raises:
        ImageError: no such folders or pictures.
        SettingsError: an index beyond a folder, pictures in both of them, or too few pictures for these levels.
        UnknownNameError: no such preset or task.
    """
    task = task_of(task).name
    groups = [list_pictures(folder, index) for folder in data]
    for group in groups:
        Random(0).shuffle(group)  # the order of certified losses must say nothing of them
    if fit_index is None:
        fit = [file for group in groups for file in group[: len(group) // _FIT]]
        groups = [group[len(group) // _FIT :] for group in groups]
    else:
        fit = [file for folder in data for file in list_pictures(folder, fit_index)]
    if both := sorted({*fit}.intersection(*groups)):
        raise SettingsError(f"{both[0]} would be fitted on and certify too: pass indices that share no picture")
    restorer = load_restorer(name, task)
    restorer.calibration = None
    ends = list(accumulate(map(len, (fit, *groups))))
    weights, settings = (json.loads(json.dumps(restorer.provenance[key])) for key in ("weights", "settings"))
    seen, *held = (
        ((known.parts, known.truth) for known in restored(restorer, task, files, _after(progress, before, ends[-1])))
        for before, files in zip((0, *ends), (fit, *groups), strict=False)
    )
    return calibrated(
        seen,
        held,
        alpha=alpha,
        delta=delta,
        preset=preset(name).name,
        task=task,
        weights=weights,
        settings=settings,
        data=", ".join(f"{folder.name} {_said(index)}" for folder in data),
    )


def _after(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, _: progress(before + done, total)


def _said(index: tuple[int, int] | None) -> str:
    return "all" if index is None else f"{index[0]}-{index[1]}"

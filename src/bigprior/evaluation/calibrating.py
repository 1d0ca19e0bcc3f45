"""Calibrates presets on pictures that are known, and restores such pictures for whoever looks at bounds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from torch import Tensor

from bigprior.calibration import Calibration, Parts, calibrated
from bigprior.chain import follow_known, made_as, parts_of
from bigprior.degradations import Degradation, task_of
from bigprior.degradations.simulation import simulate, usual_protocols
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
        physics: how it was measured.
        protocol: the name of that; empty if it has none.
    """

    name: str
    truth: Tensor
    restoration: Restoration
    parts: Parts
    physics: Degradation
    protocol: str = ""


def restored(
    restorer: Restorer,
    task: str,
    files: Sequence[Path],
    progress: Progress | None = None,
    *,
    side: int | None = None,
) -> Iterator[Known]:
    """Pictures, measured by the protocols that the task is calibrated by, in turns, and restored one by one.

    Args:
        restorer: of the task.
        task: a degradation's name.
        files: of the pictures.
        progress: called with (finished, total) pictures.
        side: of the middle of each picture, in pixels, if that alone is looked at.
    """
    yield from restored_by([restorer], [task], files, progress, side=side)


def restored_by(
    restorers: Sequence[Restorer],
    tasks: Sequence[str],
    files: Sequence[Path],
    progress: Progress | None = None,
    *,
    side: int | None = None,
) -> Iterator[Known]:
    """The same by several restorers, one after another; before the last task's protocols the others' first ones."""
    protocols, first = usual_protocols(tasks[-1]), [usual_protocols(task)[0] for task in tasks[:-1]]
    for i, file in enumerate(files):
        truth, protocol = middle(read_picture(file).image, side), protocols[i % len(protocols)]
        if first:
            known = _chained(restorers, truth, [*first, protocol], file.stem)
        else:
            known = restored_as(restorers[0], truth, *simulate(protocol, truth, [file.stem]), file.stem)
        yield replace(known, protocol=protocol)
        if progress is not None:
            progress(i + 1, len(files))


def _chained(restorers: Sequence[Restorer], truth: Tensor, protocols: Sequence[str], name: str) -> Known:
    """One picture, measured by one protocol after another, and restored in their order: what came first as well."""
    y, degradations = truth, list[Degradation]()
    for protocol in protocols:
        y, physics = simulate(protocol, y, [name])
        degradations.append(physics)
    chain = follow_known(y.expand(-1, 3, -1, -1).contiguous(), degradations, restorers)
    return Known(name, truth, chain.total, parts_of(chain), degradations[-1])


def restored_as(restorer: Restorer, truth: Tensor, y: Tensor, physics: Degradation, name: str) -> Known:
    """One picture, restored from a measurement, which may have lost what is over at the right and below."""
    made = restorer.restore(y, physics)
    m = physics.measure(y)
    parts = Parts.made(m, made.restored, made.prior, made.phi, made.projection.codes)
    return Known(name, truth[..., : m.size[0], : m.size[1]], made, parts, physics)


def middle(x: Tensor, side: int | None) -> Tensor:
    """The middle of a picture (1, 3, H, W), or all of it."""
    if side is None:
        return x
    top, left = (max(0, (whole - side) // 2) for whole in x.shape[2:])
    return x[..., top : top + side, left : left + side].contiguous()


def calibrate(
    name: str,
    task: str,
    data: Sequence[Path],
    index: tuple[int, int] | None = None,
    *,
    fit_index: tuple[int, int] | None = None,
    alpha: float = 0.1,
    delta: float = 0.1,
    side: int | None = None,
    progress: Progress,
) -> Calibration:
    """Calibrate a preset for a task.

    Args:
        name: of the preset.
        task: a degradation's name, or its verb; several with ``+`` for restorations one after another.
        data: folders of pictures that no network of the preset has learned from, such as those that it will be used
            on; what is promised holds for each folder, and for each protocol by which the task's pictures are measured
            in turns, so every one needs enough pictures.
        index: first and last of each folder; all by default.
        fit_index: of the pictures that half-widths are fitted on, which may be such as networks have learned from; by
            default a third of those of ``index``.
        alpha, delta: at most ``alpha`` of the values lie outside, with a probability of ``1 - delta``.
        side: of the middle of each picture, in pixels, if that alone is to be looked at; all of it by default.
        progress: called with (finished, total) pictures.

    Raises:
        ImageError: no such folders or pictures.
        SettingsError: an index beyond a folder, pictures in both of them, too few pictures for these levels, or a task
            that no protocol measures.
        UnknownNameError: no such preset or task.
    """
    tasks = tasks_of(task)
    fit, held = _chosen(data, index, fit_index)
    restorers = [_unbounded(name, one) for one in tasks]
    made_by = made_as(restorers, tasks) if len(tasks) > 1 else restorers[0].provenance
    total, scopes = len(fit) + len(held), list[Mapping[str, float | str]]()

    def known(files: Sequence[Path], before: int) -> Iterator[Known]:
        return restored_by(restorers, tasks, files, lambda done, _: progress(before + done, total), side=side)

    def certifying() -> Iterator[tuple[Parts, Tensor, tuple[str, str]]]:
        for (_, folder), one in zip(held, known([file for file, _ in held], len(fit)), strict=True):
            scopes.append(one.physics.scope())
            yield one.parts, one.truth, (f"folder {folder}", f"protocol {one.protocol}")

    made = calibrated(
        ((one.parts, one.truth) for one in known(fit, 0)),
        certifying(),
        alpha=alpha,
        delta=delta,
        preset=preset(name).name,
        task="+".join(tasks),
        **{key: json.loads(json.dumps(made_by[key])) for key in ("weights", "settings")},
        data=", ".join(f"{folder.name} {_said(index)}" for folder in data) + _cut(side),
        protocols=[*(usual_protocols(one)[0] for one in tasks[:-1]), *usual_protocols(tasks[-1])],
    )
    return made.model_copy(update={"scope": _ends(scopes)})


def _unbounded(name: str, task: str) -> Restorer:
    """A preset's restorer without its calibration."""
    restorer = load_restorer(name, task)
    restorer.calibration = None
    return restorer


def tasks_of(text: str) -> list[str]:
    """The degradations' names that a person means: one, or several with ``+``.

    Raises:
        SettingsError: no protocol measures one.
        UnknownNameError: no such task.
    """
    tasks = [task_of(part).name for part in text.split("+")]
    for task in tasks:
        if not usual_protocols(task):
            raise SettingsError(f"nothing calibrates {task}: no protocol says how known pictures are measured")
    return tasks


def _chosen(
    data: Sequence[Path], index: tuple[int, int] | None, fit_index: tuple[int, int] | None
) -> tuple[list[Path], list[tuple[Path, str]]]:
    """The pictures to fit on, and those that certify, each with its folder, in an order that says nothing of them."""
    groups = [list_pictures(folder, index) for folder in data]
    for group in groups:
        Random(0).shuffle(group)
    if fit_index is None:
        fit = [file for group in groups for file in group[: len(group) // _FIT]]
        groups = [group[len(group) // _FIT :] for group in groups]
    else:
        fit = [file for folder in data for file in list_pictures(folder, fit_index)]
    held = [(file, str(folder)) for folder, group in zip(data, groups, strict=True) for file in group]
    if both := sorted({*fit}.intersection(file for file, _ in held)):
        raise SettingsError(f"{both[0]} would be fitted on and certify too: pass indices that share no picture")
    Random(0).shuffle(held)
    return fit, held


def _ends(scopes: Sequence[Mapping[str, float | str]]) -> dict[str, list[Any]]:
    """The least and the most of each number, and all words."""
    found: dict[str, list[Any]] = {}
    for name in scopes[0] if scopes else ():
        values: list[Any] = sorted({scope[name] for scope in scopes})  # of one kind each
        found[name] = values if isinstance(values[0], str) else [values[0], values[-1]]
    return found


def _cut(side: int | None) -> str:
    return "" if side is None else f", {side}x{side} pixels of each"


def _said(index: tuple[int, int] | None) -> str:
    return "all" if index is None else f"{index[0]}-{index[1]}"

"""A training run's folder: settings, resumable state, a log, and progress on the terminal."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from torch import Tensor

from bigprior.errors import SettingsError
from bigprior.io.atomic import append_line, replacing, write_text
from bigprior.progress import Progress
from bigprior.training.plan import Moment, Plan

#: Seconds between two saves of the state: the most that a kill can lose.
SAVE_EVERY_S = 120.0
#: Where the state keeps the length of the log, in bytes.
_LOGGED = "logged"


class Run:
    """One run's folder.

    Args:
        folder: where ``settings.json``, ``sources.json``, ``state.pt`` and ``log.jsonl`` live; made by the first step.
        settings: saved beside the state. A folder that holds other settings is refused.
        sources: what is learned from, by name: pictures, networks, the task. The same.
        quiet: no progress bar.
        rank: of this process among those that share the run, of which the first writes.

    Raises:
        SettingsError: the folder belongs to a run with other settings or sources.
    """

    def __init__(
        self,
        folder: Path | str,
        settings: BaseModel,
        sources: Mapping[str, str] | None = None,
        *,
        quiet: bool = False,
        rank: int = 0,
    ) -> None:
        self.folder, self.settings, self.quiet, self.writes = Path(folder), settings, quiet or rank > 0, rank == 0
        self._made_of = {"settings": settings.model_dump(mode="json"), "sources": dict(sources or {})}
        for name, values in self._made_of.items():
            path = self.folder / f"{name}.json"
            if path.exists() and (other := _difference(path, values)):
                raise SettingsError(f"{path} holds other {name} ({other}): choose another folder, or delete it")
        self._begun, self._saved_at = False, time.monotonic()

    def _begin(self) -> None:
        """Make the folder this run's own, once something is to be kept: a start that failed leaves nothing behind."""
        if self.writes and not self._begun:
            for name, values in self._made_of.items():
                write_text(self.folder / f"{name}.json", json.dumps(values, indent=2) + "\n")
        self._begun = True

    def resume(self) -> dict[str, Any] | None:
        """The last saved state, or None for a new run; of the log, what was written after that save is taken back."""
        path = self.folder / "state.pt"
        if not path.exists():
            return None
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        logged = state.pop(_LOGGED, None)
        if self.writes and logged is not None and self._logged() > logged:
            os.truncate(self._log, logged)  # those steps are taken again, and so are their lines
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Save ``state`` (tensors, numbers, lists and dicts of them), atomically."""
        self._saved_at = time.monotonic()
        if not self.writes:
            return
        self._begin()
        with replacing(self.folder / "state.pt") as temporary:
            torch.save(_on_processor(state) | {_LOGGED: self._logged()}, temporary)

    @property
    def _log(self) -> Path:
        return self.folder / "log.jsonl"

    def _logged(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0

    @property
    def due(self) -> bool:
        """Whether the last save is :data:`SAVE_EVERY_S` old."""
        return time.monotonic() - self._saved_at > SAVE_EVERY_S

    def log(self, **values: float | int | str) -> None:
        """Append one JSON line to ``log.jsonl``."""
        self._begin()
        append_line(self._log, json.dumps(values))

    @contextmanager
    def preparing(self) -> Iterator[Progress]:
        """Show how far what comes before the first step is; yields what is told."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bar(*columns, console=Console(stderr=True), transient=True, disable=self.quiet) as bar:
            task = bar.add_task(f"{self.folder.name}: preparing", total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    def moments(self, plan: Plan, state: Callable[[], dict[str, Any]]) -> Iterator[Moment]:
        """Count to the end of the plan, show images a second and the time left, and save when due.

        ``state`` is called between two steps, where processes meet; it holds the plan's.
        """
        units = "images" if plan.steps is not None else "seconds"
        columns = [
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(units + ", {task.fields[rate]:.1f} images/s"),
            TimeRemainingColumn(),
        ]

        def done() -> int:
            return plan.step * plan.batch if plan.steps is not None else round(plan.seconds)

        total = plan.steps * plan.batch if plan.steps is not None else round(plan.planned_s)
        with Bar(*columns, console=Console(stderr=True), disable=self.quiet) as bar:
            task = bar.add_task(self.folder.name, total=total, completed=done(), rate=0.0)
            first, began = plan.step, time.monotonic()
            plan.begin()
            while not plan.finished:
                yield plan.moment()
                plan.advance()
                self._begin()
                rate = (plan.step - first) * plan.batch / (time.monotonic() - began)
                bar.update(task, completed=done(), rate=rate)
                if self.due and plan.step % plan.every == 0:
                    self.save(state())


def _on_processor(state: Any) -> Any:
    """A nested state whose tensors can be read on any machine."""
    if isinstance(state, dict):
        return {name: _on_processor(value) for name, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(_on_processor(value) for value in state)
    return state.cpu() if isinstance(state, Tensor) else state


def _difference(path: Path, values: Mapping[str, Any]) -> str:
    """What ``path`` says of the first of ``values`` that it has otherwise; nothing if it has them all."""
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "not to be read"
    names = sorted(set(old) | set(values), key=lambda name: (name not in values, name))
    return next((f"{n}: {old.get(n)}, not {values.get(n)}" for n in names if old.get(n) != values.get(n)), "")

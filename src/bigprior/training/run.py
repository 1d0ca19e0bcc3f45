"""A training run's folder: settings, resumable state, a log, and progress on the terminal.

A run draws all its randomness for step ``s`` from :func:`step_rng`, so that a run that was killed and resumed ends
exactly like one that was not.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torchvision.utils import save_image

from bigprior.errors import SettingsError
from bigprior.io.atomic import append_line, replacing, write_text
from bigprior.io.weights import save_weights
from bigprior.training.workers import started

#: Seconds between two saves of the state: the most that a kill can lose.
SAVE_EVERY_S = 120.0
#: Where the state keeps the length of the log, in bytes.
_LOGGED = "logged"


def step_rng(seed: int, step: int) -> torch.Generator:
    """The random numbers of one step of a run: a function of the seed and the step alone."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) & (2**63 - 1))


def step_size(step: int, steps: int, rise: int = 50) -> float:
    """The size of a step as a share of its peak: it rises over the first few, and falls along a half cosine."""
    return (0.5 + 0.5 * math.cos(math.pi * step / steps)) * min(1.0, (step + 1) / rise)


def state_of(trainer: object, *names: str) -> dict[str, Any]:
    """What to save of a trainer: its attributes by name, networks and optimisers as their state dicts."""
    values = {name: getattr(trainer, name) for name in names}
    return {name: v.state_dict() if hasattr(v, "state_dict") else v for name, v in values.items()}


def load_state(trainer: object, state: Mapping[str, Any]) -> None:
    """Put back what :func:`state_of` took."""
    for name, value in state.items():
        owner = getattr(trainer, name)
        if hasattr(owner, "load_state_dict"):
            owner.load_state_dict(value)
        else:
            setattr(trainer, name, value)


def random_crop(parts: Sequence[Tensor], side: int, rng: torch.Generator) -> list[Tensor]:
    """The same square of every picture (C, H, W) of one size, at most ``side`` wide, in half of the cases mirrored."""
    height, width = parts[0].shape[1:]
    ch, cw = min(side, height), min(side, width)
    top = int(torch.randint(height - ch + 1, (), generator=rng))
    left = int(torch.randint(width - cw + 1, (), generator=rng))
    mirrored = [2] if bool(torch.randint(2, (), generator=rng)) else []
    return [part[:, top : top + ch, left : left + cw].flip(mirrored) for part in parts]


class Best:
    """The weights of a network that scored lowest so far; saved and put back with a run's state."""

    def __init__(self, network: nn.Module) -> None:
        self.score, self.tensors = float("inf"), _copied(network)

    def keep(self, score: float, network: nn.Module) -> None:
        """Take the network's weights if ``score`` is lower than every one before."""
        if score < self.score:
            self.score, self.tensors = score, _copied(network)

    def state_dict(self) -> dict[str, Any]:
        """The score and the weights."""
        return {"score": self.score, "tensors": self.tensors}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` gave."""
        self.score, self.tensors = state["score"], state["tensors"]


class Run:
    """One run's folder.

    Args:
        folder: where ``settings.json``, ``sources.json``, ``state.pt`` and ``log.jsonl`` live; made by the first step.
        settings: saved beside the state. A folder that holds other settings is refused.
        sources: what is learned from, by name: pictures, networks, the task. The same.
        quiet: no progress bar.
        rank: of this process among those that share the run, of which the first writes; None where none can.

    Raises:
        SettingsError: the folder belongs to a run with other settings or sources, or several processes were started
            for a run that they cannot share.
    """

    def __init__(
        self,
        folder: Path | str,
        settings: BaseModel,
        sources: Mapping[str, str] | None = None,
        *,
        quiet: bool = False,
        rank: int | None = None,
    ) -> None:
        if rank is None and started() > 1:
            raise SettingsError(f"{started()} processes cannot share this training: start it without torchrun")
        self.folder, self.settings, self.quiet, self.writes = Path(folder), settings, quiet or bool(rank), not rank
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
        state: dict[str, Any] = torch.load(path, weights_only=True)
        logged = state.pop(_LOGGED, None)
        if self.writes and logged is not None and self._logged() > logged:
            os.truncate(self._log, logged)  # those steps are taken again, and so are their lines
        return state

    def restore(self, trainer: object) -> bool:
        """Put the last saved state back into ``trainer``; whether there was one."""
        saved = self.resume()
        if saved is not None:
            load_state(trainer, saved)
        return saved is not None

    def save(self, state: dict[str, Any]) -> None:
        """Save ``state`` (tensors, numbers, lists and dicts of them), atomically."""
        self._saved_at = time.monotonic()
        if not self.writes:
            return
        self._begin()
        with replacing(self.folder / "state.pt") as temporary:
            torch.save(state | {_LOGGED: self._logged()}, temporary)

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

    def steps(
        self, start: int, stop: int, batch: int, state: Callable[[], dict[str, Any]], every: int = 1
    ) -> Iterator[int]:
        """Count from ``start`` to ``stop``, show images a second and the time left, and save when due and at the end.

        ``state`` is called between two steps, when the number of finished ones is a multiple of ``every``, and at the
        end; it must hold ``step``, that number.
        """
        columns = [
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("images, {task.fields[rate]:.1f}/s"),
            TimeRemainingColumn(),
        ]
        with Progress(*columns, console=Console(stderr=True), disable=self.quiet) as progress:
            task = progress.add_task(self.folder.name, total=stop * batch, completed=start * batch, rate=0.0)
            began = time.monotonic()
            for step in range(start, stop):
                yield step
                self._begin()
                rate = (step + 1 - start) * batch / (time.monotonic() - began)
                progress.update(task, completed=(step + 1) * batch, rate=rate)
                if self.due and (step + 1) % every == 0:
                    self.save(state())
        self.save(state())


class Trainer(Protocol):
    """What :func:`train_network` asks of a trainer; ``settings`` hold ``batch`` and ``snapshot_kimg``."""

    settings: Any
    step: int

    @property
    def network(self) -> nn.Module:
        """What is trained."""

    @property
    def steps(self) -> int:
        """How many there are in all."""

    def train_step(self) -> float:
        """Take one; its loss."""

    def sample_grid(self) -> Tensor:
        """A picture (3, H, W) of what the network does, in [0, 1]."""

    def state(self) -> dict[str, Any]:
        """What to save."""


def train_network(run: Run, trainer: Trainer, weights: Path, header: Mapping[str, Any]) -> Path:
    """Take all steps that are left; every so often log the mean loss, and write sample pictures and ``weights``.

    Args:
        run: whose state was restored.
        trainer: what is trained.
        weights: the file to export to.
        header: written into it.
    """
    s, losses = trainer.settings, list[float]()
    snapshot = max(1, round(s.snapshot_kimg * 1000 / s.batch))
    for step in run.steps(trainer.step, trainer.steps, s.batch, trainer.state):
        losses.append(trainer.train_step())
        if (step + 1) % snapshot == 0 or step + 1 == trainer.steps:
            run.log(images=trainer.step * s.batch, loss=round(sum(losses) / len(losses), 5))
            losses.clear()
            with replacing(run.folder / "samples.png") as temporary:
                save_image(trainer.sample_grid(), temporary)
            save_weights(weights, trainer.network.state_dict(), header)
    return weights


def named(files: Sequence[Path | str]) -> str:
    """The pictures that a run learns from, as its folder remembers them: how many, and the first and last name."""
    return f"{len(files)} pictures, {Path(files[0]).name} to {Path(files[-1]).name}"


def _difference(path: Path, values: Mapping[str, Any]) -> str:
    """What ``path`` says of the first of ``values`` that it has otherwise; nothing if it has them all."""
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "not to be read"
    names = sorted(set(old) | set(values), key=lambda name: (name not in values, name))
    return next((f"{n}: {old.get(n)}, not {values.get(n)}" for n in names if old.get(n) != values.get(n)), "")


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in network.state_dict().items()}

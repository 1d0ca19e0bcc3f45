"""What a stranger asks for, read from JSON: numbers, truths and names of ours. Never the name of a file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from bigprior import DEFAULT_PRESET, DEFAULT_TASK
from bigprior.errors import SettingsError, UnknownNameError
from bigprior.jobs import Job
from bigprior.report.output import PARTS, Output
from bigprior.settings import Settings

if TYPE_CHECKING:
    from bigprior.degradations import Degradation

#: What a text among a degradation's settings may be: a word, which no file that matters is called, or numbers.
_WORD = re.compile(r"[a-z][a-z0-9-]{0,39}|-?\d{1,6}(\.\d{1,6})?(,-?\d{1,6}(\.\d{1,6})?){0,3}")
#: The task that is to be found.
FIND = "auto"
#: Pictures that every task takes beside the photo.
OF_EVERY_TASK = ("keep", "paint")


class Asked(Settings):
    """How a photo is to be restored.

    Attributes:
        task: a degradation's name or verb, or ``auto``: by the pictures that came with it, or by its colours.
        seed, samples, max_share, page: as for :class:`bigprior.jobs.Job`.
        preset, prior, strength, rho, grain, frame: as for :func:`bigprior.load_restorer`, by name alone.
        only, format, layers, layers_as: as for :class:`bigprior.report.output.Output`.
        of_task: the degradation's own settings.
    """

    task: str = FIND
    seed: int = 0
    samples: int = Field(1, ge=1, le=8)
    max_share: float | None = None
    page: int | None = None
    preset: str = DEFAULT_PRESET
    prior: str | None = None
    strength: float = 1.0
    rho: float | None = None
    grain: str | None = None
    frame: str | None = None
    only: tuple[str, ...] = PARTS
    format: str | None = None
    layers: str = "none"
    layers_as: str = "tiff"
    of_task: dict[str, bool | int | float | str | None] = Field(default_factory=dict)

    @classmethod
    def of(cls, task: str, text: str) -> Self:
        """A task, and settings as a JSON object; those that are nobody else's are the degradation's.

        Raises:
            SettingsError: no JSON object, or a value of another kind or out of range.
        """
        try:
            given = json.loads(text or "{}")
        except ValueError as error:
            raise SettingsError(f"settings are no JSON ({error}): expected an object such as {{}}") from None
        if not isinstance(given, dict):
            raise SettingsError("settings are no JSON object: expected one such as {}")
        own = {name: value for name, value in given.items() if name in cls.model_fields and name != "of_task"}
        return cls(**{"task": task} | own, of_task={k: v for k, v in given.items() if k not in own})

    def check(self) -> None:
        """That names are of what is here, so that none is taken for a file.

        Raises:
            UnknownNameError: no such prior or preset.
        """
        from bigprior.presets.store import preset_names
        from bigprior.priors.named import PRIORS

        if self.prior is not None and self.prior not in PRIORS:
            raise UnknownNameError("prior", self.prior, list(PRIORS))
        if self.preset not in preset_names():
            raise UnknownNameError("preset", self.preset, preset_names())

    def job(self, folder: Path, files: Mapping[str, Path]) -> Job:
        """The job, in a folder of its own.

        Args:
            folder: where the results go.
            files: the photo, and other pictures, each under the name of the setting that it is.

        Raises:
            BigpriorError: a picture that the task does not take, or a setting that could be a file.
        """
        self.check()
        task = self._task(files)
        beside = {name: path for name, path in files.items() if name not in ("photo", *OF_EVERY_TASK)}
        for name in beside.keys() - {*task.pictures, *task.files}:
            raise SettingsError(f"{name} says nothing to {task.name}: leave it out, or choose another task")
        for name, value in self.of_task.items():
            if name in task.pictures or value not in task.files.get(name, (value,)):
                words = ", or one of " + ", ".join(task.files[name]) if task.files.get(name) else ""
                said = f"send it as a file of that name, not among the settings{words}"
                raise SettingsError(f"{name} is {'a picture' if name in task.pictures else 'a file'}: {said}")
            if isinstance(value, str) and not _WORD.fullmatch(value):
                raise SettingsError(f"{name} is {value!r}: expected a number, numbers, true, false or a word")
        output = Output(self.only, self.format, self.layers, self.layers_as)
        asked: dict[str, Any] = {"seed": self.seed, "samples": self.samples, "max_share": self.max_share}
        asked |= {"page": self.page, "output": output, **{name: files.get(name) for name in OF_EVERY_TASK}}
        asked["apart"] = tuple(task.files)
        return Job(files["photo"], task.name, self.of_task | beside, folder, **asked)

    def _task(self, files: Mapping[str, Path]) -> type[Degradation]:
        """The degradation that was asked for, or that the pictures speak for."""
        from bigprior.degradations import DEGRADATIONS, OPERATORS, task_of
        from bigprior.io.pictures import read_picture
        from bigprior.ops.colour import has_colours

        if self.task != FIND:
            return task_of(self.task)
        beside = set(files) - {"photo", *OF_EVERY_TASK} | set(self.of_task)
        for known in (*DEGRADATIONS.values(), *OPERATORS.values()):
            if beside & {*known.pictures, *(name for name, words in known.files.items() if not words)}:
                return known
        if not has_colours(read_picture(files["photo"], self.page).image):
            return next((known for known in DEGRADATIONS.values() if known.colours), task_of(DEFAULT_TASK))
        return task_of(DEFAULT_TASK)

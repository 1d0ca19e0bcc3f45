"""Calibrations of presets: ``calibration-TASK.json`` beside a preset's weights, or anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bigprior.calibration import Calibration
from bigprior.errors import OutputError, SettingsError, WeightsError
from bigprior.io.atomic import write_text
from bigprior.presets.store import folder_of


def calibration_path(name: str, task: str, into: Path | None = None) -> Path:
    """Where a preset's calibration for a task lies, or would lie.

    Args:
        name, task: the preset, and the degradation's name.
        into: another folder than the preset's own.

    Raises:
        UnknownNameError: no such preset.
    """
    return (into or folder_of(name)) / calibration_name(task)


def calibration_name(task: str) -> str:
    """The name of a calibration's file for a task, in its preset's folder."""
    return f"calibration-{task}.json"


def read_calibration(path: Path) -> Calibration:
    """The calibration in a file.

    Raises:
        SettingsError: there is none.
    """
    try:
        return Calibration.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SettingsError) as error:
        raise SettingsError(f"{path} is no calibration ({str(error).splitlines()[0]})") from error


def check_vacant(path: Path, *, overwrite: bool = False) -> None:
    """That a calibration can be written there, and nothing else is lost.

    Raises:
        OutputError: it cannot.
    """
    if not path.exists():
        return
    if not overwrite:
        raise OutputError(f"{path} is there already: pass --overwrite to replace it")
    try:
        read_calibration(path)
    except SettingsError as error:
        raise OutputError(f"{path} is there and is no calibration: pass another folder") from error


def write_calibration(calibration: Calibration, path: Path, *, overwrite: bool = False) -> None:
    """Write a calibration.

    Raises:
        OutputError: as :func:`check_vacant`.
    """
    check_vacant(path, overwrite=overwrite)
    write_text(path, calibration.model_dump_json(indent=1) + "\n")


def calibration_for(made: Mapping[str, Any], path: Path | str | None = None) -> tuple[Calibration | None, str | None]:
    """The calibration of restorations that are made in a way, or why there is none.

    Args:
        made: what their record says, with ``preset`` and ``task``.
        path: of a file, in place of the preset's own, which then has to fit.

    Raises:
        SettingsError: the file is no calibration.
        WeightsError: it is of another preset, task, weights or settings.
    """
    name, task = made.get("preset"), str(made["task"])
    if path is not None:
        given = read_calibration(Path(path))
        if (why := given.misfit(made)) is not None:
            raise WeightsError(f"{path} does not fit: {why}; {_mend(name, task)}")
        return given, None
    if name is None:
        return None, "no bound: this prior is no preset, and was not calibrated"
    own = calibration_path(name, task)
    if not own.is_file():
        return None, f"no bound: {name} was not calibrated for {task}; {_mend(name, task)}"
    if (why := (found := read_calibration(own)).misfit(made)) is not None:
        return None, f"no bound: {own.name} of {name} does not fit, {why}; {_mend(name, task)}"
    return found, None


def _mend(name: Any, task: str) -> str:
    preset = "PRESET" if name is None else name
    return f"`bigprior calibrate --preset {preset} --task {task} --data DIR` makes one"

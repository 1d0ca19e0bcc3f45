"""What a photograph suffered, one thing after another: a TOML file with a step for each.

::

    [[step]]
    task = "denoise"
    settings = { sigma = 12 }

    [[step]]
    task = "inpaint"
    settings = { mask = { file = "scratches.png" } }
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeFloat

from bigprior import DEFAULT_PRESET
from bigprior.errors import SettingsError
from bigprior.settings import Settings


class Step(Settings):
    """One restoration.

    Attributes:
        task: what is wrong: a degradation's name, or its verb.
        settings: of the degradation, as on the command line: a noise level on the scale of 0..255; a file as
            ``{ file = "mask.png" }``, beside the recipe.
        preset: whose prior restores.
        prior: in its place: a prior by name, or a model's file.
        rho, frame, strength, grain: as for :func:`bigprior.load_restorer`.
    """

    task: str
    settings: dict[str, Any] = Field(default_factory=dict)
    preset: str = DEFAULT_PRESET
    prior: str | None = None
    rho: NonNegativeFloat | None = None
    frame: str | None = None
    strength: NonNegativeFloat = 1.0
    grain: str | None = None


class Recipe(Settings):
    """Restorations, in the order in which they are made.

    Attributes:
        step: each of them.
    """

    step: tuple[Step, ...] = Field(min_length=1)


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file.

    Raises:
        SettingsError: no such file, not TOML, or no recipe; the message names the step.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the recipe {path} ({error.strerror}): check its name") from error
    except ValueError as error:
        raise SettingsError(f"{path} is no recipe ({error}): expected TOML with a [[step]] for each thing") from error
    steps, others = values.pop("step", None), sorted(values)
    if others or not isinstance(steps, list) or not steps:
        came = f"it says {', '.join(others)}" if others else "it has none"
        raise SettingsError(f"{path} is no recipe: expected [[step]] tables, each with a task, but {came}")
    made = []
    for i, step in enumerate(steps, start=1):
        try:
            made.append(Step(**{**step, "settings": _with_files(step.get("settings", {}), path.parent)}))
        except (SettingsError, TypeError, AttributeError) as error:
            raise SettingsError(f"{path}, step {i}: {error}") from None
    return Recipe(step=tuple(made))


def _with_files(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Settings whose ``{ file = NAME }`` are paths, in the recipe's folder."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            if set(value) != {"file"} or not isinstance(value["file"], str):
                raise SettingsError(f'settings.{name} is {value}: expected a value, or {{ file = "NAME" }}')
            value = folder / value["file"]
        found[name] = value
    return found

"""Settings files: a TOML file a training, ours by name among them, and what is changed of it on the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from bigprior.errors import BigpriorError, SettingsError, UnknownNameError
from bigprior.training.settings import TrainingSettings

_FOLDER = "recipes"


def recipe_names() -> list[str]:
    """The settings files that are in the package: the recipes of the weights that are."""
    found = files("bigprior.training").joinpath(_FOLDER).iterdir()
    return sorted(file.name.removesuffix(".toml") for file in found if file.name.endswith(".toml"))


def read_recipe(
    kind: str,
    settings: type[TrainingSettings],
    source: str | None = None,
    changes: Iterable[str] = (),
    **given: Any,
) -> TrainingSettings:
    """The settings of a training.

    Args:
        kind: its name; a file may say for which it is.
        settings: what is read into; what is not said is as this class has it.
        source: a TOML file, or the name of one that is in the package.
        changes: ``KEY=VALUE`` each, which take the place of the file's; a key may name a table's entry by a dot, and a
            value is TOML, or text.
        given: others, which take the place of both; None is none.

    Raises:
        SettingsError: no such file, not TOML, for another kind, an unknown key, or a value out of its range.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    if source is not None:
        values = _read(source)
        if (other := values.pop("kind", kind)) != kind:
            raise SettingsError(f"{source} is for `bigprior train {other}`, not {kind}")
        origins = dict.fromkeys(values, source)
    for change in changes:
        key, value = change_of(change)
        put(values, key, value)
        origins[key[0]] = f"--set {change}"
    said = {name: value for name, value in given.items() if value is not None}
    values, origins = values | said, origins | {name: f"--{name}" for name in said}
    for name in values:
        if name not in settings.model_fields:
            raise SettingsError(f"{origins[name]}: {_unknown(name, kind, settings)}")
    try:
        return settings(**values)
    except SettingsError as error:
        origin = origins.get(str(error).partition(" ")[0].partition(".")[0])
        raise SettingsError(f"{origin}: {error}" if origin else f"{error}") from None


def _read(source: str) -> dict[str, Any]:
    try:
        if source in recipe_names():
            text = files("bigprior.training").joinpath(_FOLDER, f"{source}.toml").read_text(encoding="utf-8")
        elif Path(source).is_file():
            text = Path(source).read_text(encoding="utf-8")
        else:
            raise UnknownNameError("settings file", source, recipe_names())
        return tomllib.loads(text)
    except BigpriorError:
        raise
    except OSError as error:
        raise SettingsError(f"cannot read {source}: {error.strerror or error}") from error
    except ValueError as error:  # not TOML, or not even text
        raise SettingsError(f"{source} is not a TOML file ({error})") from error


def change_of(change: str) -> tuple[list[str], Any]:
    """The parts of the key, and the value, of a ``KEY=VALUE``; the value is TOML, or text.

    Raises:
        SettingsError: it is none.
    """
    key, sign, text = change.partition("=")
    names = key.strip().split(".")
    if not sign or not all(names):
        raise SettingsError(f"--set is {change!r}: expected KEY=VALUE, such as lr=1e-4")
    try:
        return names, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return names, text.strip()


def put(values: dict[str, Any], key: list[str], value: Any) -> None:
    """Set an entry of tables in tables, which are made where there is none.

    Raises:
        SettingsError: something in the way is no table.
    """
    *tables, last = key
    for table in tables:
        inner = values.get(table, {})
        if not isinstance(inner, dict):
            raise SettingsError(f"--set {'.'.join(key)}: {table} is {inner!r}, which has no entries")
        values[table] = dict(inner)
        values = values[table]
    values[last] = value


def _unknown(name: str, kind: str, settings: type[TrainingSettings]) -> str:
    known = list(settings.model_fields)
    close = get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"the known ones are {', '.join(sorted(known))}"
    return f"a {kind} has no setting {name!r}: {hint}"

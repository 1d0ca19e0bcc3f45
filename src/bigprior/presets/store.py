"""Where presets lie: folders with ``preset.json`` and the weights that it names.

Some are embedded, in the package or in ``bigprior-weights``; :mod:`bigprior.presets.importing` makes others, in the
user's own folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from bigprior.errors import SettingsError, UnknownNameError, WeightsError
from bigprior.io.embedded import ADVICE, PRESETS, embedded_path, needed_path
from bigprior.io.weights import fitting, read_weights, sha256
from bigprior.presets.schema import Preset
from bigprior.priors.kinds import KINDS


def home() -> Path:
    """The user's own presets: ``$BIGPRIOR_HOME``, or ``~/.local/share/bigprior``."""
    return Path(os.environ.get("BIGPRIOR_HOME") or Path.home() / ".local" / "share" / "bigprior")


def preset_names(*, own: bool = True) -> list[str]:
    """Every known preset, embedded or the user's own; without ``own``, the embedded ones alone.

    Raises:
        WeightsError: without ``own``, the embedded ones are not installed.
    """
    roots = (root for root in _roots(own) if root.is_dir())
    return sorted({folder.name for root in roots for folder in root.iterdir() if _is_preset(folder)})


def preset(name: str, *, own: bool = True) -> Preset:
    """The preset called ``name``; without ``own``, of the embedded ones alone.

    Raises:
        UnknownNameError: no such preset.
        WeightsError: its description cannot be read.
    """
    return preset_in(folder_of(name, own=own))


def preset_in(folder: Path) -> Preset:
    """The preset that lies in a folder.

    Raises:
        WeightsError: its description cannot be read.
    """
    path = folder / "preset.json"
    try:
        return Preset.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SettingsError) as error:
        raise WeightsError(f"{path} does not describe a preset ({str(error).splitlines()[0]})") from error


def folder_of(name: str, *, own: bool = True) -> Path:
    """Where the preset called ``name`` lives; the user's own come before the embedded ones, unless left out.

    Raises:
        UnknownNameError: no such preset.
        WeightsError: none, where the embedded ones are not installed.
    """
    for root in _roots(own):
        if _is_preset(root / name) and Path(name).name == name:
            return root / name
    if embedded_path(PRESETS) is None:
        raise WeightsError(f"no preset {name} here, and the embedded ones are not installed: {ADVICE}")
    raise UnknownNameError("preset", name, preset_names(own=own))


def embedded(kind: str) -> str:
    """The embedded preset of a kind.

    Raises:
        UnknownNameError: there is none.
    """
    for name in preset_names(own=False):
        if preset(name, own=False).kind == kind:
            return name
    raise UnknownNameError(
        "kind of embedded preset", kind, [preset(n, own=False).kind for n in preset_names(own=False)]
    )


def part_path(name: str, part: str, *, own: bool = True) -> Path:
    """The file of a preset's part, once it is the one that the preset names.

    Raises:
        UnknownNameError: no such preset.
        WeightsError: the preset has no such part, or another file in its place.
    """
    described = preset(name, own=own)
    expected, other = described.sha256.get(part), described.shared.get(part)
    if expected is None:
        raise WeightsError(f"preset {name} has no {part}")
    folder = folder_of(name, own=own) if other is None else folder_of(other, own=False)
    path = folder / f"{part}.safetensors"
    if not path.is_file() or sha256(path) != expected:
        raise WeightsError(f"{path} is missing or is not the file that {name} names: import or install it again")
    return path


def load_part(name: str, part: str) -> Any:
    """A network of a preset, frozen.

    Raises:
        UnknownNameError: no such preset, or no such kind of presets.
        WeightsError: the preset has no such part, or its weights are missing, foreign, or not the ones that it names.
    """
    described, path = preset(name), part_path(name, part)
    tensors, header = read_weights(path)
    with fitting(f"{path} does not fit"):
        return KINDS[described.kind].load(part, described.architecture, tensors, header)


class Parts(Mapping[str, nn.Module]):
    """The networks of a preset, each loaded when it is asked for."""

    def __init__(self, name: str) -> None:
        described = preset(name)
        kind = KINDS[described.kind]
        self.name = name
        self.names = [part for part in (kind.network, *kind.beside) if part in described.sha256]

    def __getitem__(self, part: str) -> nn.Module:
        if part not in self.names:
            raise KeyError(part)
        network: nn.Module = load_part(self.name, part)
        return network

    def __contains__(self, part: object) -> bool:
        return part in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _roots(own: bool = True) -> list[Path]:
    """The folders of presets, with or without the user's; without it, the embedded ones have to be there."""
    if not own:
        return [needed_path(PRESETS)]
    there = embedded_path(PRESETS)
    return [home()] if there is None else [home(), there]


def _is_preset(folder: Path) -> bool:
    return (folder / "preset.json").is_file()

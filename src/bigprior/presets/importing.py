"""Presets are made of weights: ours, or a generator's foreign ones."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bigprior.degradations import DEGRADATIONS, task_of
from bigprior.errors import OutputError, SettingsError, UnknownNameError, WeightsError
from bigprior.io.atomic import appearing, check_place, replacing, write_text
from bigprior.io.weights import fitting, precision_of, read_tensors, read_weights, save_weights, sha256
from bigprior.networks.generators import GENERATORS
from bigprior.phi import PhiNetwork
from bigprior.presets.calibrations import calibration_name
from bigprior.presets.loading import load_phi
from bigprior.presets.schema import Preset
from bigprior.presets.store import home, preset_in
from bigprior.priors.kinds import KINDS, Kind


def import_preset(
    name: str,
    network: Path | str | None = None,
    *,
    beside: Mapping[str, Path | str] | None = None,
    phi: Mapping[str, Path | str | Sequence[Path | str]] | None = None,
    into: Path | str | None = None,
    architecture: str | None = None,
    steps: Mapping[str, int] | None = None,
    changes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    **description: Any,
) -> Path:
    """Make a preset from weights: a generator or denoiser (ours, or a generator's foreign state dict) and phi networks.

    Args:
        name: of the new preset.
        network: ``.safetensors``, ``.pth`` or ``.pkl``; a foreign file is read without running anything in it. Weights
            stay in the precision of the file. None for a prior without weights, which ``architecture`` then names.
        beside: files of the networks that stand beside it, by part: an ``encoder`` of a generator, where its inversions
            begin; a ``colorizer``, ``filler``, ``general-denoiser`` or ``noise`` of a denoiser; as
            ``bigprior train`` writes them.
        phi: file by task, or several: the first is the task's own, others are for other frames.
        into: folder of presets; the user's own by default.
        architecture: of the network; by default what the file says, or the generator that its tensors fit.
        steps: of the inversion or the sampler, by task.
        changes: settings of every task, over the kind's own and ``steps``.
        overwrite: a preset of that name can go.
        description: other fields of :class:`Preset`.

    Returns:
        The preset's folder.

    Raises:
        WeightsError: a file that is missing, carries code, or does not fit.
        UnknownNameError: no such task or architecture.
        OutputError: its folder cannot be written, or holds a preset that cannot go, or anything else.
        SettingsError: a name that is not one plain word, a part or settings that such presets do not have, or a
            description with a field that no preset has.
    """
    # Long for all that a preset can be made of, each with a line of its own.
    if not name.replace("-", "").replace("_", "").isalnum():
        raise SettingsError(f"preset name is {name!r}: expected letters, digits, - and _")
    folder = Path(into or home()) / name
    _check_vacant(folder, overwrite)
    # Everything is read before anything is written.
    kind, architecture, parts = _read(network, beside or {}, architecture)
    weighers = _weighers(phi or {})
    if "settings" in description:
        description["settings"] = _settings(KINDS[kind], description["settings"])
    counts = {task_of(task).name: count for task, count in (steps or {}).items()}
    fields: dict[str, Any] = {
        "summary": f"imported from {Path(network).name}" if network is not None else f"a {architecture} prior",
        "licence": "unknown",
        "trained_on": "unknown",
        "images_seen": 0 if network is None else parts[str(KINDS[kind].network)][1].get("images", 0),
        "settings": KINDS[kind].defaults(parts, counts),
    }
    if changes:
        own = fields["settings"]
        fields["settings"] = _settings(KINDS[kind], {task: {**own.get(task, {}), **changes} for task in DEGRADATIONS})
    described = Preset(name=name, kind=kind, architecture=architecture, sha256={}, **(fields | description))
    with appearing(folder, replace=overwrite) as place:
        _write(place, described, parts, weighers)
    return folder


#: A network, what its file says of it, and the precision that the file has.
_Part = tuple[nn.Module, dict[str, Any], torch.dtype]
#: A phi network, and the file that it is from.
_Weigher = tuple[PhiNetwork, Path]


def _check_vacant(folder: Path, overwrite: bool) -> None:
    """That a preset can be written there, and that nothing is lost by it.

    Raises:
        OutputError: it cannot; a preset is there that cannot go; or what is there is more than a preset.
    """
    check_place(folder)
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set[str]()
    if not held:
        return
    parts = preset_in(folder).sha256 if (folder / "preset.json").is_file() else {}
    own = {
        "preset.json",
        *(f"{part}.safetensors" for part in parts),
        *(calibration_name(task) for task in DEGRADATIONS),
    }
    if others := sorted(held - own):
        raise OutputError(f"{folder} holds {others[0]}, which is no part of a preset: choose another name")
    if not overwrite:
        raise OutputError(f"{folder} holds a preset already: choose another name, or --overwrite to replace it")


def _write(folder: Path, described: Preset, parts: Mapping[str, _Part], weighers: Mapping[str, _Weigher]) -> None:
    """Write the files of a preset into an empty folder."""
    for part, (built, how, precision) in parts.items():
        save_weights(folder / f"{part}.safetensors", built.state_dict(), how, precision)
    for part, (weigher, path) in weighers.items():
        _place(weigher, path, folder / f"{part}.safetensors")
    hashes = {part: sha256(folder / f"{part}.safetensors") for part in (*parts, *weighers)}
    described = described.model_copy(update={"sha256": hashes})
    write_text(folder / "preset.json", described.model_dump_json(indent=2) + "\n")


def _read(
    network: Path | str | None, beside: Mapping[str, Path | str], architecture: str | None
) -> tuple[str, str, dict[str, _Part]]:
    """The kind of preset, the network's architecture, and every part, read and built."""
    header = {} if network is None else _header(network)
    if architecture is None:
        architecture = header.get("architecture") or _recognised(network)
    assert isinstance(architecture, str)
    name, kind = _kind_of(architecture)
    if network is None and kind.network is not None:
        raise SettingsError(f"a {name} preset has a {kind.network}: pass its file")
    if network is not None and kind.network is None:
        raise SettingsError(f"a {name} preset has no network of its own: leave {network} out")
    sources = dict(beside) if network is None else {str(kind.network): network, **beside}
    parts: dict[str, _Part] = {}
    for part, source in sources.items():
        if part not in (kind.network, *kind.beside):
            raise SettingsError(f"a {name} preset has no {part}: it can have {', '.join(kind.beside) or 'none'}")
        said = header if part == kind.network else read_weights(source)[1]
        tensors = read_tensors(source)
        with fitting(f"{source} is no {part} of such a preset"):
            parts[part] = kind.load(part, architecture, tensors, said), said, precision_of(tensors.values())
    header.setdefault("architecture", architecture)
    return name, architecture, parts


def _recognised(network: Path | str | None) -> str:
    """The generator that the tensors of a foreign file fit; the first of all where there is no file to ask.

    Raises:
        WeightsError: no file of tensors, or none of a generator that is known here.
    """
    if network is None:
        return next(iter(GENERATORS))
    tensors = read_tensors(network)
    for name, generator in GENERATORS.items():
        with suppress(WeightsError), fitting("another"):
            generator.from_state_dict(tensors)
            return name
    raise WeightsError(
        f"{network} fits no generator that is known here, with tensors such as {', '.join(list(tensors)[:2])}: "
        "name its architecture with --as to learn why"
    )


def _header(path: Path | str) -> dict[str, Any]:
    """What a file of ours says of itself; a foreign one says nothing."""
    with suppress(WeightsError):
        return read_weights(path)[1]
    return {}


def _kind_of(architecture: str) -> tuple[str, Kind]:
    for name, kind in KINDS.items():
        if architecture in kind.architectures():
            return name, kind
    known = [name for kind in KINDS.values() for name in kind.architectures()]
    raise UnknownNameError("architecture", architecture, known)


def _settings(kind: Kind, given: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Settings by the names of their tasks, if a kind takes them."""
    for how in given.values():
        kind.check(how)
    return {task_of(task).name: how for task, how in given.items()}


def _weighers(phi: Mapping[str, Path | str | Sequence[Path | str]]) -> dict[str, _Weigher]:
    """Every phi network with the file that it is from, by the part of the preset that it becomes."""
    found: dict[str, _Weigher] = {}
    for task, paths in phi.items():
        if (physics := task_of(task)).weighs:
            raise SettingsError(f"{physics.name} says itself what phi is (Eq. 8): leave its phi network out")
        own = f"phi-{physics.name}"
        for path in [paths] if isinstance(paths, str | Path) else paths:
            network = load_phi(path)
            found[own if own not in found else f"{own}-{network.frame}"] = (network, Path(path))
    return found


def _place(network: PhiNetwork, source: Path, place: Path) -> None:
    """Put a phi network where the preset keeps it: a file of ours as it is, a released one as ours."""
    if source.suffix != ".safetensors":
        how, precision = {"kind": network.kind, "network": network.settings}, precision_of(network.parameters())
        save_weights(place, network.state_dict(), how, precision)
    else:
        with replacing(place) as temporary:
            shutil.copyfile(source, temporary)

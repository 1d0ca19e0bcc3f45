"""Presets are made of weights: ours, or a generator's foreign ones."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from bigprior.degradations import DEGRADATIONS
from bigprior.errors import SettingsError, UnknownNameError, WeightsError
from bigprior.io.atomic import replacing, write_text
from bigprior.io.weights import read_tensors, read_weights, save_weights, sha256
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.networks.generators import architecture
from bigprior.presets.store import BESIDE, DENOISER, SAMPLING, Preset, home, load_phi
from bigprior.priors.gan import InversionSettings


def import_preset(
    name: str,
    network: Path | str,
    *,
    phi: Mapping[str, Path | str | Sequence[Path | str]] | None = None,
    encoder: Path | str | None = None,
    colorizer: Path | str | None = None,
    refiner: Path | str | None = None,
    into: Path | str | None = None,
    kind: str | None = None,
    steps: Mapping[str, int] | None = None,
    **description: Any,
) -> Path:
    """Make a preset from weights: a generator or denoiser (ours, or a generator's foreign state dict) and phi networks.

    Args:
        name: of the new preset; an older one of that name is replaced.
        network: ``.safetensors`` or ``.pth``; a foreign file is read without running anything in it.
        phi: file by task, or several: the first is the task's own, others are for other frames.
        encoder: of a generator: where its inversions begin, as ``bigprior train encoder`` writes it.
        colorizer: of a denoiser: what guesses colours beside it, as ``bigprior train colorizer`` writes it.
        refiner: of a denoiser: what takes a second look, as ``bigprior train refiner`` writes it. It learned from
            single views, so noise is then removed from one.
        into: folder of presets; the user's own by default.
        kind: the network's architecture; what the file says, or ``pggan``, by default.
        steps: of the inversion or the sampler, by task.
        description: other fields of :class:`Preset`.

    Returns:
        The preset's folder.

    Raises:
        WeightsError: a file that is missing, carries code, or does not fit.
        UnknownNameError: no such task or architecture.
        SettingsError: a name that is not one plain word, or a description with a field that no preset has.
    """
    if not name.replace("-", "").replace("_", "").isalnum():
        raise SettingsError(f"preset name is {name!r}: expected letters, digits, - and _")
    # Everything is read before anything is written.
    kind, state, header = _generative(network, kind)
    weighers = _weighers(phi or {})
    sources = {"encoder": encoder, "colorizer": colorizer, "refiner": refiner}
    helpers = {part: _beside(part, source) for part, source in sources.items() if source is not None}
    fields: dict[str, Any] = {
        "summary": f"imported from {Path(network).name}",
        "licence": "unknown",
        "trained_on": "unknown",
        "images_seen": header.get("images", 0),
    }
    if kind == DENOISER:
        sampling = {t: SAMPLING.model_copy(update={"steps": n}) for t, n in (steps or {}).items()}
        if refiner is not None:
            sampling["denoising"] = sampling.get("denoising", SAMPLING).model_copy(update={"views": 1})
        fields["sampling"] = sampling
    else:
        fields["inversion"] = {task: InversionSettings(steps=n) for task, n in (steps or {}).items()}
    described = Preset(name=name, architecture=kind, sha256={}, **(fields | description))

    folder, own = Path(into or home()) / name, described.network
    save_weights(folder / f"{own}.safetensors", state, header)
    for part, (weigher, path) in weighers.items():
        _place(weigher, path, folder / f"{part}.safetensors")
    for part, (helper, how) in helpers.items():
        save_weights(folder / f"{part}.safetensors", helper, how)
    hashes = {part: sha256(folder / f"{part}.safetensors") for part in (own, *weighers, *helpers)}
    described = described.model_copy(update={"sha256": hashes})
    write_text(folder / "preset.json", described.model_dump_json(indent=2) + "\n")
    return folder


def _generative(path: Path | str, kind: str | None) -> tuple[str, Mapping[str, Tensor], dict[str, Any]]:
    """The architecture, the weights as it names them, and the header of a generator's or denoiser's file."""
    tensors, header = read_tensors(path), dict[str, Any]()
    with suppress(WeightsError):  # a foreign file has no header
        header = read_weights(path)[1]
    kind = kind or str(header.get("architecture", "pggan"))
    if kind == DENOISER:
        state = DenoisingUNet.from_state_dict(tensors, header.get("network", {})).state_dict()
    else:
        state = architecture(kind).from_state_dict(tensors).state_dict()
    return kind, state, {"architecture": kind, **header}


def _weighers(phi: Mapping[str, Path | str | Sequence[Path | str]]) -> dict[str, tuple[Any, Path]]:
    """Every phi network with the file that it is from, by the part of the preset that it becomes."""
    found: dict[str, tuple[Any, Path]] = {}
    for task, paths in phi.items():
        if task not in DEGRADATIONS:
            raise UnknownNameError("task", task, list(DEGRADATIONS))
        for path in [paths] if isinstance(paths, str | Path) else paths:
            network, own = load_phi(path), f"phi-{task}"
            found[own if own not in found else f"{own}-{network.frame}"] = (network, Path(path))
    return found


def _beside(part: str, path: Path | str) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
    """The weights and the header of a network that stands beside the generative one."""
    tensors, header = read_weights(path)
    return BESIDE[part].from_state_dict(tensors, header.get("network", {})).state_dict(), header


def _place(network: Any, source: Path, place: Path) -> None:
    """Put a phi network where the preset keeps it: a file of ours as it is, a released one as ours."""
    if source.suffix != ".safetensors":
        save_weights(place, network.state_dict(), {"kind": network.kind, "network": network.settings})
    elif source.resolve() != place.resolve():
        with replacing(place) as temporary:
            shutil.copyfile(source, temporary)

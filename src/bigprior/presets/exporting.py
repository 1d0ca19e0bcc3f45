"""A preset's denoiser as an ONNX file, for programs that know nothing of bigprior or torch."""

from __future__ import annotations

import json
import warnings
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import deepinv as dinv
import torch
from torch import Tensor, nn

from bigprior import DEFAULT_PRESET, DEFAULT_TASK
from bigprior.degradations import task_of
from bigprior.errors import OutputError, SettingsError
from bigprior.io.atomic import appearing, check_place, replacing, write_text
from bigprior.presets.store import load_part, preset

#: Operations of ONNX as of this version (2022), which every runtime of today has.
_OPSET = 17
#: Names of the inputs and the output, as darktable and this package's own reader (``--prior FILE.onnx``) know them.
_PICTURE, _SIGMA, _CLEAN = "input", "sigma", "output"


def export_onnx(
    path: Path | str,
    name: str = DEFAULT_PRESET,
    part: str = "denoiser",
    *,
    sigma: float | None = None,
    darktable: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a preset's denoiser as ONNX: ``output = D(input, sigma)``.

    ``input`` and ``output`` are pictures (N, 3, H, W), float32, RGB in [0, 1], of any number and any size; sides that
    are a multiple of the network's step (16 for the embedded one) are not padded inside. ``sigma`` is a map of the
    noise's standard deviation in the same units, (N, 1, H, W) or of any other size, (N, 1, 1, 1) for one; its mean over
    a picture is what the network is told.

    Args:
        path: a new file ending in .onnx; for darktable, a new folder.
        name, part: the preset, and the denoiser in it.
        sigma: a noise level in [0, 1] that is built in; the file then has no input for it.
        darktable: write a folder that darktable's neural restore takes, with ``model.onnx`` and ``config.json``.
        overwrite: replace what is there.

    Returns:
        ``path``.

    Raises:
        SettingsError: a part that is no denoiser, a level out of range, another suffix, or the package ``onnx`` is not
            installed.
        OutputError: something is there already, or the place cannot be written.
        UnknownNameError, WeightsError: as for :func:`bigprior.presets.store.load_part`.
    """
    path = Path(path)
    if sigma is not None and not 0 < sigma <= 1:
        raise SettingsError(f"sigma is {sigma:g}: expected more than 0 and at most 1 (255 on the command line)")
    if not darktable and path.suffix.lower() != ".onnx":
        raise SettingsError(f"{path} ends in {path.suffix!r}: expected .onnx")
    _check_vacant(path, darktable, overwrite)
    try:
        onnx = import_module("onnx")
    except ImportError as error:
        raise SettingsError("an export needs the package onnx: pip install 'bigprior[export]'") from error
    network = load_part(name, part)
    if not isinstance(network, dinv.models.Denoiser):
        raise SettingsError(f"part is {part!r}, a {type(network).__name__}: expected a denoiser")
    written = _graph(onnx, network, sigma, name, part)
    if not darktable:
        with replacing(path) as temporary:
            temporary.write_bytes(written)
        return path
    with appearing(path, replace=overwrite) as place:
        (place / "model.onnx").write_bytes(written)
        write_text(place / "config.json", json.dumps(_described(path.name, name, sigma), indent=2) + "\n")
    return path


class _Denoiser(nn.Module):
    """The network with the inputs of the file."""

    def __init__(self, network: nn.Module, sigma: float | None) -> None:
        super().__init__()
        self.network, self.sigma = network, sigma

    def forward(self, picture: Tensor, sigma: Tensor | None = None) -> Tensor:
        told = self.sigma if sigma is None else sigma.mean(dim=(1, 2, 3))
        clean: Tensor = self.network(picture, told)
        return clean


def _graph(onnx: Any, network: nn.Module, sigma: float | None, name: str, part: str) -> bytes:
    """An ONNX file of a network."""
    inputs = [torch.rand(2, 3, 64, 48)] + [torch.full((2, 1, 64, 48), 0.1)] * (sigma is None)
    names = [_PICTURE, _SIGMA][: len(inputs)]
    axes = {_PICTURE: {0: "N", 2: "H", 3: "W"}, _SIGMA: {0: "N", 2: "h", 3: "w"}, _CLEAN: {0: "N", 2: "H", 3: "W"}}
    axes = {key: value for key, value in axes.items() if key in (*names, _CLEAN)}
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        file = Path(folder) / "model.onnx"
        warnings.simplefilter("ignore")
        # By tracing: the exporter that is to replace it takes many times as long, and needs another package.
        options: dict[str, Any] = {"input_names": names, "output_names": [_CLEAN], "dynamic_axes": axes}
        torch.onnx.export(
            _Denoiser(network, sigma).eval(), tuple(inputs), file, dynamo=False, opset_version=_OPSET, **options
        )
        model = onnx.load(file)
    model.graph.name = f"bigprior-{name}-{part}"
    for side, axis in zip(model.graph.output[0].type.tensor_type.shape.dim, ("N", None, "H", "W"), strict=True):
        if axis is not None:
            side.dim_param = axis
    described = preset(name)
    said = {"preset": name, "part": part, "sha256": described.sha256[part], "licence": described.licence}
    onnx.helper.set_model_props(model, said | {"step": str(getattr(network, "step", 1))})
    onnx.checker.check_model(model)
    written: bytes = model.SerializeToString()
    return written


def _described(name: str, preset_name: str, sigma: float | None) -> dict[str, Any]:
    """``config.json`` as darktable reads it (src/ai/README.md in its source).

    A second input is a map of the noise level, which darktable 5.6 fills with 25/255 whatever the picture has.
    """
    level = "" if sigma is None else f", noise of {255 * sigma:g}"
    return {
        "id": name,
        "name": f"bigprior {preset_name}{level}",
        "description": f"{preset(preset_name).summary}{level or ', told of noise of 25'}",
        "task": task_of(DEFAULT_TASK).verb,  # which is darktable's word too
        "version": "1.0",
        "arch": "unet",
        "backend": "onnx",
        "tiling": True,
        "num_inputs": 1 if sigma is not None else 2,
    }


def _check_vacant(path: Path, darktable: bool, overwrite: bool) -> None:
    """That nothing is lost.

    Raises:
        OutputError: something would be, or the place cannot be written.
    """
    if darktable:
        check_place(path)
        held = {one.name for one in path.iterdir()} if path.is_dir() else set[str]()
        if others := sorted(held - {"config.json", "model.onnx"}):
            raise OutputError(f"{path} holds {others[0]}, which is no part of an export: choose another folder")
        if not held:
            return
    elif not path.exists():
        return
    if not overwrite:
        raise OutputError(f"{path} is there already: pass --overwrite to replace it")
    if not darktable and not path.is_file():
        raise OutputError(f"{path} is no file: choose another name")

"""ONNX: a graph of operations that are all known, without code of its own; onnxruntime computes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bigprior.errors import WeightsError
from bigprior.priors.models.base import Model, Takes, found_out
from bigprior.priors.models.names import told_by
from bigprior.priors.models.needed import needed

#: Types of a picture, and the value of its white.
_TYPES: dict[str, tuple[type[np.generic], int]] = {
    "tensor(float)": (np.float32, 1),
    "tensor(float16)": (np.float16, 1),
    "tensor(double)": (np.float64, 1),
    "tensor(uint8)": (np.uint8, 255),
}


class OnnxModel(Model):
    """A graph of a picture, or of a picture and a noise level or a hole; it runs on the processor."""

    def __init__(self, session: Any, takes: Takes) -> None:
        super().__init__(takes)
        self.session = session

    def forward(self, x: Tensor, told: Tensor | None) -> Tensor:
        """As :meth:`Model.forward`."""
        inputs = self.session.get_inputs()
        given = {inputs[0].name: _array(x, inputs[0])}
        if told is not None:
            given[inputs[1].name] = _array(_shaped(told, inputs[1].shape, x), inputs[1])
        answer = self.session.run(None, given)[0]
        white = 255 if answer.dtype == np.uint8 else 1
        return torch.from_numpy(answer.astype(np.float32) / white).to(x.device)


def read_onnx(path: Path) -> OnnxModel:
    """The model of a file.

    Raises:
        WeightsError: onnxruntime is not installed, or cannot read it; or it makes no picture of a picture.
    """
    runtime = needed("onnxruntime", path)
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is said once, by us
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        # Of its bytes, and with nowhere to look for tensors in other files, which would not be in its hash.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
        session = runtime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common type
        said = str(error).strip().splitlines()[0]
        raise WeightsError(f"{path} is not an ONNX file of known operations, whole in itself ({said})") from error
    inputs = session.get_inputs()
    told = told_by([one.name for one in inputs], str(path))
    picture = inputs[0]
    if picture.type not in _TYPES or len(picture.shape) != 4:
        raise WeightsError(f"{path} takes a {picture.type} of {picture.shape}: expected a picture (N, 1 or 3, H, W)")
    height, width = (side if isinstance(side, int) else None for side in picture.shape[2:])
    if height != width:
        raise WeightsError(f"{path} takes pictures of {width}x{height} alone: expected any size, or a square one")
    takes = Takes(session.get_modelmeta().graph_name or "ONNX", told=told, side=height)
    channels = (picture.shape[1],) if isinstance(picture.shape[1], int) else (3, 1)
    model = OnnxModel(session, takes)
    model.takes = found_out(model, takes, str(path), channels)
    return model


def _array(x: Tensor, said: Any) -> np.ndarray:
    kind, white = _TYPES.get(said.type, (np.float32, 1))
    array = x.detach().cpu().numpy()
    return np.ascontiguousarray((np.rint(array.clip(0, 1) * white) if white > 1 else array).astype(kind))


def _shaped(told: Tensor, shape: list[int | str | None], x: Tensor) -> Tensor:
    """A noise level as the model wants it: a number, a vector, or a map of the picture's size; a hole as it is."""
    if told.ndim == 4:
        return told
    if len(shape) < 4:
        return told.reshape([1] * len(shape))
    return told.view(1, 1, 1, 1) if shape[2:] == [1, 1] else told.view(1, 1, 1, 1).expand(-1, 1, *x.shape[2:])

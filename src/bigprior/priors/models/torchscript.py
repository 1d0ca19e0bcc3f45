"""TorchScript: a program in a file, which runs when it is asked."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn

from bigprior.errors import SettingsError, WeightsError
from bigprior.priors.models.base import Model, Takes, found_out
from bigprior.priors.models.names import told_by
from bigprior.priors.models.needed import quiet


def is_torchscript(path: Path) -> bool:
    """Whether a file holds a program beside its tensors."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.split("/")[1:2] == ["constants.pkl"] for name in archive.namelist())


class ScriptModel(Model):
    """A TorchScript module of a picture, or of a picture and a noise level or a hole."""

    def __init__(self, network: nn.Module, takes: Takes) -> None:
        super().__init__(takes)
        self.network = network

    def forward(self, x: Tensor, told: Tensor | None) -> Tensor:
        """As :meth:`Model.forward`."""
        answer: Tensor = self.network(x) if told is None else self.network(x, told)
        return answer


def read_torchscript(path: Path, trusted: bool) -> ScriptModel:
    """The model of a file.

    Args:
        path: the file.
        trusted: whoever asks knows where it is from.

    Raises:
        SettingsError: it is not trusted.
        WeightsError: it cannot be read, or makes no picture of a picture.
    """
    if not trusted:
        raise SettingsError(
            f"{path} is TorchScript, a program that runs on this machine: if you trust whoever made it, say so "
            "(--trust-prior, or trusted=True); its weights alone, as safetensors, need no trust"
        )
    try:
        with quiet():  # newer versions of torch call TorchScript old
            network = torch.jit.load(path, map_location="cpu").eval()
    except Exception as error:  # torch.jit.load raises many unrelated types for a broken file
        raise WeightsError(f"{path} is not TorchScript that can be read ({str(error).splitlines()[0]})") from error
    names = [value.debugName().partition(".")[0] for value in list(network.graph.inputs())[1:]]
    told = told_by(names, str(path))
    takes = Takes(str(getattr(network, "original_name", "TorchScript")), told=told)
    model = ScriptModel(network, takes)
    with torch.no_grad():
        model.takes = found_out(model, takes, str(path), (3, 1))
    return model

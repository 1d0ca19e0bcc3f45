"""Weights alone: the architecture is recognised from their names and shapes, by spandrel or by us."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bigprior.errors import WeightsError
from bigprior.io.weights import read_tensors
from bigprior.priors.models.base import Model, Takes
from bigprior.priors.models.needed import needed, quiet
from bigprior.priors.models.released import known_model

#: Architectures whose last channel is a map of the noise level, which spandrel fills with a level of its own; and the
#: tag of those of an architecture that are so.
_TOLD_OF_NOISE = {"DRUNet": None, "DnCNN": "FDnCNN"}


class SpandrelModel(Model):
    """A model of an architecture that spandrel knows.

    Args:
        descriptor: spandrel's.
    """

    def __init__(self, descriptor: Any) -> None:
        name, size = descriptor.architecture.name, descriptor.size_requirements
        told: Literal["sigma", "mask"] | None = None
        if descriptor.purpose == "Inpainting":
            told = "mask"
        elif name in _TOLD_OF_NOISE and _TOLD_OF_NOISE[name] in (None, *descriptor.tags):
            told = "sigma"
        super().__init__(
            Takes(
                architecture=name,
                channels=descriptor.input_channels,
                gives=descriptor.output_channels,
                told=told,
                colours=descriptor.input_channels < descriptor.output_channels,
                scale=descriptor.scale,
                multiple=size.multiple_of or 1,
                least=size.minimum or 1,
                side=max(size.minimum, size.multiple_of) if size.square else None,
                whole=descriptor.tiling.name == "INTERNAL",
            )
        )
        self.descriptor = descriptor
        self.network: nn.Module = descriptor.model

    def forward(self, x: Tensor, told: Tensor | None) -> Tensor:
        """As :meth:`Model.forward`."""
        if self.takes.told == "sigma" and told is not None:
            level = told.view(1, 1, 1, 1).expand(-1, -1, *x.shape[2:])
            clean: Tensor = self.network(torch.cat([x, level], dim=1))
            return clean
        answer: Tensor = self.descriptor(x) if told is None else self.descriptor(x, told)
        return answer.clone()  # a tensor of its inference mode cannot be used in any other


def read_weights_of(path: Path) -> Model:
    """The model of a file of tensors: safetensors, or a state dict that is read without running anything in it.

    Raises:
        WeightsError: the file carries code, or its architecture is unknown; or spandrel is not installed.
    """
    state = read_tensors(path)
    if (model := known_model(state, path)) is not None:
        return model
    spandrel = needed("spandrel", path)
    if find_spec("spandrel_extra_arches") is not None:  # architectures under terms of their own
        needed("spandrel_extra_arches", path).install(ignore_duplicates=True)
    try:
        with quiet():
            known = spandrel.canonicalize_state_dict(state)
            descriptor = spandrel.ModelLoader(device="cpu").load_from_state_dict(known)
    except spandrel.UnsupportedModelError:
        raise WeightsError(
            f"{path} is of an architecture that is not known here, with tensors such as {', '.join(list(state)[:2])}: "
            "expected one that spandrel knows, or ONNX"
        ) from None
    except Exception as error:  # a network is built of foreign tensors, by another's code
        said = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise WeightsError(f"{path} looks like a known architecture but does not fit it ({said})") from error
    for count in (descriptor.input_channels, descriptor.output_channels):
        if count not in (1, 3):
            raise WeightsError(
                f"{path}, a {descriptor.architecture.name}, is of pictures of {count} channels: expected 1 or 3"
            )
    return SpandrelModel(descriptor)

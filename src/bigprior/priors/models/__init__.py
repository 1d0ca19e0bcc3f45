"""Models that users already have, as priors: weights that spandrel recognises, ONNX, TorchScript, and deepinv's own."""

from __future__ import annotations

from pathlib import Path

import deepinv as dinv
from torch import nn

from bigprior.degradations import Degradation
from bigprior.errors import WeightsError
from bigprior.priors.base import Prior
from bigprior.priors.diffusion import DiffusionPrior, DiffusionSettings
from bigprior.priors.feedforward import FeedForwardPrior
from bigprior.priors.models.base import Model, Takes
from bigprior.priors.models.onnx import read_onnx
from bigprior.priors.models.prior import ModelPrior
from bigprior.priors.models.reconstructor import ReconstructorPrior
from bigprior.priors.models.torchscript import is_torchscript, read_torchscript
from bigprior.priors.models.weights import read_weights_of
from bigprior.priors.turns import in_turns, takes_turns


def load_model(path: Path | str, *, trusted: bool = False) -> ModelPrior:
    """The model of a file, as a prior.

    Weights are ``.safetensors``, or a state dict of torch; their architecture is recognised by spandrel, and nothing in
    the file is run. ``.onnx`` is a graph of known operations. TorchScript is a program: it is read if it is
    ``trusted``. A model takes and gives RGB or grey pictures (1, 3 or 1, H, W) in [0, 1]; beside, it may be told the
    standard deviation of white noise in [0, 1], or the hole (1, 1, H, W), 1 = hole.

    Args:
        path: the file.
        trusted: you know whom the file is from, and let it run code.

    Raises:
        SettingsError: TorchScript that is not trusted.
        WeightsError: no such file; one that carries code, of an unknown architecture, or that makes no picture of a
            picture; or the package that reads it is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no model file {path}")
    if path.suffix.lower() == ".onnx":
        return ModelPrior(read_onnx(path))
    return ModelPrior(read_torchscript(path, trusted) if is_torchscript(path) else read_weights_of(path))


def as_prior(model: nn.Module, physics: type[Degradation]) -> Prior:
    """A network in memory as a prior for one degradation.

    Args:
        model: a prior, as it is; a deepinv ``Reconstructor``; a deepinv ``Denoiser``, which is asked once where there
            is noise, takes turns with a measurement that weighs by itself, and is guided by deepinv's ``DiffPIR``
            elsewhere; or any other, of a measurement to a picture.
        physics: the degradation.
    """
    if isinstance(model, Prior):
        return model
    if isinstance(model, dinv.models.Reconstructor):
        return ReconstructorPrior(model)
    if isinstance(model, dinv.models.Denoiser):
        if takes_turns(physics):
            return in_turns(model, physics)
        noisy = physics.identity and physics.noisy
        return DiffusionPrior(model, DiffusionSettings(sampler="mean" if noisy else "diffpir"))
    return FeedForwardPrior(model)


__all__ = ["Model", "ModelPrior", "ReconstructorPrior", "Takes", "as_prior", "load_model"]

"""Models of architectures that spandrel does not know, from the weights that their authors released."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.color import lab2rgb, rgb2lab
from torch import Tensor, nn

from bigprior.errors import WeightsError
from bigprior.networks.colorful import ECCV16, SIGGRAPH17
from bigprior.networks.deepfill import DeepFillV2
from bigprior.networks.ffdnet import FFDNet
from bigprior.networks.ircnn import IRCNN
from bigprior.networks.tnrd import TNRD
from bigprior.priors.models.base import Model, Takes

#: Side of the pictures that the colorization networks and DeepFill v2 learned from.
_SIDE = 256


class ToldOfNoise(Model):
    """A denoiser of a picture and its noise level: FFDNet, IRCNN or a trained reaction diffusion.

    Args:
        network: of (1, C, H, W) and (1,), with ``channels``.
        multiple: of which a side has to be.
    """

    def __init__(self, network: nn.Module, channels: int, multiple: int) -> None:
        super().__init__(Takes(type(network).__name__, channels, channels, "sigma", multiple=multiple))
        self.network = network

    def forward(self, x: Tensor, told: Tensor | None) -> Tensor:
        """As :meth:`Model.forward`."""
        clean: Tensor = self.network(x, told)
        return clean


class Colorful(Model):
    """Colours of a grey picture, by way of CIELAB.

    Args:
        network: of lightness to ``a`` and ``b``.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__(Takes(type(network).__name__, 1, 3, colours=True, side=_SIDE))
        self.network = network

    def forward(self, x: Tensor, told: Tensor | None) -> Tensor:
        """As :meth:`Model.forward`."""
        grey = x.expand(-1, 3, -1, -1).clamp(0, 1)[0].permute(1, 2, 0).double().cpu().numpy()
        light = rgb2lab(grey)[..., :1]
        ab = self.network(torch.from_numpy(light).permute(2, 0, 1)[None].to(x))
        lab = np.concatenate([light, ab[0].permute(1, 2, 0).double().cpu().numpy()], axis=2)
        return torch.from_numpy(lab2rgb(lab)).permute(2, 0, 1)[None].to(x)


class Filler(Model):
    """DeepFill v2, at the size that it learned from."""

    def __init__(self, network: DeepFillV2) -> None:
        super().__init__(Takes("DeepFillV2", told="mask", side=_SIDE))
        self.network = network

    def forward(self, x: Tensor, told: Tensor | None) -> Tensor:
        """As :meth:`Model.forward`."""
        assert told is not None  # it is told of the hole
        filled: Tensor = self.network(2 * x - 1, told)
        return (filled + 1) / 2


#: Architectures, each recognised by its tensors, and the model that asks such a network.
_KNOWN: tuple[tuple[Any, Any], ...] = (
    (FFDNet, lambda network: ToldOfNoise(network, network.channels, multiple=2)),
    (IRCNN, lambda network: ToldOfNoise(network, network.channels, multiple=1)),
    (TNRD, lambda network: ToldOfNoise(network, network.channels, multiple=1)),
    (ECCV16, Colorful),
    (SIGGRAPH17, Colorful),
    (DeepFillV2, Filler),
)


def known_model(state: Mapping[str, Tensor], path: Path) -> Model | None:
    """The model of a file's tensors; None if they are of no architecture that is known here.

    Raises:
        WeightsError: they are, but do not fit.
    """
    for network, model in _KNOWN:
        if network.knows(state):
            try:
                made: Model = model(network.from_state_dict(state))
            except WeightsError as error:
                raise WeightsError(f"{path}: {error}") from None
            return made
    return None

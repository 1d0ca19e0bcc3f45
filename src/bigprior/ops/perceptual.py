"""Frozen networks that see: VGG-16 features for the paper's loss and the projected discriminator, and LPIPS."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bigprior.errors import WeightsError
from bigprior.io.embedded import TRUNK, needed_path
from bigprior.io.weights import read_tensors
from bigprior.ops.winograd import Conv3x3

#: Modules of torchvision's ``vgg16().features`` after which features are read, by the name of the convolution.
TAPS = {"conv1_2": 3, "conv2_2": 8, "conv3_3": 15}
#: The smallest side, in pixels, of pictures that LPIPS takes.
LPIPS_LEAST_PX = 32
#: Channels of the features at each tap.
TAP_CHANNELS = {"conv1_2": 64, "conv2_2": 128, "conv3_3": 256}


class VGGFeatures(nn.Module):
    """The trunk of torchvision's ImageNet VGG-16 up to ``relu3_3`` (the third pool excluded), frozen.

    Args:
        weights: a local safetensors file with torchvision's names (``features.0.weight``, ...); without it the
            weights are torchvision's own, which torchvision downloads once and keeps.

    Raises:
        WeightsError: the file is not such a trunk, or torchvision could not get its own.
    """

    def __init__(self, weights: Path | str | None = None) -> None:
        super().__init__()
        # Imported here: torchvision's models take half a second to import, and only this class needs them.
        from torchvision.models import VGG16_Weights
        from torchvision.models.vgg import cfgs, make_layers

        net = make_layers(cfgs["D"][:9])
        try:
            state = (
                VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=False) if weights is None else read_tensors(weights)
            )
            trunk = {k.removeprefix("features."): v.float() for k, v in state.items() if k.startswith("features.")}
            net.load_state_dict({k: trunk[k] for k in net.state_dict()})
        except (OSError, RuntimeError, KeyError) as error:
            raise WeightsError(f"no VGG-16 weights ({error}): pass a local safetensors file of its trunk") from error
        self.trunk = nn.Sequential(*map(_fast, net)).eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Pictures (N, 3, H, W), RGB in [0, 1], to their features at ``conv1_2``, ``conv2_2`` and ``conv3_3``."""
        x = (image - self.mean) / self.std
        features, start = {}, 0
        for name, last in TAPS.items():
            x = self.trunk[start : last + 1](x)
            features[name], start = x, last + 1
        return features


@cache
def lpips_network(device: torch.device, spatial: bool = False) -> Any:
    """LPIPS 0.0 on AlexNet (Zhang et al., CVPR 2018), frozen: two batches (N, 3, H, W) in [-1, 1] to (N, 1, 1, 1).

    If ``spatial``, to the map (N, 1, H, W) of which that is the mean, but for how it is resized.

    Its trunk is embedded, so that nothing downloads. Sides are at least :data:`LPIPS_LEAST_PX`.

    Raises:
        WeightsError: the embedded weights are not installed.
    """
    from lpips import LPIPS

    # pnet_rand: the heads come with the package; the trunk would be downloaded, so ours takes its place.
    with warnings.catch_warnings():  # lpips asks torchvision for its trunk in a way that torchvision deprecates
        warnings.simplefilter("ignore", UserWarning)
        network = LPIPS(net="alex", version="0.0", pnet_rand=True, spatial=spatial, verbose=False)
    trunk = read_tensors(needed_path(TRUNK))
    own = {k: k.split(".", 1)[1] for k in network.net.state_dict()}  # slice1.0.weight: the trunk's module 0
    network.net.load_state_dict({k: trunk[f"features.{v}"].float() for k, v in own.items()})
    return network.eval().requires_grad_(False).to(device)


def _fast(layer: nn.Module) -> nn.Module:
    """The same convolution, by minimal filtering where that pays."""
    if not isinstance(layer, nn.Conv2d):
        return layer
    convolution = Conv3x3(layer.in_channels, layer.out_channels)
    convolution.load_state_dict(layer.state_dict())
    return convolution

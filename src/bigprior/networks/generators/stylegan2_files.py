"""The namings of StyleGAN2 generators' tensors: NVIDIA's, in PyTorch and TensorFlow, and Rosinality's, much copied."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from bigprior.errors import WeightsError

#: What files hold beside the weights that make a picture of a code: the mean style, and the filter of changes of size.
_LEFT_OUT = re.compile(r"(^|\.|/)(w_avg|latent_avg|dlatent_avg|lod)$")
_FILTERS = re.compile(r"(resample_filter|blur\.kernel|upsample\.kernel)$")
#: Rosinality's names of a block's layers, and of what a layer holds, as NVIDIA's.
_LAYER = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "activate.bias": "bias",
    "noise.weight": "noise_strength",
    "bias": "bias",
}


def canonical(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under NVIDIA's names, whichever of the three namings a file has.

    Raises:
        WeightsError: none of them; conditions on classes, or a filter that is not [1, 3, 3, 1].
    """
    state = {k.removeprefix("module.").removeprefix("G_ema."): v for k, v in state.items() if not _LEFT_OUT.search(k)}
    for name in [name for name in state if _FILTERS.search(name)]:
        _check_filter(name, state.pop(name))
    if "input.input" in state:
        return _from_rosinality(state)
    if "synthesis/4x4/Const/const" in state:
        return dict(_from_tensorflow(name, tensor) for name, tensor in state.items())
    if "mapping.embed.weight" in state:
        raise WeightsError("this StyleGAN2 generator makes pictures of given classes: expected one without")
    if "synthesis.b4.const" not in state:
        raise WeightsError("not a StyleGAN2 generator: no tensor synthesis.b4.const, nor input.input")
    return state


def _check_filter(name: str, kernel: Tensor) -> None:
    line, kernel = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8, kernel.float()
    if kernel.shape != (4, 4) or not torch.allclose(kernel / kernel.sum(), torch.outer(line, line), atol=1e-4):
        raise WeightsError(f"{name} is not the filter [1, 3, 3, 1] of StyleGAN2")


def _from_rosinality(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``style.1``, ``conv1``, ``to_rgb1``, ``convs.0``, ``to_rgbs.0``, ``noises.noise_0``: from the coarsest on."""
    renamed = {_renamed(name): tensor for name, tensor in state.items()}
    for name, tensor in renamed.items():
        if name.endswith((".const", ".weight")) and tensor.ndim in (4, 5) and len(tensor) == 1:
            renamed[name] = tensor[0]  # there, constants and kernels have one axis more
        elif name.startswith("synthesis.") and name.endswith((".noise_const", ".noise_strength", ".bias")):
            renamed[name] = tensor.squeeze()
    return renamed


def _from_tensorflow(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    """``synthesis/8x8/Conv0_up/mod_weight``: the order of axes, and the offset of styles' biases, are theirs."""
    own = name.rpartition("/")[2]
    if own in ("weight", "mod_weight") and tensor.ndim > 1:
        tensor = tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor.T
    if "Conv0_up/weight" in name:  # a transposed convolution's, which meets the map the other way round
        tensor = tensor.flip(2, 3)
    if own == "mod_bias":
        tensor = tensor + 1
    if found := re.fullmatch(r"mapping/Dense(\d+)/(weight|bias)", name):
        return f"mapping.fc{found[1]}.{found[2]}", tensor
    if found := re.fullmatch(r"synthesis/noise(\d+)", name):
        return f"{_convolution(int(found[1]))}.noise_const", tensor[0, 0]
    if name == "synthesis/4x4/Const/const":
        return "synthesis.b4.const", tensor[0]
    if found := re.fullmatch(r"synthesis/(\d+)x\1/(Conv|Conv0_up|Conv1|ToRGB)/(.+)", name):
        layer = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb"}[found[2]]
        part = found[3].replace("mod_", "affine.")
        return f"synthesis.b{found[1]}.{layer}.{part}", tensor
    return name, tensor


def _renamed(name: str) -> str:
    if name == "input.input":
        return "synthesis.b4.const"
    if found := re.fullmatch(r"style\.(\d+)\.(weight|bias)", name):  # the first of them normalises
        return f"mapping.fc{int(found[1]) - 1}.{found[2]}"
    if found := re.fullmatch(r"noises\.noise_(\d+)", name):
        return f"{_convolution(int(found[1]))}.noise_const"
    if found := re.fullmatch(r"(?:conv1|convs\.(\d+))\.(.+)", name):
        return f"{_convolution(0 if found[1] is None else int(found[1]) + 1)}.{_LAYER.get(found[2], found[2])}"
    if found := re.fullmatch(r"(?:to_rgb1|to_rgbs\.(\d+))\.(.+)", name):
        block = 0 if found[1] is None else int(found[1]) + 1
        return f"synthesis.b{4 << block}.torgb.{_LAYER.get(found[2], found[2])}"
    return name


def _convolution(number: int) -> str:
    """NVIDIA's name of a convolution, counted from the coarsest: one at 4x4, two at every later side."""
    side = 4 << (number + 1) // 2
    return f"synthesis.b{side}.conv{0 if number % 2 else 1}"

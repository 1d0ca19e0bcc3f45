"""The namings of StyleGAN generators' tensors: that of their first PyTorch conversion, and NVIDIA's in TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from bigprior.errors import WeightsError

#: What files hold beside the weights that make a picture of a code.
_LEFT_OUT = re.compile(r"(intermediate|blur)\.kernel$|^truncation\.|(^|/)(dlatent_avg|lod)$|ToRGB_lod[1-9]\d*/|^style_")
#: TensorFlow's names of what a layer holds, by the name of its layer, as those of the conversion.
_PARTS = {"Const": "1", "Conv0_up": "1", "Conv": "2", "Conv1": "2"}


def canonical(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the first conversion's names, whichever of the two namings a file has.

    Raises:
        WeightsError: neither; or a network whose blur follows its bias, which makes other pictures at its edges.
    """
    state = {k.removeprefix("module."): v for k, v in state.items() if not _LEFT_OUT.search(k)}
    state = {re.sub("^(mapping|synthesis)/", r"G_\1/", k): v for k, v in state.items()}  # as NVIDIA's pickles have it
    if "G_synthesis/4x4/Const/const" in state:
        return dict(_from_tensorflow(name, tensor) for name, tensor in state.items())
    if any(name.startswith("generator.progression.") for name in state):
        raise WeightsError(
            "this StyleGAN blurs its biases, as Rosinality's code does: expected NVIDIA's own, or a conversion of it"
        )
    if "g_synthesis.blocks.4x4.const" not in state:
        raise WeightsError("not a StyleGAN generator: no tensor g_synthesis.blocks.4x4.const, nor TensorFlow's")
    return state


def _from_tensorflow(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    """``G_synthesis/8x8/Conv0_up/StyleMod/weight``, its kernel's axes in TensorFlow's order."""
    if name.endswith("/weight") and tensor.ndim == 4:
        tensor = tensor.permute(3, 2, 0, 1)
    elif name.endswith("/weight") and tensor.ndim == 2:
        tensor = tensor.T
    if found := re.fullmatch(r"G_mapping/Dense(\d+)/(weight|bias)", name):
        return f"g_mapping.dense{found[1]}.{found[2]}", tensor
    if found := re.fullmatch(r"G_synthesis/noise(\d+)", name):
        side = 4 << int(found[1]) // 2
        return f"g_synthesis.blocks.{side}x{side}.epi{int(found[1]) % 2 + 1}.top_epi.noise.noise", tensor
    if found := re.fullmatch(r"G_synthesis/ToRGB_lod0/(weight|bias)", name):
        return f"g_synthesis.torgb.{found[1]}", tensor
    if found := re.fullmatch(r"G_synthesis/(\d+x\d+)/(Const|Conv|Conv0_up|Conv1)/(.+)", name):
        block, layer, own = f"g_synthesis.blocks.{found[1]}", found[2], found[3]
        if own == "Noise/weight":
            return f"{block}.epi{_PARTS[layer]}.top_epi.noise.weight", tensor
        if own.startswith("StyleMod/"):
            return f"{block}.epi{_PARTS[layer]}.style_mod.lin.{own.removeprefix('StyleMod/')}", tensor
        return f"{block}.{'' if layer == 'Const' else layer.lower() + '.'}{own}", tensor
    return name, tensor

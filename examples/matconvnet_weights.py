"""Convert denoisers that were published for MatConvNet, FFDNet and DnCNN, to weights that `--prior` takes.

python examples/matconvnet_weights.py FFDNet_color.mat ffdnet_color.safetensors
bigprior denoise photo.png --prior ffdnet_color.safetensors

The files are in the authors' repositories, FFDNet and DnCNN of cszn; they say nothing of terms. Needs h5py.
"""

import argparse
from pathlib import Path

import h5py
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

#: Of a square of four pixels MATLAB counts columns first, and torch rows.
COLUMNS_FIRST = [0, 2, 1, 3]


def tensors_of(path: Path) -> dict[str, Tensor]:
    """Weights and biases, as the authors' PyTorch code calls them: the convolutions are model.0, model.2, ..."""
    state: dict[str, Tensor] = {}
    with h5py.File(path) as file:
        layers = [file[reference] for reference in np.ravel(file["net/layers"])]
        kinds = [bytes(np.ravel(layer["type"]).astype(np.uint8)).decode() for layer in layers]
        for layer, kind in zip(layers, kinds, strict=True):
            if kind == "conv":
                # MATLAB stores rows last, so that kernels lie on their side.
                weight, bias = (torch.from_numpy(file[reference][()]) for reference in np.ravel(layer["weights"]))
                name = f"model.{len(state)}"
                state |= {f"{name}.weight": weight.transpose(2, 3).contiguous(), f"{name}.bias": bias.flatten()}
    if "SubP" in kinds:  # FFDNet: the picture goes in as four small ones
        first, last = (f"model.{number}" for number in (0, len(state) - 2))
        order = four_of_each(len(state[f"{last}.bias"]))
        state[f"{first}.weight"][:, : len(order)] = state[f"{first}.weight"][:, order]
        for name in (f"{last}.weight", f"{last}.bias"):
            state[name] = state[name][order]
    return {name: tensor.contiguous() for name, tensor in state.items()}


def four_of_each(channels: int) -> list[int]:
    """Where torch's small pictures are among MATLAB's."""
    return [4 * (channel // 4) + COLUMNS_FIRST[channel % 4] for channel in range(channels)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="the .mat file")
    parser.add_argument("output", type=Path, help="the .safetensors file")
    arguments = parser.parse_args()
    save_file(tensors_of(arguments.source), arguments.output)

"""Models as users have them: small, random, and made here."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

#: A small network of each architecture: its settings, and the task that it can do.
SMALL: dict[str, tuple[dict[str, Any], str]] = {
    "SCUNet": ({"config": [1] * 7, "dim": 64}, "denoising"),
    "NAFNet": ({"width": 4, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]}, "denoising"),
    "SwinIR": ({"depths": [1], "num_heads": [2], "embed_dim": 8, "window_size": 8, "upscale": 1}, "denoising"),
    "DRUNet": ({"in_nc": 4, "out_nc": 3, "nc": [4, 4, 4, 4], "nb": 2}, "denoising"),
    "DnCNN": ({"in_nc": 3, "out_nc": 3, "nc": 4, "nb": 9, "act_mode": "R"}, "denoising"),
    "FBCNN": ({"nc": [4, 4, 4, 512], "nb": 2}, "denoising"),
    "LaMa": ({"in_nc": 4, "out_nc": 3}, "inpainting"),
}


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``weights(architecture, **settings)``: a file of a small random network of one that spandrel knows."""
    pytest.importorskip("spandrel", reason="needs spandrel: pip install 'bigprior[models]'")
    folder, made = tmp_path_factory.mktemp("weights"), dict[str, Path]()

    def make(architecture: str, suffix: str = ".safetensors", **settings: Any) -> Path:
        name = "-".join([architecture, *(f"{k}{v}" for k, v in settings.items())])
        path = folder / f"{name}{suffix}"
        if name + suffix not in made:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = import_module(f"spandrel.architectures.{architecture}")
                torch.manual_seed(0)
                network: nn.Module = getattr(module, architecture)(**(SMALL[architecture][0] | settings))
            state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            if suffix == ".safetensors":
                save_file(state, path)
            else:
                torch.save({"params": state}, path)
            made[name + suffix] = path
        return made[name + suffix]

    return make


class Scripted(nn.Module):
    """A sharpening that may be told of noise."""

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """A picture a little lighter, the more noise there is."""
        return x + 0.5 * sigma.view(-1, 1, 1, 1)


class ScriptedFill(nn.Module):
    """Fills holes with one colour."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Green where there is a hole."""
        green = torch.tensor([0.1, 0.8, 0.2]).view(1, 3, 1, 1)
        return image * (1 - mask) + green * mask


@pytest.fixture
def script(tmp_path: Path) -> Callable[[nn.Module], Path]:
    """``script(network)``: its TorchScript file."""

    def make(network: nn.Module) -> Path:
        path = tmp_path / "model.pt"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.script(network.eval()).save(str(path))
        return path

    return make


@pytest.fixture
def graph(tmp_path: Path) -> Callable[..., Path]:
    """``graph(nodes, inputs, ...)``: an ONNX file of operations, the last of which gives ``out``."""
    onnx = pytest.importorskip("onnx", reason="needs onnx and onnxruntime: pip install 'bigprior[dev]'")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'bigprior[models]'")
    helper = onnx.helper

    def make(
        nodes: list[tuple[Any, ...]],
        inputs: dict[str, list[Any]],
        constants: dict[str, Any] | None = None,
        kind: int = onnx.TensorProto.FLOAT,
        domain: str = "",
    ) -> Path:
        made = [helper.make_node(n[0], n[1], n[2], domain=domain, **(n[3] if len(n) > 3 else {})) for n in nodes]
        given = [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()]
        out = [helper.make_tensor_value_info("out", kind, None)]
        stored = [onnx.numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
        opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
        model = helper.make_model(helper.make_graph(made, "Tiny", given, out, stored), opset_imports=opsets)
        model.ir_version = 8
        path = tmp_path / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return make

"""StyleGAN's generator, against a slow formula of its definition, and the namings of its files."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d, correlate2d
from torch import Tensor

from bigprior.errors import SettingsError, WeightsError
from bigprior.io.weights import read_tensors
from bigprior.networks.generators import StyleGAN

SMALL = {"resolution": 16, "input_dim": 5, "w_dim": 6, "mapping_layers": 3, "fmap_base": 64, "fmap_max": 8}


def built(**changes: int) -> StyleGAN:
    """With noise, biases and styles that matter."""
    torch.manual_seed(5)
    generator = StyleGAN(**{**SMALL, **changes}).eval()
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith(("noise.weight", ".bias")):
                parameter.add_(0.3 * torch.randn_like(parameter) / (0.01 if name.startswith("g_mapping") else 1))
    return generator


def slow(state: dict[str, Tensor], z: Tensor) -> np.ndarray:
    """Codes (N, input_dim) to pictures (N, 3, R, R) in [-1, 1], as the paper and NVIDIA's code define them."""
    p = {name: tensor.double().numpy() for name, tensor in state.items()}
    side = max(int(name.split(".")[2].split("x")[0]) for name in p if ".blocks." in name)
    blur = np.outer([1, 2, 1], [1, 2, 1]) / 16

    def linear(x: np.ndarray, name: str, gain: float, rate: float) -> np.ndarray:
        weight = p[f"{name}.weight"]
        return weight @ x * gain * rate / math.sqrt(weight.shape[1]) + p[f"{name}.bias"] * rate

    def convolved(x: np.ndarray, name: str, gain: float = math.sqrt(2), flipped: bool = False) -> np.ndarray:
        weight = p[f"{name}.weight"]
        way = convolve2d if flipped else correlate2d
        total = [sum(way(x[i], own[i], mode="same") for i in range(len(x))) for own in weight]
        return np.stack(total) * gain / math.sqrt(weight[0].size)

    def epilogue(x: np.ndarray, name: str, bias: np.ndarray, w: np.ndarray) -> np.ndarray:
        noise = p[f"{name}.top_epi.noise.weight"][:, None, None] * p[f"{name}.top_epi.noise.noise"][0]
        x = x + noise + bias[:, None, None]
        x = np.where(x < 0, 0.2 * x, x)
        x = (x - x.mean(axis=(1, 2), keepdims=True)) / np.sqrt(x.var(axis=(1, 2), keepdims=True) + 1e-8)
        style = linear(w, f"{name}.style_mod.lin", 1, 1).reshape(2, len(x))
        return x * (style[0] + 1)[:, None, None] + style[1][:, None, None]

    pictures = []
    for code in z.double().numpy():
        w = code / np.sqrt((code**2).mean() + 1e-8)
        for i in range(sum(name.startswith("g_mapping") for name in p) // 2):
            w = linear(w, f"g_mapping.dense{i}", math.sqrt(2), 0.01)
            w = np.where(w < 0, 0.2 * w, w)
        block = "g_synthesis.blocks.4x4"
        x = epilogue(p[f"{block}.const"][0], f"{block}.epi1", p[f"{block}.bias"], w)
        x = epilogue(convolved(x, f"{block}.conv"), f"{block}.epi2", p[f"{block}.conv.bias"], w)
        at = 8
        while at <= side:
            block = f"g_synthesis.blocks.{at}x{at}"
            x = x.repeat(2, axis=1).repeat(2, axis=2)
            x = convolved(x, f"{block}.conv0_up", flipped=at >= 128)
            x = np.stack([correlate2d(channel, blur, mode="same") for channel in x])
            x = epilogue(x, f"{block}.epi1", p[f"{block}.conv0_up.bias"], w)
            x = epilogue(convolved(x, f"{block}.conv1"), f"{block}.epi2", p[f"{block}.conv1.bias"], w)
            at *= 2
        bias = p["g_synthesis.torgb.bias"][:, None, None]
        pictures.append(convolved(x, "g_synthesis.torgb", gain=1) + bias)
    return np.stack(pictures)


@pytest.mark.parametrize("resolution", [16, 128])
@torch.no_grad()
def test_it_computes_its_definition(resolution: int) -> None:
    """Sides from 128 on are upsampled and convolved at once, with the kernel the other way round."""
    network, z = built(resolution=resolution, fmap_base=256, fmap_max=4), torch.randn(1, 5)
    wanted = torch.from_numpy(slow(network.state_dict(), z))
    torch.testing.assert_close(network.double()(z.double()) * 2 - 1, wanted, atol=1e-9, rtol=1e-9)


@torch.no_grad()
def test_a_style_for_all_layers_or_for_each_makes_the_codes_picture() -> None:
    network = built()
    z = network.draw(2, torch.Generator().manual_seed(1))
    for latent, length in (("w", 6), ("w+", 36)):
        other = network.in_space(latent)  # type: ignore[arg-type]
        assert other.z_dim == length and network.latent == "z"
        torch.testing.assert_close(other(other.draw(2, torch.Generator().manual_seed(1))), network(z))


# Files


def tensorflow(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same under the names, and in the order of axes, of NVIDIA's TensorFlow networks."""
    layers = {"const": "Const", "conv": "Conv", "conv0_up": "Conv0_up", "conv1": "Conv1"}
    found = {"lod": torch.zeros(()), "dlatent_avg": torch.zeros(6), "G_synthesis/ToRGB_lod1/bias": torch.zeros(3)}
    for name, tensor in state.items():
        parts = name.split(".")
        if tensor.ndim == 4 and name.endswith("weight"):
            tensor = tensor.permute(2, 3, 1, 0)
        elif tensor.ndim == 2:
            tensor = tensor.T
        if parts[0] == "g_mapping":
            new = f"G_mapping/{parts[1].title()}/{parts[2]}"
        elif parts[1] == "torgb":
            new = f"G_synthesis/ToRGB_lod0/{parts[2]}"
        elif parts[-2:] == ["noise", "noise"]:
            new = f"G_synthesis/noise{2 * int(math.log2(int(parts[2].split('x')[0]))) - 4 + int(parts[3][-1]) - 1}"
        else:
            block, own = parts[2], parts[3:]
            first, second = ("Const", "Conv") if block == "4x4" else ("Conv0_up", "Conv1")
            if own[0].startswith("epi"):
                what = "Noise/weight" if own[1] == "top_epi" else f"StyleMod/{own[-1]}"
                new = f"G_synthesis/{block}/{first if own[0] == 'epi1' else second}/{what}"
            else:
                new = f"G_synthesis/{block}/{'Const/' + own[0] if len(own) == 1 else layers[own[0]] + '/' + own[1]}"
        found[new] = tensor
    return found


@torch.no_grad()
def test_the_files_of_the_first_conversion_and_of_nvidias_networks_make_the_same_picture(tmp_path: Path) -> None:
    network, z = built(), torch.randn(2, 5)
    state = network.state_dict()
    torch.save({"module." + k: v for k, v in state.items()}, tmp_path / "a.pt")
    torch.save(tensorflow(state), tmp_path / "b.pt")
    assert "G_synthesis/noise5" in tensorflow(state) and "G_synthesis/8x8/Conv0_up/StyleMod/weight" in tensorflow(state)
    inner = {k.replace("G_", "", 1): v for k, v in tensorflow(state).items()}  # as they are pickled, part by part
    torch.save([{"g": torch.zeros(1)}, {"d": torch.zeros(1)}, inner], tmp_path / "c.pt")
    for file in ("a.pt", "b.pt", "c.pt"):
        again = StyleGAN.from_state_dict(read_tensors(tmp_path / file))
        assert again.settings == network.settings
        torch.testing.assert_close(again(z), network(z), atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_file_without_noise_makes_the_same_picture_every_time() -> None:
    state = {k: v for k, v in built().state_dict().items() if not k.endswith(".noise.noise")}
    blurs = {"g_synthesis.blocks.8x8.conv0_up.intermediate.kernel": torch.ones(1, 1, 3, 3)}
    z = torch.randn(1, 5)
    assert torch.equal(StyleGAN.from_state_dict(state)(z), StyleGAN.from_state_dict(state | blurs)(z))


def test_the_defaults_are_those_of_the_published_network() -> None:
    with torch.device("meta"):
        network = StyleGAN(1024)
    assert network.widths == (512, 512, 512, 512, 256, 128, 64, 32, 16) and network.styles == 18
    noise = sum(v.numel() for k, v in network.state_dict().items() if k.endswith(".noise.noise"))
    coarser = sum(3 * width + 3 for width in network.widths[:-1])  # outputs of lower sides, which theirs has beside
    # NVIDIA's count of this generator's parameters, and its noise.
    assert sum(p.numel() for p in network.parameters()) + coarser == 26_219_627 and noise == 2_796_192


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "no tensor g_synthesis.blocks.4x4.const"),
        ({"generator.progression.0.conv1.input": torch.ones(1)}, "blurs its biases"),
        ({"g_synthesis.blocks.4x4.const": torch.ones(1)}, r"convolutions of sides \[\]"),
        (built().state_dict() | {"g_synthesis.torgb.bias": torch.ones(1)}, r"unexpected 'g_synthesis\.torgb\.bias'"),
        (built().state_dict() | {"g_synthesis.more": torch.ones(1)}, r"unexpected 'g_synthesis\.more'"),
        (
            {k: v for k, v in built().state_dict().items() if "dense0" not in k},
            r"no tensor 'g_mapping\.dense0\.weight'",
        ),
    ],
    ids=range(6),
)
def test_strangers_are_refused(change: dict[str, Tensor], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        StyleGAN.from_state_dict(change)


def test_a_side_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(SettingsError, match="resolution is 48"):
        StyleGAN(48)

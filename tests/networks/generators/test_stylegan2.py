"""StyleGAN2's generator, against a slow formula that goes value by value of its definition, and both files' namings."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.signal import convolve2d, correlate2d
from torch import Tensor

from bigprior.degradations import Denoising
from bigprior.errors import SettingsError, WeightsError
from bigprior.io.weights import read_tensors
from bigprior.networks.generators import StyleGAN2
from bigprior.priors.gan import GANPrior
from bigprior.priors.inversion import InversionSettings

SMALL = {"resolution": 16, "input_dim": 5, "w_dim": 6, "mapping_layers": 3, "fmap_base": 64, "fmap_max": 8}


@pytest.fixture
def network() -> StyleGAN2:
    """With noise, biases and styles that matter."""
    torch.manual_seed(5)
    generator = StyleGAN2(**SMALL).eval()
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith(("noise_strength", ".bias")):
                parameter.add_(0.3 * torch.randn_like(parameter) / (0.01 if name.startswith("mapping") else 1))
    return generator


# The definition, in double precision and in loops


def slow(state: dict[str, Tensor], z: Tensor) -> np.ndarray:
    """Codes (N, input_dim) to pictures (N, 3, R, R) in [-1, 1], as the paper and NVIDIA's code define them."""
    p = {name: tensor.double().numpy() for name, tensor in state.items()}
    side = max(int(name.split(".")[1][1:]) for name in p if name.startswith("synthesis"))
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64

    def linear(x: np.ndarray, name: str, rate: float) -> np.ndarray:
        weight = p[f"{name}.weight"] * rate / np.sqrt(p[f"{name}.weight"].shape[1])
        return weight @ x + p[f"{name}.bias"] * rate

    def activated(x: np.ndarray) -> np.ndarray:
        return np.where(x < 0, 0.2 * x, x) * np.sqrt(2)

    def upsampled(x: np.ndarray, before: int, after: int) -> np.ndarray:
        """Zeros between the values, a border, and the filter."""
        apart = np.zeros((len(x), 2 * x.shape[1], 2 * x.shape[2]))
        apart[:, ::2, ::2] = x
        padded = np.pad(apart, ((0, 0), (before, after), (before, after)))
        return np.stack([correlate2d(channel, 4 * taps, mode="valid") for channel in padded])

    def convolved(x: np.ndarray, name: str, w: np.ndarray, up: bool) -> np.ndarray:
        kernel = p[f"{name}.weight"] * linear(w, f"{name}.affine", 1)[:, None, None]
        kernel = kernel / np.sqrt((kernel**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
        if up:  # the kernel is that of a transposed convolution, so that it meets the map the other way round
            x, way = upsampled(x, 3, 2), convolve2d
        else:
            x, way = np.pad(x, ((0, 0), (1, 1), (1, 1))), correlate2d
        total = [sum(way(x[i], own[i], mode="valid") for i in range(len(x))) for own in kernel]
        noise = p[f"{name}.noise_const"] * p[f"{name}.noise_strength"]
        return activated(np.stack(total) + noise + p[f"{name}.bias"][:, None, None])

    def painted(x: np.ndarray, name: str, w: np.ndarray) -> np.ndarray:
        scale = linear(w, f"{name}.affine", 1) / np.sqrt(len(x))
        return np.einsum("oi,ihw->ohw", p[f"{name}.weight"][:, :, 0, 0] * scale, x) + p[f"{name}.bias"][:, None, None]

    pictures = []
    for code in z.double().numpy():
        w = code / np.sqrt((code**2).mean() + 1e-8)
        for i in range(sum(name.startswith("mapping") for name in p) // 2):
            w = activated(linear(w, f"mapping.fc{i}", 0.01))
        x = convolved(p["synthesis.b4.const"], "synthesis.b4.conv1", w, up=False)
        picture, at = painted(x, "synthesis.b4.torgb", w), 8
        while at <= side:
            x = convolved(x, f"synthesis.b{at}.conv0", w, up=True)
            x = convolved(x, f"synthesis.b{at}.conv1", w, up=False)
            picture = upsampled(picture, 2, 1) + painted(x, f"synthesis.b{at}.torgb", w)
            at *= 2
        pictures.append(picture)
    return np.stack(pictures)


@torch.no_grad()
def test_it_computes_its_definition(network: StyleGAN2) -> None:
    z = torch.randn(3, 5)
    wanted = torch.from_numpy(slow(network.state_dict(), z))
    torch.testing.assert_close(network.double()(z.double()) * 2 - 1, wanted, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(network.float()(z) * 2 - 1, wanted.float(), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_noise_is_an_input_that_stays(network: StyleGAN2) -> None:
    z = torch.randn(1, 5)
    before = network(z)
    layer = network.synthesis["b8"].conv1
    layer.noise_const.add_(1)
    assert (network(z) - before).abs().mean() > 0.01
    layer.noise_strength.zero_()
    silent = network(z)
    layer.noise_const.add_(1)
    assert torch.equal(network(z), silent)


@torch.no_grad()
def test_maps_carry_the_picture_so_far_from_layer_2_on(network: StyleGAN2) -> None:
    sides = [4, 4, 8, 8, 16, 16]
    for layer, side in enumerate(sides):
        state = network.first(torch.randn(2, 5), layer)
        extra = 3 if layer > 1 else 0
        assert state.features.shape == (2, network.widths[layer // 2] + extra, side, side)
        assert state.style is not None and state.style.shape == (2, 6, 6)


# Latent spaces


@torch.no_grad()
def test_a_style_for_all_layers_or_for_each_makes_the_codes_picture(network: StyleGAN2) -> None:
    z = network.draw(3, torch.Generator().manual_seed(1))
    w, plus = network.in_space("w"), network.in_space("w+")
    assert (network.z_dim, w.z_dim, plus.z_dim) == (5, 6, 36)
    torch.testing.assert_close(w(w.draw(3, torch.Generator().manual_seed(1))), network(z))
    torch.testing.assert_close(plus(plus.draw(3, torch.Generator().manual_seed(1))), network(z))
    assert (w.settings["latent"], network.settings["latent"]) == ("w", "z")  # the first one is as it was
    styles = plus.draw(1, torch.Generator().manual_seed(1)).view(1, 6, 6)
    styles[:, 5] += 1  # of the last output alone
    changed = plus(styles.flatten(1))
    assert not torch.allclose(changed, network(z[:1]))
    torch.testing.assert_close(plus.first(styles.flatten(1), 5).features, network.first(z[:1], 5).features)


def test_a_style_for_each_layer_reaches_more(network: StyleGAN2) -> None:
    y = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2))

    def loss(latent: str) -> float:
        settings = InversionSettings(codes=1, layer=0, steps=60, code_every=1, perceptual=0, precision="fp32")
        history = GANPrior(network.in_space(latent), settings).project(Denoising().measure(y)).history  # type: ignore[arg-type]
        assert history is not None
        return history[-1].item()

    assert loss("w+") < 0.9 * loss("w")


# Files


def rosinality(seed: int = 3) -> dict[str, Tensor]:
    """A random generator of side 16 with the names and shapes of Rosinality's files."""
    rng = torch.Generator().manual_seed(seed)
    state = {"input.input": torch.randn(1, 8, 4, 4, generator=rng)}

    def add(name: str, *shape: int, scale: float = 1.0) -> None:
        state[name] = scale * torch.randn(*shape, generator=rng)

    def convolution(name: str, c_in: int, c_out: int, side: int) -> None:
        add(f"{name}.conv.weight", 1, c_out, c_in, side, side)
        add(f"{name}.conv.modulation.weight", c_in, 6)
        add(f"{name}.conv.modulation.bias", c_in)

    for i in (1, 2):
        add(f"style.{i}.weight", 6, 5 if i == 1 else 6, scale=100)
        add(f"style.{i}.bias", 6, scale=10)
    widths = [8, 8, 4]
    layers = [("conv1", 8, 8), ("convs.0", 8, 8), ("convs.1", 8, 8), ("convs.2", 8, 4), ("convs.3", 4, 4)]
    for name, c_in, c_out in layers:
        convolution(name, c_in, c_out, 3)
        add(f"{name}.noise.weight", 1)
        add(f"{name}.activate.bias", c_out)
    for name, width in zip(("to_rgb1", "to_rgbs.0", "to_rgbs.1"), widths, strict=True):
        convolution(name, width, 3, 1)
        add(f"{name}.bias", 1, 3, 1, 1)
    for i, side in enumerate((4, 8, 8, 16, 16)):
        add(f"noises.noise_{i}", 1, 1, side, side)
    taps = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64
    for name in ("convs.0.conv.blur.kernel", "convs.2.conv.blur.kernel", "to_rgbs.0.upsample.kernel"):
        state[name] = 4 * taps
    return state


def rosinality_forward(state: dict[str, Tensor], z: Tensor) -> Tensor:
    """The forward pass of Rosinality's code: a kernel a picture, groups, transposed convolutions, blurs."""
    taps = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 16

    def linear(x: Tensor, name: str, rate: float) -> Tensor:
        weight = state[f"{name}.weight"]
        return F.linear(x, weight * rate / weight.shape[1] ** 0.5, state[f"{name}.bias"] * rate)

    def filtered(x: Tensor, before: int, after: int) -> Tensor:
        flat = F.pad(x, (before, after, before, after)).flatten(0, 1)[:, None]
        return F.conv2d(flat, taps[None, None]).unflatten(0, x.shape[:2]).squeeze(2)

    def modulated(x: Tensor, name: str, w: Tensor, demodulate: bool, up: bool) -> Tensor:
        weight, n = state[f"{name}.conv.weight"], len(x)
        weight = weight / weight[0, 0].numel() ** 0.5 * linear(w, f"{name}.conv.modulation", 1)[:, None, :, None, None]
        if demodulate:
            weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
        flat = x.reshape(1, -1, *x.shape[2:])
        if not up:
            out = F.conv2d(flat, weight.flatten(0, 1), padding=weight.shape[-1] // 2, groups=n)
            return out.view(n, -1, *out.shape[2:])
        out = F.conv_transpose2d(flat, weight.transpose(1, 2).flatten(0, 1), stride=2, groups=n)
        return filtered(out.view(n, -1, *out.shape[2:]), 1, 1)

    def layer(x: Tensor, name: str, w: Tensor, noise: int, up: bool = False) -> Tensor:
        x = modulated(x, name, w, True, up) + state[f"{name}.noise.weight"] * state[f"noises.noise_{noise}"]
        return F.leaky_relu(x + state[f"{name}.activate.bias"][:, None, None], 0.2) * 2**0.5

    def to_rgb(x: Tensor, name: str, w: Tensor, skip: Tensor | None) -> Tensor:
        out = modulated(x, name, w, False, False) + state[f"{name}.bias"]
        if skip is None:
            return out
        apart = torch.zeros(*skip.shape[:2], 2 * skip.shape[2], 2 * skip.shape[3])
        apart[..., ::2, ::2] = skip
        return out + filtered(apart, 2, 1)

    w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
    for i in (1, 2):
        w = F.leaky_relu(linear(w, f"style.{i}", 0.01), 0.2) * 2**0.5
    x = layer(state["input.input"].repeat(len(z), 1, 1, 1), "conv1", w, 0)
    skip = to_rgb(x, "to_rgb1", w, None)
    for block in range(2):
        x = layer(x, f"convs.{2 * block}", w, 2 * block + 1, up=True)
        x = layer(x, f"convs.{2 * block + 1}", w, 2 * block + 2)
        skip = to_rgb(x, f"to_rgbs.{block}", w, skip)
    return skip


@torch.no_grad()
def test_rosinalitys_naming_loads_and_makes_its_pictures(tmp_path: Path) -> None:
    state, z = rosinality(), torch.randn(2, 5)
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "stylegan2.pt")
    network = StyleGAN2.from_state_dict(read_tensors(tmp_path / "stylegan2.pt"))
    assert network.settings == {**SMALL, "mapping_layers": 2, "latent": "z"}
    wanted = rosinality_forward(state, z)
    assert wanted.std() > 0.3
    torch.testing.assert_close(network(z) * 2 - 1, wanted, atol=1e-5, rtol=1e-5)


def tensorflow(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same under the names, and in the order of axes, of NVIDIA's TensorFlow networks."""
    found = {"dlatent_avg": torch.zeros(6), "synthesis/lod": torch.zeros(())}
    for name, tensor in state.items():
        parts = name.split(".")
        if tensor.ndim == 2 and parts[-1] == "weight":
            tensor = tensor.T
        if parts[0] == "mapping":
            found[f"mapping/Dense{parts[1][2:]}/{parts[2]}"] = tensor
            continue
        side, layer, own = int(parts[1][1:]), parts[2], ".".join(parts[3:])
        if layer == "const":
            found["synthesis/4x4/Const/const"] = tensor[None]
        elif own == "noise_const":
            found[f"synthesis/noise{2 * (side.bit_length() - 3) - (layer == 'conv0')}"] = tensor[None, None]
        else:
            theirs = {"conv0": "Conv0_up", "conv1": "Conv" if side == 4 else "Conv1", "torgb": "ToRGB"}[layer]
            if own == "weight":
                tensor = (tensor.flip(2, 3) if layer == "conv0" else tensor).permute(2, 3, 1, 0)
            elif own.startswith("affine"):
                tensor = tensor - int(own == "affine.bias")
            found[f"synthesis/{side}x{side}/{theirs}/{own.replace('affine.', 'mod_')}"] = tensor
    return found


@torch.no_grad()
def test_nvidias_networks_of_tensorflow_make_the_same_picture(network: StyleGAN2) -> None:
    state = tensorflow(network.state_dict())
    assert {"synthesis/noise0", "synthesis/noise4", "synthesis/16x16/Conv0_up/mod_weight"} <= state.keys()
    again, z = StyleGAN2.from_state_dict(state), torch.randn(2, 5)
    torch.testing.assert_close(again(z), network(z), atol=1e-5, rtol=0)


@torch.no_grad()
def test_nvidias_pickle_loads_to_the_same_picture(network: StyleGAN2, tmp_path: Path, nvidia_pickle) -> None:  # type: ignore[no-untyped-def]
    nvidia_pickle(tmp_path / "network.pkl", network)
    torch.save({"g_ema": network.state_dict()}, tmp_path / "network.pt")
    z = torch.randn(2, 5)
    for file in ("network.pkl", "network.pt"):
        again = StyleGAN2.from_state_dict(read_tensors(tmp_path / file))
        torch.testing.assert_close(again(z), network(z), atol=1e-5, rtol=0)


@torch.no_grad()
def test_nvidias_naming_loads_with_what_is_beside_the_weights(network: StyleGAN2) -> None:
    taps = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64
    filters = {
        f"synthesis.b{side}.{part}resample_filter": taps for side in (8, 16) for part in ("", "conv0.", "conv1.")
    }
    beside = {"mapping.w_avg": torch.zeros(6), **filters}
    again, z = StyleGAN2.from_state_dict({**network.state_dict(), **beside}), torch.randn(2, 5)
    assert again.settings == network.settings
    assert torch.equal(again(z), network(z))


def test_the_defaults_are_those_of_the_published_networks() -> None:
    with torch.device("meta"):
        network = StyleGAN2(1024)
    assert (network.layers, network.styles) == (17, 18)
    assert network.widths == (512, 512, 512, 512, 512, 256, 128, 64, 32)
    assert sum(p.numel() for p in network.parameters()) == 30_370_060  # NVIDIA's count of this generator's parameters


def nvidia(**changes: Tensor | None) -> dict[str, Tensor]:
    state = StyleGAN2(**SMALL).state_dict() | {k.replace("_of_", "."): v for k, v in changes.items()}
    return {k: v for k, v in state.items() if v is not None}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "no tensor synthesis.b4.const, nor input.input"),
        ({"synthesis.b4.const": torch.ones(1)}, r"convolutions of sides \[\]"),
        (nvidia(synthesis_of_b8_of_conv1_of_weight=None), r"convolutions of sides \[4, 16\]"),
        (nvidia(mapping_of_fc0_of_weight=None), "no tensor 'mapping.fc0.weight'"),
        (nvidia(synthesis_of_b8_of_conv0_of_noise_const=None), "unexpected 'synthesis.b8.conv0.noise_const'"),
        (nvidia(synthesis_of_b8_of_torgb_of_bias=torch.ones(1)), "unexpected 'synthesis.b8.torgb.bias'"),
        (nvidia(synthesis_of_b8_of_skip_of_weight=torch.ones(1)), "unexpected 'synthesis.b8.skip.weight'"),
        (nvidia(mapping_of_embed_of_weight=torch.ones(6, 3)), "of given classes"),
        (nvidia(synthesis_of_b8_of_resample_filter=torch.ones(4, 4)), r"not the filter \[1, 3, 3, 1\]"),
        (
            {k: v for k, v in rosinality().items() if k != "noises.noise_2"},
            "unexpected 'synthesis.b8.conv1.noise_const'",
        ),
        (rosinality() | {"convs.1.strange": torch.ones(1)}, "unexpected 'synthesis.b8.conv1.strange'"),
    ],
    ids=range(11),
)
def test_strangers_are_refused(state: dict[str, Tensor], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        StyleGAN2.from_state_dict(state)


def test_settings_out_of_range_are_refused(network: StyleGAN2) -> None:
    with pytest.raises(SettingsError, match="resolution is 48"):
        StyleGAN2(48)
    with pytest.raises(SettingsError, match=r"latent is 'v': the known spaces are z, w, w\+"):
        network.in_space("v")  # type: ignore[arg-type]

"""Progressive GAN's generator, against a forward pass that is written out here, and the released files' naming."""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bigprior.errors import SettingsError, WeightsError
from bigprior.io.weights import read_tensors
from bigprior.networks.generators import PGGAN
from bigprior.networks.generators.pggan import _pixel_norm


def released_state(resolution: int = 256, base: int = 1024, most: int = 16, z_dim: int = 16) -> dict[str, Tensor]:
    """A random state dict with the names and shapes of the released files."""
    rng = torch.Generator().manual_seed(11)
    stages = int(math.log2(resolution)) - 1
    state = {"lod": torch.zeros(())}
    c_in = z_dim
    for i in range(2 * stages):
        c_out, side = min(base // (4 * 2 ** (i // 2)), most), 4 if i == 0 else 3
        state[f"layer{i}.conv.weight"] = torch.randn(c_out, c_in, side, side, generator=rng)
        state[f"layer{i}.wscale.bias"] = torch.randn(c_out, generator=rng) * 0.3
        c_in = c_out
        if i % 2:
            state[f"output{i // 2}.conv.weight"] = torch.randn(3, c_out, 1, 1, generator=rng)
            state[f"output{i // 2}.wscale.bias"] = torch.randn(3, generator=rng) * 0.3
    return state


def reference(state: dict[str, Tensor], z: Tensor) -> Tensor:
    """The whole forward pass as the released code does it, in double precision: (N, 3, H, W) in [-1, 1]."""
    state = {k: v.double() for k, v in state.items()}
    layers = sum(k.startswith("layer") for k in state) // 2

    def pixel_norm(x: Tensor) -> Tensor:
        return x / (x.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()

    def convolved(x: Tensor, name: str, gain: float, padding: int) -> Tensor:
        weight = state[f"{name}.conv.weight"]
        scale = gain / math.sqrt(weight[0].numel())
        return F.conv2d(x, weight, padding=padding) * scale + state[f"{name}.wscale.bias"].view(1, -1, 1, 1)

    x = z.double()[:, :, None, None]
    for i in range(layers):
        x = pixel_norm(x)
        if i >= 2 and i % 2 == 0:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = F.leaky_relu(convolved(x, f"layer{i}", math.sqrt(2), 3 if i == 0 else 1), 0.2)
    return convolved(pixel_norm(x), f"output{layers // 2 - 1}", 1, 0)


@pytest.mark.parametrize("resolution", [8, 16, 64, 256])
def test_the_released_naming_loads_and_computes_the_released_forward_pass(resolution: int) -> None:
    state = released_state(resolution)
    network = PGGAN.from_state_dict(state)
    z = torch.randn(2, 16)
    assert (network.resolution, network.layers) == (resolution, 2 * (int(math.log2(resolution)) - 1))
    with torch.no_grad():
        # The network's own range is [-1, 1]; ours is [0, 1].
        torch.testing.assert_close(network(z).double() * 2 - 1, reference(state, z), atol=1e-3, rtol=0)


def test_a_released_file_of_full_size_loads_and_samples() -> None:
    state = released_state(256, base=16384, most=512, z_dim=512)
    assert state["layer13.conv.weight"].shape == (64, 64, 3, 3)
    assert len(state) == 2 * 14 + 2 * 7 + 1
    network = PGGAN.from_state_dict(state)
    assert network.settings == {"resolution": 256, "z_dim": 512, "fmap_base": 16384, "fmap_max": 512}
    assert network.settings == PGGAN().settings  # the defaults are the released network
    with torch.no_grad():
        state = network.first(torch.randn(1, 512), 4)
        assert state.features.shape == (1, 512, 8, 8)
        assert network.first(torch.randn(1, 512), 6).features.shape == (1, 512, 16, 16)
        image = network.second(state, 4)
    assert image.shape == (1, 3, 256, 256)
    assert image.isfinite().all()


def test_the_released_naming_splits_at_every_layer() -> None:
    network = PGGAN.from_state_dict(released_state()).requires_grad_(False)
    z = torch.randn(1, 16)
    sides = [1, 4, 4, 8, 8, 16, 16, 32, 32, 64, 64, 128, 128, 256, 256]
    with torch.no_grad():
        whole = network(z)
        for layer, side in enumerate(sides):
            state = network.first(z, layer)
            assert state.style is None
            assert state.features.shape == (1, network.channels_at(layer), side, side)
            assert torch.equal(network.second(state, layer), whole)


def test_a_file_on_disk_and_the_prefix_of_parallel_training(tmp_path: Path) -> None:
    state = released_state(16)
    torch.save({f"module.{k}": v for k, v in state.items()}, tmp_path / "g.pth")
    z = torch.randn(1, 16)
    with torch.no_grad():
        loaded = PGGAN.from_state_dict(read_tensors(tmp_path / "g.pth"))(z)
        assert torch.equal(loaded, PGGAN.from_state_dict(state)(z))


@given(stage=st.integers(3, 6), z_dim=st.integers(1, 9), base=st.integers(8, 300), most=st.integers(1, 40))
def test_any_widths_are_read_off_the_tensors(stage: int, z_dim: int, base: int, most: int) -> None:
    resolution = 2**stage
    base = max(base, resolution)
    network = PGGAN(resolution, z_dim, base, most)
    again = PGGAN.from_state_dict(network.state_dict())
    assert (again.resolution, again.z_dim, again.widths) == (resolution, z_dim, network.widths)


def without(name: str) -> dict[str, Tensor]:
    return {k: v for k, v in released_state(16).items() if k != name}


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"weight": torch.ones(1)},
        {"layer0.conv.weight": torch.ones(4, 4, 4, 4)},
        {f"layer{i}.conv.weight": torch.ones(()) for i in range(6)},
        without("layer3.conv.weight"),
        without("layer3.wscale.bias"),
        without("layer0.conv.weight"),
        without("output2.conv.weight"),
        without("output2.wscale.bias"),
        released_state(16) | {"layer2.conv.weight": torch.ones(16, 16, 5, 5)},
        released_state(16) | {"layer2.conv.weight": torch.ones(7, 16, 3, 3)},
        released_state(16) | {"layer2.wscale.bias": torch.ones(7)},
        released_state(16) | {"layer2.style.weight": torch.ones(1)},
        released_state(16) | {"fc.weight": torch.ones(1)},
        released_state(16) | {"layer6.conv.weight": torch.ones(16, 16, 3, 3)},
    ],
    ids=range(15),
)
def test_strangers_are_refused(state: dict[str, Tensor]) -> None:
    with pytest.raises(WeightsError, match="not a Progressive GAN generator"):
        PGGAN.from_state_dict(state)


@pytest.mark.parametrize("resolution", [0, 4, 7, 48, 100, -8])
def test_a_side_that_is_no_power_of_two_is_refused(resolution: int) -> None:
    with pytest.raises(SettingsError, match=f"resolution is {resolution}"):
        PGGAN(resolution)


def test_the_gradient_is_that_of_the_reference(tiny_generator: PGGAN) -> None:
    z = torch.randn(2, 16)
    ours, theirs = z.clone().requires_grad_(), z.clone().requires_grad_()
    tiny_generator(ours).square().sum().backward()
    ((reference(tiny_generator.state_dict(), theirs) + 1) / 2).square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-3, rtol=1e-3)


def test_the_gradient_of_pixel_norm_is_that_of_its_differences() -> None:
    x = torch.randn(2, 5, 3, 2, dtype=torch.double, generator=torch.Generator().manual_seed(4)).requires_grad_()
    assert torch.autograd.gradcheck(_pixel_norm, x)
    assert _pixel_norm(x.bfloat16()).dtype == torch.bfloat16


def test_frozen_weights_that_change_are_used_as_they_are_now(tiny_generator: PGGAN) -> None:
    """Frozen layers keep what they prepare of their weights: it must never be older than the weights."""
    network, z = tiny_generator.requires_grad_(False), torch.randn(2, 16)
    network(z)
    network.load_state_dict(PGGAN(**network.settings).state_dict())
    torch.testing.assert_close(network(z).double() * 2 - 1, reference(network.state_dict(), z), atol=1e-4, rtol=0)
    for parameter in network.parameters():
        parameter.lerp_(torch.randn_like(parameter), 0.5)
    torch.testing.assert_close(network(z).double() * 2 - 1, reference(network.state_dict(), z), atol=1e-4, rtol=0)
    thawed = network(z)
    network.requires_grad_(True)
    torch.testing.assert_close(network(z), thawed, atol=1e-5, rtol=0)


def test_it_works_where_torch_keeps_no_count_of_changes(tiny_generator: PGGAN) -> None:
    with torch.inference_mode():
        network = PGGAN.from_state_dict(tiny_generator.state_dict()).requires_grad_(False)
        z = torch.randn(2, 16)
        first = network(z)
        assert torch.equal(network(z), first)
    torch.testing.assert_close(first, tiny_generator(z.clone()).detach(), atol=1e-5, rtol=0)


def test_an_optimiser_gets_every_parameter_once_and_moves_weights_as_used_alike(tiny_generator: PGGAN) -> None:
    groups = tiny_generator.parameter_groups(0.01)
    given_once = [p for group in groups for p in group["params"]]
    assert sorted(map(id, given_once)) == sorted(map(id, tiny_generator.parameters()))
    for group in groups:
        for parameter in group["params"]:
            # The gain is sqrt(2 / fan-in), and sqrt(1 / fan-in) for the 1x1 output.
            fan_in = parameter[0].numel() if parameter.ndim == 4 else 1
            gain = math.sqrt((1 if len(parameter) == 3 else 2) / fan_in) if parameter.ndim == 4 else 1
            assert group.get("lr", 0.01) * gain == pytest.approx(0.01)

"""The fusion of Eq. 5, and every registered network that predicts its weight."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bigprior.errors import UnknownNameError
from bigprior.fusion import PHI_NETWORKS, ConstantPhi, DnCNNPhi, UNetPhi, fuse, phi_network, predict_phi

every = pytest.mark.parametrize("kind", sorted(PHI_NETWORKS))


def made(kind: str) -> nn.Module:
    torch.manual_seed(7)
    return phi_network(kind).eval()


# fuse


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.sampled_from([1, 3]),
    scale=st.sampled_from([1e-44, 1e-38, 1.0, 1e30, 3e38]),
    seed=st.integers(0, 2**31),
)
def test_the_ends_of_phi_are_the_two_pictures_bit_for_bit(
    height: int, width: int, channels: int, scale: float, seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    fidelity, prior = (torch.rand(2, 2, 3, height, width, generator=rng) * 2 - 1).mul(scale)
    phi = torch.zeros(2, channels, height, width)
    assert torch.equal(fuse(fidelity, prior, phi), fidelity)
    assert torch.equal(fuse(fidelity, prior, phi + 1), prior)


def test_between_the_ends_it_is_equation_5() -> None:
    fidelity, prior, phi = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5), torch.rand(2, 1, 4, 5)
    torch.testing.assert_close(fuse(fidelity, prior, phi), torch.lerp(fidelity, prior, phi.expand(-1, 3, -1, -1)))


@given(phi=st.floats(0, 1, width=32), a=st.floats(0, 1, width=32), b=st.floats(0, 1, width=32))
def test_a_share_in_0_to_1_never_leaves_the_two_pictures(phi: float, a: float, b: float) -> None:
    out = fuse(torch.full((1, 3, 1, 1), a), torch.full((1, 3, 1, 1), b), torch.full((1, 1, 1, 1), phi))
    assert out.min() >= min(a, b) - 1e-7
    assert out.max() <= max(a, b) + 1e-7


# Every network


@every
@settings(max_examples=8)
@given(height=st.integers(1, 20), width=st.integers(1, 20), batch=st.integers(1, 2))
@example(height=1, width=1, batch=1)
@example(height=1, width=19, batch=1)
def test_phi_is_a_share_of_each_pixel_at_any_size(kind: str, height: int, width: int, batch: int) -> None:
    network = made(kind)
    with torch.no_grad():
        phi = network(torch.rand(batch, 3, height, width), torch.rand(batch, 3, height, width))
    assert phi.shape in [(batch, c, height, width) for c in (1, 3)]
    assert phi.min() >= 0
    assert phi.max() <= 1


@every
@pytest.mark.parametrize("fidelity", [0.0, 1e30, -1e30, 3e38, "noise"])
@pytest.mark.parametrize("prior", [0.5, 1e30, -3e38])
def test_phi_is_a_share_whatever_comes_in(kind: str, fidelity: float | str, prior: float) -> None:
    y = torch.randn(1, 3, 9, 10) * 1e20 if fidelity == "noise" else torch.full((1, 3, 9, 10), float(fidelity))
    with torch.no_grad():
        phi = made(kind)(y, torch.full((1, 3, 9, 10), prior))
    assert phi.isfinite().all()
    assert phi.min() >= 0
    assert phi.max() <= 1


@every
def test_a_network_is_built_again_from_its_settings(kind: str) -> None:
    network = made(kind)
    again = phi_network(kind, **network.settings)  # type: ignore[arg-type]
    again.load_state_dict(network.state_dict())
    y, prior = torch.rand(2, 1, 3, 8, 8)
    assert torch.equal(again.eval()(y, prior), network(y, prior))
    assert PHI_NETWORKS[kind].kind == kind


@every
def test_a_picture_does_not_depend_on_its_batch(kind: str) -> None:
    network = made(kind)
    y, prior = torch.rand(2, 3, 3, 12, 9)
    with torch.no_grad():
        whole = network(y, prior)
        alone = torch.cat([network(a[None], b[None]) for a, b in zip(y, prior, strict=True)])
    torch.testing.assert_close(whole, alone, atol=1e-5, rtol=0)


@every
@pytest.mark.parametrize(("height", "width", "tile", "halo"), [(70, 45, 32, 28), (33, 40, 32, 28), (5, 3, 32, 28)])
def test_tiles_leave_no_seam(kind: str, height: int, width: int, tile: int, halo: int) -> None:
    network = made(kind)
    y, prior = torch.rand(2, 1, 3, height, width)
    with torch.no_grad():
        whole = network(y, prior)
    tiled = predict_phi(network, y, prior, tile=tile, halo=halo)
    assert tiled.shape == whole.shape
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("widths", [(8,), (6, 8), (4, 6, 8), (4, 4, 6, 6)], ids=str)
@pytest.mark.parametrize("shuffle", [1, 2])
def test_tiles_leave_no_seam_however_deep_the_network(widths: tuple[int, ...], shuffle: int) -> None:
    torch.manual_seed(8)
    network = UNetPhi(widths, shuffle=shuffle).eval()
    for parameter in network.parameters():
        parameter.data.mul_(3)  # so that a seam would show
    y, prior = torch.rand(2, 1, 3, 200, 150)
    with torch.no_grad():
        whole = network(y, prior)
    assert whole.std() > 0.01
    torch.testing.assert_close(predict_phi(network, y, prior, tile=64), whole, atol=1e-5, rtol=0)


def test_tiling_asks_for_bounded_windows_and_no_gradient() -> None:
    sizes = []

    class Watching(ConstantPhi):
        def forward(self, fidelity: Tensor, prior: Tensor) -> Tensor:
            sizes.append(tuple(fidelity.shape[2:]))
            return super().forward(fidelity, prior) + fidelity[:, :1]

    y = torch.rand(1, 3, 100, 90, requires_grad=True)
    phi = predict_phi(Watching(0.0), y, y, tile=32, halo=8)
    assert torch.equal(phi, y[:, :1])
    assert not phi.requires_grad
    assert len(sizes) == 4 * 3
    assert max(max(s) for s in sizes) == 32 + 2 * 8


def test_an_unknown_kind_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=", ".join(sorted(PHI_NETWORKS))):
        phi_network("vit")


# Each network


def test_the_unet_judges_the_prior() -> None:
    network, y = made("unet"), torch.rand(1, 3, 8, 8)
    assert not torch.equal(network(y, y), network(y, 1 - y))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shuffle", [1, 2, 3])
@pytest.mark.parametrize(("height", "width"), [(6, 6), (1, 1), (7, 13)])
def test_a_share_a_pixel_or_a_share_a_colour(channels: int, shuffle: int, height: int, width: int) -> None:
    network = UNetPhi((4, 4), channels, shuffle)
    assert network(*torch.rand(2, 1, 3, height, width)).shape == (1, channels, height, width)
    again = phi_network("unet", **network.settings)
    again.load_state_dict(network.state_dict())


@pytest.mark.parametrize("channels_in", [1, 3])
def test_the_papers_network_is_17_layers_of_dncnn(channels_in: int) -> None:
    network = DnCNNPhi(channels_in, bounded=False).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2)
    state = network.state_dict()
    y, prior = torch.rand(2, 1, 3, 10, 11)
    x = start = y[:, :channels_in] - 0.5
    convolutions = 0
    for i in range(48):  # 0: convolution, 1: ReLU, then 15 triples, then the last convolution
        name = f"dncnn.{i}"
        if f"{name}.running_mean" in state:
            mean, var, gain, bias = (state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
            x = (x - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt() * gain[:, None, None] + bias[
                :, None, None
            ]
        elif f"{name}.weight" in state:
            x, convolutions = F.conv2d(x, state[f"{name}.weight"], padding=1), convolutions + 1
        else:
            x = x.clamp_min(0)
    assert convolutions == 17
    with torch.no_grad():
        phi = network(y, prior)
        torch.testing.assert_close(phi, start - x, atol=1e-5, rtol=1e-4)
        assert torch.equal(phi, network(y, 1 - prior))
        network.bounded = True
        torch.testing.assert_close(network(y, prior), torch.sigmoid(phi))


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_one_share_for_all(value: float) -> None:
    assert torch.equal(ConstantPhi(value)(*torch.rand(2, 2, 3, 4, 5)), torch.full((2, 1, 4, 5), value))


def test_a_share_near_one_still_learns_in_half_precision() -> None:
    network = UNetPhi((4, 8))
    with torch.no_grad():
        network.head.bias.fill_(9.0)
    with torch.autocast("cpu", torch.bfloat16):
        phi = network(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8))
    assert phi.dtype == torch.float32 and phi.max().item() < 1
    phi.sum().backward()
    assert network.head.bias.grad.abs().sum().item() > 0

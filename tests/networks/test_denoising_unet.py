"""The denoising U-Net: any size, any level of noise, what it is told, and how far it sees."""

import pytest
import torch
from deepinv.models import Denoiser
from hypothesis import given
from hypothesis import strategies as st

from bigprior.degradations import CONDITION_CHANNELS
from bigprior.errors import SettingsError, WeightsError
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.ops.tiling import in_tiles


@pytest.fixture(scope="module")
def network() -> DenoisingUNet:
    return random_network()


def random_network() -> DenoisingUNet:
    torch.manual_seed(5)
    network = DenoisingUNet(widths=(8, 12), blocks=1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval().requires_grad_(False)


@given(height=st.integers(1, 21), width=st.integers(1, 21), sigma=st.floats(0, 100))
def test_any_size_and_any_noise(height: int, width: int, sigma: float) -> None:
    out = random_network()(torch.rand(2, 3, height, width), sigma)
    assert out.shape == (2, 3, height, width) and bool(out.isfinite().all())


def test_it_is_a_deepinv_denoiser_of_one_level_or_one_a_picture(network: DenoisingUNet) -> None:
    assert isinstance(network, Denoiser)
    x = torch.rand(2, 3, 16, 16)
    each = network(x, torch.tensor([0.1, 0.3]))
    assert torch.allclose(each[:1], network(x[:1], 0.1), atol=1e-6)
    assert torch.allclose(each[1:], network(x[1:], torch.tensor(0.3)), atol=1e-6)


def test_a_picture_without_noise_comes_back(network: DenoisingUNet) -> None:
    x = torch.rand(1, 3, 16, 16)
    # At the smallest level the skip connection carries all but a thousandth.
    assert (network(x, 0.0) - x).abs().max() < 0.02


def test_a_new_network_is_the_best_linear_denoiser() -> None:
    x = torch.rand(1, 3, 8, 8)
    s, data = 2 * 0.2, 0.5
    expected = (data**2 / (s**2 + data**2) * (2 * x - 1) + 1) / 2
    assert torch.allclose(DenoisingUNet(widths=(8, 12), blocks=1)(x, 0.2), expected, atol=1e-6)


def test_a_new_network_that_is_told_answers_with_the_guess() -> None:
    network, condition = DenoisingUNet(widths=(8, 12), blocks=1), torch.rand(1, CONDITION_CHANNELS, 8, 8)
    answer = network(torch.full((1, 3, 8, 8), 0.5), network.sigma_max, condition)
    assert torch.allclose(answer, (condition[:, :3] + 1) / 2, atol=1e-3)


def test_what_it_is_told_matters(network: DenoisingUNet) -> None:
    x = torch.rand(1, 3, 16, 16)
    told = network(x, 1.0, torch.rand(1, CONDITION_CHANNELS, 16, 16))
    assert not torch.equal(told, network(x, 1.0))
    assert torch.equal(network(x, 1.0, torch.zeros(1, CONDITION_CHANNELS, 16, 16)), network(x, 1.0))


def test_no_pixel_depends_on_one_out_of_reach(network: DenoisingUNet) -> None:
    length = 2 * network.receptive_radius + 3
    x = torch.rand(1, 3, 8, length)
    changed = x.clone()
    changed[..., -1] += 1
    difference = (network(changed, 0.5) - network(x, 0.5)).abs().amax(dim=(0, 1, 2))
    assert difference[-1] > 0
    assert difference[: length - 1 - network.receptive_radius].max() == 0


def test_tiles_with_its_reach_leave_no_seam(network: DenoisingUNet) -> None:
    x = torch.rand(1, 3, 50, 90)
    tiled = in_tiles(lambda part: network(part, 0.2), x, tile=32, halo=network.receptive_radius)
    assert torch.allclose(tiled, network(x, 0.2), atol=1e-5)


def test_weights_and_settings_build_it_again(network: DenoisingUNet) -> None:
    again = DenoisingUNet.from_state_dict(network.state_dict(), network.settings)
    x = torch.rand(1, 3, 16, 16)
    assert torch.equal(again(x, 0.1), network(x, 0.1))
    with pytest.raises(WeightsError, match="not the weights"):
        DenoisingUNet.from_state_dict(network.state_dict(), {**network.settings, "widths": [8, 16]})
    with pytest.raises(WeightsError, match="not the weights"):
        DenoisingUNet.from_state_dict({}, {"depth": 3})


def test_levels_may_have_blocks_of_their_own() -> None:
    network = DenoisingUNet((8, 12), blocks=[1, 3])
    assert [len(level) for level in (*network.down, network.middle, *network.up)] == [1, 3, 1]
    again = DenoisingUNet.from_state_dict(network.state_dict(), network.settings)
    assert again.settings == network.settings and again.receptive_radius == network.receptive_radius
    assert DenoisingUNet((8, 12), blocks=[3, 3]).receptive_radius == DenoisingUNet((8, 12), blocks=3).receptive_radius
    with pytest.raises(SettingsError, match="2 widths"):
        DenoisingUNet((8, 12), blocks=[1])

"""DCGAN's generator, against PyTorch's example written out, and its files' naming."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bigprior.errors import SettingsError, WeightsError
from bigprior.io.weights import read_tensors
from bigprior.networks.generators import DCGAN


class Example(nn.Module):
    """The generator of PyTorch's DCGAN example, for pictures of 64x64 pixels."""

    def __init__(self, nz: int = 10, ngf: int = 4, nc: int = 3) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(nz, ngf * 8, 4, 1, 0, bias=False),
            nn.BatchNorm2d(ngf * 8),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 8, ngf * 4, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf * 4),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 4, ngf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf, nc, 4, 2, 1, bias=False),
            nn.Tanh(),
        )


@pytest.fixture
def example() -> Example:
    """With batch statistics as training leaves them."""
    torch.manual_seed(7)
    network = Example()
    for _ in range(20):
        network.main(torch.randn(16, 10, 1, 1))
    return network.eval()


@torch.no_grad()
def test_the_examples_file_loads_and_makes_its_pictures(example: Example, tmp_path: Path) -> None:
    torch.save({f"module.{k}": v for k, v in example.state_dict().items()}, tmp_path / "netG.pth")
    network, z = DCGAN.from_state_dict(read_tensors(tmp_path / "netG.pth")), torch.randn(3, 10)
    assert network.settings == {"z_dim": 10, "widths": [32, 16, 8, 4]}
    assert (network.resolution, network.layers) == (64, 4)
    torch.testing.assert_close(network(z), (example.main(z[:, :, None, None]) + 1) / 2, atol=1e-6, rtol=0)
    assert DCGAN().settings == {"z_dim": 100, "widths": [512, 256, 128, 64]}  # the defaults are the example's


@torch.no_grad()
def test_it_is_cut_between_transposed_convolutions(example: Example) -> None:
    network, z = DCGAN.from_state_dict(example.state_dict()), torch.randn(2, 10)
    for layer, (channels, side) in enumerate([(10, 1), (32, 4), (16, 8), (8, 16), (4, 32)]):
        state = network.first(z, layer)
        assert state.features.shape == (2, channels, side, side) and state.style is None


def test_files_from_before_batches_were_counted_load_too(example: Example) -> None:
    state = {k: v for k, v in example.state_dict().items() if not k.endswith("num_batches_tracked")}
    z = torch.randn(2, 10)
    assert torch.equal(DCGAN.from_state_dict(state)(z), DCGAN.from_state_dict(example.state_dict())(z))


def changed(**tensors: Tensor | None) -> dict[str, Tensor]:
    state = Example().state_dict() | {k.replace("_of_", "."): v for k, v in tensors.items()}
    return {k: v for k, v in state.items() if v is not None}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "no transposed convolutions"),
        ({"main.0.weight": torch.ones(4), "main.3.weight": torch.ones(4)}, "no transposed convolutions"),
        (Example(nc=1).state_dict(), "pictures of 1 channels: expected 3, for RGB"),
        (changed(main_of_1_of_running_var=None), r"side 64: unexpected 'main\.1\.running_var'"),
        (changed(main_of_4_of_weight=torch.ones(7)), r"unexpected 'main\.4\.weight'"),
        (changed(main_of_6_of_weight=torch.ones(16, 8, 3, 3)), r"unexpected 'main\.6\.weight'"),
        (changed(main_of_0_of_bias=torch.ones(32)), r"unexpected 'main\.0\.bias'"),
        (changed(fc_of_weight=torch.ones(1)), r"unexpected 'fc\.weight'"),
    ],
    ids=range(8),
)
def test_strangers_are_refused(state: dict[str, Tensor], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        DCGAN.from_state_dict(state)


def test_a_network_without_maps_is_refused() -> None:
    with pytest.raises(SettingsError, match="widths are empty"):
        DCGAN(10, [])

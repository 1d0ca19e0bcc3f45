"""TAESD's decoder, against its published code written out, and both namings."""

import pytest
import torch
from torch import Tensor, nn

from bigprior.errors import SettingsError, WeightsError
from bigprior.networks.generators import TAESD


class Published(nn.Module):
    """A block of the published code."""

    def __init__(self, n: int) -> None:
        super().__init__()
        conv = [nn.Conv2d(n, n, 3, padding=1) for _ in range(3)]
        self.conv = nn.Sequential(conv[0], nn.ReLU(), conv[1], nn.ReLU(), conv[2])
        self.fuse = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.fuse(self.conv(x) + x)


class Clamp(nn.Module):
    """The published code's first step."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


def published(latent: int = 4, n: int = 6) -> nn.Sequential:
    """The published decoder, narrower."""
    steps: list[nn.Module] = [Clamp(), nn.Conv2d(latent, n, 3, padding=1), nn.ReLU()]
    for _ in range(3):
        steps += [Published(n), Published(n), Published(n), nn.Upsample(scale_factor=2)]
        steps.append(nn.Conv2d(n, n, 3, padding=1, bias=False))
    return nn.Sequential(*steps, Published(n), nn.Conv2d(n, 3, 3, padding=1))


@torch.no_grad()
def test_the_published_files_naming_loads_and_makes_its_pictures() -> None:
    decoder = published()
    network = TAESD.from_state_dict(decoder.state_dict())
    assert network.settings == {"resolution": 256, "channels": 4, "width": 6, "doublings": 3, "encoder": False}
    z = 3 * torch.randn(1, network.z_dim)
    torch.testing.assert_close(network(z), decoder(z.view(1, 4, 32, 32)), atol=1e-5, rtol=1e-5)
    assert network.guess(torch.rand(1, 3, 256, 256)) is None


def test_the_defaults_are_those_of_the_published_network() -> None:
    names = {f"decoder.layers.{int(k.split('.')[0]) - 1}.{k.split('.', 1)[1]}" for k in published().state_dict()}
    with torch.device("meta"):
        network = TAESD(encoder=True)
    assert {k for k in network.state_dict() if k.startswith("decoder.")} == names
    assert sum(p.numel() for p in network.decoder.parameters()) == 1_222_531  # as is published of it
    assert network.encoder is not None and sum(p.numel() for p in network.encoder.parameters()) == 1_222_532


@torch.no_grad()
def test_the_encoder_halves_the_side_as_often_as_the_decoder_doubles_it() -> None:
    network = TAESD(resolution=32, width=6, encoder=True)
    codes = network.guess(torch.rand(2, 3, 32, 32))
    assert codes is not None and codes.shape == (2, 4 * 4 * 4)
    again = TAESD.from_state_dict(network.state_dict())
    assert again.settings == network.settings and torch.equal(again(codes), network(codes))


def test_strangers_and_other_sides_are_refused() -> None:
    for state in ({}, {"1.weight": torch.ones(2)}, {"decoder.layers.0.weight": torch.ones(4, 4, 3, 3)}):
        with pytest.raises(WeightsError, match="not a TAESD decoder"):
            TAESD.from_state_dict(state)
    with pytest.raises(WeightsError, match=r"side 256: unexpected 'decoder\.layers\.2\.conv\.0\.bias'"):
        TAESD.from_state_dict({k: v for k, v in published().state_dict().items() if k != "3.conv.0.bias"})
    with pytest.raises(SettingsError, match="resolution is 20: expected a multiple of 8"):
        TAESD(20)

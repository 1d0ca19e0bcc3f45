"""Any function as a generator."""

import pytest
import torch
from torch import Tensor, nn

from bigprior.degradations import Denoising
from bigprior.errors import ImageError, SettingsError, WeightsError
from bigprior.networks.generators import FunctionGenerator
from bigprior.priors.gan import GANPrior
from bigprior.priors.inversion import InversionSettings


def waves(z: Tensor) -> Tensor:
    """Pictures (N, 3, 8, 8) in [-1, 1] of codes (N, 3, 2): a wave a channel."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 8), torch.linspace(0, 1, 8), indexing="ij")
    return torch.sin(z[:, :, 0, None, None] * x + z[:, :, 1, None, None] * y)


def test_a_plain_function_is_inverted() -> None:
    generator = FunctionGenerator(waves, (3, 2), span=(-1, 1))
    assert (generator.resolution, generator.z_dim, generator.layers) == (8, 6, 0)
    z = generator.draw(2, torch.Generator().manual_seed(1))
    y = generator(z)
    torch.testing.assert_close(2 * y - 1, waves(z.view(2, 3, 2)))
    settings = InversionSettings(codes=1, layer=0, steps=200, code_every=1, starts=16, precision="fp32")
    result = GANPrior(generator, settings).project(Denoising().measure(y))
    assert (result.image - y).square().mean() < 1e-4


def test_a_modules_weights_freeze_and_move_with_it_and_it_is_asked_as_it_will_be_used() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3 * 4 * 4), nn.BatchNorm1d(48), nn.Unflatten(1, (3, 4, 4)))
    generator = FunctionGenerator(network, (4,))
    assert not network.training and network[2].num_batches_tracked == 0
    GANPrior(generator, InversionSettings(codes=1, layer=0, steps=1))
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert {p.device.type for p in generator.to("meta").parameters()} == {"meta"}
    assert generator.settings == {"code_shape": [4], "span": [0.0, 1.0]}


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda z: z, "(1, 4)"),
        (lambda z: torch.zeros(len(z), 1, 4, 4), "(1, 1, 4, 4)"),
        (lambda z: torch.zeros(len(z), 3, 4, 5), "(1, 3, 4, 5)"),
        (lambda z: torch.zeros(3, 4, 4), "(3, 4, 4)"),
    ],
)
def test_what_makes_no_square_rgb_picture_is_refused(function, shape: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ImageError) as error:
        FunctionGenerator(function, (4,))
    assert f"the function makes {shape} of one code: expected a square RGB picture" in str(error.value)


def test_settings_without_extent_are_refused() -> None:
    with pytest.raises(SettingsError, match="code_shape"):
        FunctionGenerator(waves, ())
    with pytest.raises(SettingsError, match="span"):
        FunctionGenerator(waves, (3, 2), span=(1, 1))
    with pytest.raises(WeightsError, match="build it in Python, with FunctionGenerator"):
        FunctionGenerator.from_state_dict({})

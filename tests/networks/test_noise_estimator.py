"""The network that finds noise."""

import pytest
import torch

from bigprior.errors import WeightsError
from bigprior.networks.noise_estimator import NOISE_CHANNELS, PLACE, NoiseEstimator, noise_likelihood


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (33, 50)])
def test_it_says_eight_numbers_of_every_place_of_any_picture(size: tuple[int, int]) -> None:
    network = NoiseEstimator((8, 16), blocks=1)
    found = network(torch.rand(2, 3, *size))
    assert found.shape == (2, NOISE_CHANNELS, -(-size[0] // PLACE), -(-size[1] // PLACE))
    assert bool(found.isfinite().all())


def test_no_value_depends_on_a_pixel_beyond_the_receptive_field() -> None:
    network = NoiseEstimator((8, 16), blocks=1)
    x = torch.rand(1, 3, 16, 256, requires_grad=True)
    network(x)[..., 0].sum().backward()
    seen = x.grad.abs().sum((0, 1, 2)).nonzero().max()
    assert int(seen) <= network.receptive_radius


def test_white_noise_is_likeliest_under_its_own_variance_at_every_scale() -> None:
    sigma = 0.1
    noise = sigma * torch.randn(4, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    truth = torch.full((4, NOISE_CHANNELS, 32, 32), 2 * torch.log(torch.tensor(sigma)).item())
    best = noise_likelihood(truth, noise)
    assert all(float(noise_likelihood(truth + off, noise)) > float(best) for off in (-0.2, 0.2))
    for channel in range(NOISE_CHANNELS):
        other = truth.clone()
        other[:, channel] += 0.5
        assert float(noise_likelihood(other, noise)) > float(best)


def test_it_learns_how_much_noise_there_is() -> None:
    torch.manual_seed(0)
    network = NoiseEstimator((8, 16), blocks=1)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(150):
        sigma = torch.tensor([0.03, 0.15]).view(2, 1, 1, 1)
        noise = sigma * torch.randn(2, 3, 32, 32)
        loss = noise_likelihood(network(0.5 + noise), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        found = network(0.5 + torch.tensor([0.03, 0.15]).view(2, 1, 1, 1) * torch.randn(2, 3, 32, 32))
    little, much = (found.exp().mean((1, 2, 3)).sqrt()).tolist()
    assert little < 0.07 < 0.11 < much < 0.2


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(WeightsError, match="noise estimator"):
        NoiseEstimator.from_state_dict(NoiseEstimator((8, 16)).state_dict(), {"widths": [16, 32]})

"""Trained reaction diffusion: what its equation says, in any size, of any noise."""

import torch
import torch.nn.functional as F

from bigprior.networks.tnrd import TNRD


def test_a_step_is_that_of_the_equation() -> None:
    torch.manual_seed(0)
    stage = TNRD(1, side=3, knots=21).stages[0]
    for parameter in stage.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x, y = 4 * torch.randn(2, 1, 1, 7, 8).double()
    stage.double()
    filters = (F.normalize(stage.filters) @ stage.cosines).view(-1, 3, 3)
    knots = torch.linspace(-10, 10, 21).double()
    wide, expected = F.pad(x, (1,) * 4, mode="replicate")[0, 0], x - stage.reaction * (x - y)
    for kernel, values in zip(filters, stage.influences, strict=True):
        responses = torch.stack([(wide[i : i + 3, j : j + 3] * kernel).sum() for i in range(7) for j in range(8)])
        near = (1 - (responses.clamp(-10, 10)[:, None] - knots).abs()).clamp_min(0)  # triangles, one unit wide
        flow = F.pad((near @ values).view(1, 1, 7, 8), (1,) * 4, mode="replicate")[0, 0]
        back = [(flow[i : i + 3, j : j + 3] * kernel.flip(0, 1)).sum() for i in range(7) for j in range(8)]
        expected = expected - torch.stack(back).view(1, 1, 7, 8)
    assert torch.allclose(stage(x, y), expected, atol=1e-9)


def test_no_filter_sees_a_constant_and_every_size_is_taken() -> None:
    network = TNRD(2)
    for size in ((1, 1), (3, 20), (9, 6)):
        grey = torch.full((1, 1, *size), 0.3)
        assert torch.allclose(network(grey, torch.tensor([0.1])), grey, atol=1e-5)


def test_more_noise_in_a_larger_picture_is_the_same() -> None:
    network, x = TNRD(2), torch.rand(2, 1, 8, 9)
    sigma = torch.tensor([0.1, 0.05])
    assert torch.allclose(network(3 * x, 3 * sigma), 3 * network(x, sigma), atol=1e-5)
    assert torch.allclose(network(x[1:], sigma[1:]), network(x, sigma)[1:], atol=1e-6)


def test_it_is_known_by_its_tensors() -> None:
    network = TNRD(3, side=3, knots=7)
    state = network.state_dict()
    assert TNRD.knows(state) and not TNRD.knows({"stages.0.weight": torch.zeros(1)})
    x, sigma = torch.rand(1, 1, 6, 6), torch.tensor([0.1])
    assert torch.equal(TNRD.from_state_dict(state)(x, sigma), network(x, sigma))

"""A network that answers in one pass, as a prior."""

import pytest
import torch
from torch import Tensor, nn

from bigprior.degradations import Colorization, Denoising
from bigprior.networks.colorizer import ColorizationNetwork
from bigprior.phi import ConstantPhi
from bigprior.priors.anysize import for_any_size
from bigprior.priors.base import Prior
from bigprior.priors.feedforward import FeedForwardPrior
from bigprior.restorer import Restorer


class Shadow(nn.Module):
    """Darker to the right and to the bottom: a network that no mirror leaves as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.tensor(0.5))
        self.asked: list[tuple[int, ...]] = []

    def forward(self, y: Tensor) -> Tensor:
        self.asked.append(tuple(y.shape))
        height, width = y.shape[2:]
        light = torch.linspace(1, 0.6, width) ** 3 * torch.linspace(1, 0.9, height)[:, None]
        return y.expand(-1, 3, -1, -1) * light * (0.5 + self.strength)


def test_it_is_what_the_network_makes_of_the_measurement(our_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    network = Shadow().train()
    y, physics = measure(our_task, 2, 9, 14)
    prior = FeedForwardPrior(network)
    found = prior.project(physics.measure(y), seed=3)
    assert isinstance(prior, Prior) and found.codes == {} and found.history is None
    assert torch.equal(found.image, network(y).clamp(0, 1).detach())
    assert not network.training and not network.strength.requires_grad and not found.image.requires_grad


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_views_make_the_answer_the_same_for_a_mirrored_picture(views: int) -> None:
    prior, y = FeedForwardPrior(Shadow(), views=views), torch.rand(1, 3, 9, 14)

    def answer(y: Tensor) -> Tensor:
        return prior.project(Denoising().measure(y)).image

    turns = [lambda x: x, lambda x: x.flip(3), lambda x: x.flip(2), lambda x: x.transpose(2, 3)]
    same = [torch.allclose(turn(answer(turn(y))), answer(y), atol=1e-6) for turn in turns]
    assert same == [True, views >= 2, views >= 4, views == 8]


@pytest.mark.parametrize("placement", ["tiles", "whole", "hole"])
def test_any_size_is_the_same_to_it(placement: str) -> None:
    prior = FeedForwardPrior(Shadow())
    assert prior.resolution is None and for_any_size(prior, placement) is prior


def test_its_answer_is_fused_like_any_other() -> None:
    y = torch.rand(2, 1, 20, 31, generator=torch.Generator().manual_seed(2))
    network = ColorizationNetwork(width=8, depth=12)
    restorer = Restorer(FeedForwardPrior(network, views=2), ConstantPhi(1.0, "luminance"))
    result = restorer.restore(y, Colorization())
    torch.testing.assert_close(Colorization().f(result.restored), y, atol=1e-5, rtol=0)
    assert torch.equal(result.restored, result.measured + result.hallucinated)
    assert "prior.network" in {".".join(name.split(".")[:2]) for name in restorer.state_dict()}

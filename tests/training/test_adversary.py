"""The discriminator that fillings are trained against."""

import copy

import pytest
import torch
from torch import Tensor

from bigprior.training.adversary import Adversary, balanced


@pytest.fixture
def mask() -> Tensor:
    mask = torch.ones(4, 1, 32, 32)
    mask[:, :, 8:24, 8:24] = 0
    return mask


def test_it_learns_to_tell_a_grid_and_its_gradient_leads_away_from_it(mask: Tensor) -> None:
    rng = torch.Generator().manual_seed(0)
    adversary = Adversary(0, 1e-3, "fp32")
    for _ in range(60):
        truth = 0.5 + 0.05 * torch.randn(4, 3, 32, 32, generator=rng)
        grid = truth.clone()
        grid[:, :, 8:24:4, 8:24] += 0.4 * (1 - mask[:, :, 8:24:4, 8:24])
        adversary.learn(grid, truth, mask)
    plain, gridded = (float(adversary.error(x, truth, mask)) for x in (truth, grid))
    assert gridded > plain + 0.5
    estimate = grid.clone().requires_grad_(True)
    adversary.error(estimate, truth, mask).backward()
    with torch.no_grad():
        better = estimate - 2 * estimate.grad / estimate.grad.norm()
    assert float(adversary.error(better, truth, mask)) < gridded


def test_its_state_is_all_that_it_knows(mask: Tensor) -> None:
    truth, filled = torch.rand(2, 4, 3, 32, 32)
    one, other = Adversary(0, 1e-3, "fp32"), Adversary(1, 1e-3, "fp32")
    one.learn(filled, truth, mask)
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    for adversary in (one, other):
        adversary.learn(filled, truth, mask)
    assert torch.equal(one.error(filled, truth, mask), other.error(filled, truth, mask))


def test_a_gradient_beside_anothers_is_as_long_as_was_asked_for() -> None:
    estimate = torch.tensor([3.0, 4.0], requires_grad=True)
    both = balanced(estimate[0] * 10, estimate[1] * 0.001, estimate, 0.5)
    assert both.item() == pytest.approx(30.0)
    both.backward()
    torch.testing.assert_close(estimate.grad, torch.tensor([10.0, 5.0]))

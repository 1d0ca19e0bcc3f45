"""Texture of known blocks, for fillings."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.filters.quilting import quilted


@pytest.fixture
def lawn() -> Tensor:
    """Fine texture, all over, in two colours: green on the left, and red, without any texture, on the right."""
    rng = torch.Generator().manual_seed(0)
    grain = 0.1 * F.avg_pool2d(torch.randn(1, 1, 98, 162, generator=rng), 3, 1)
    left = torch.tensor([0.2, 0.6, 0.2]).view(1, 3, 1, 1) + grain
    right = torch.tensor([0.7, 0.2, 0.2]).view(1, 3, 1, 1).expand_as(left)
    return torch.where(torch.arange(160) < 80, left, right)


def hole(known: Tensor, rows: slice, columns: slice) -> Tensor:
    known[:, :, rows, columns] = 0
    return known


@pytest.fixture
def mask(lawn: Tensor) -> Tensor:
    known = torch.ones_like(lawn[:, :1])
    return hole(hole(known, slice(24, 72), slice(16, 64)), slice(24, 72), slice(96, 144))


def flat(lawn: Tensor, mask: Tensor) -> Tensor:
    """What a mean filling is: the right colours, and no detail."""
    colours = torch.cat([part.mean((2, 3), keepdim=True).expand_as(part) for part in lawn.chunk(2, dim=3)], dim=3)
    return torch.where(mask > 0, lawn, colours)


def detail(x: Tensor, columns: slice) -> float:
    inside = x[:, :, 34:62, columns]
    return float((inside - F.avg_pool2d(inside, 5, 1, 2, count_include_pad=False)).std())


LEFT, RIGHT = slice(26, 54), slice(106, 134)


def asked(filling: Tensor, mask: Tensor, share: float = 1.0, seed: int = 0) -> Tensor:
    return quilted(filling, mask, share, torch.Generator().manual_seed(seed))


def test_a_hole_gets_the_detail_of_what_has_its_colours(lawn: Tensor, mask: Tensor) -> None:
    filled = asked(flat(lawn, mask), mask)
    assert torch.equal(filled * mask, lawn * mask)
    assert detail(filled, LEFT) == pytest.approx(detail(lawn, LEFT), rel=0.15)
    assert detail(filled, RIGHT) < 0.02 * detail(lawn, LEFT)  # red has none
    assert float((filled - flat(lawn, mask)).mean().abs()) < 1e-3  # colours stay


def test_the_share_is_an_amplitude_and_the_seed_draws_another(lawn: Tensor, mask: Tensor) -> None:
    filling = flat(lawn, mask)
    half, other = asked(filling, mask, 0.5), asked(filling, mask, 0.5, seed=1)
    torch.testing.assert_close(2 * (half - filling), asked(filling, mask) - filling, atol=1e-4, rtol=0)
    assert torch.equal(half, asked(filling, mask, 0.5))
    assert detail(half - other, LEFT) > 0.5 * detail(half, LEFT)


def test_what_a_filling_draws_deep_in_a_hole_gives_way(lawn: Tensor, mask: Tensor) -> None:
    stripes = 0.1 * (torch.arange(160.0) % 4 < 2).float().sub(0.5).expand_as(lawn)
    filling = flat(lawn, mask) + stripes * (1 - mask)
    filled = asked(filling, mask, 0.0)
    deep = (..., slice(44, 52), slice(112, 128))
    assert float(filled[deep].std(3).mean()) == pytest.approx(0.4 * float(filling[deep].std(3).mean()), rel=0.1)
    torch.testing.assert_close(filled[..., 24:28, 96:144], filling[..., 24:28, 96:144])  # at its edge it is right


@pytest.mark.parametrize("size", [(5, 40), (8, 8), (30, 61)])
def test_where_too_little_is_known_the_filling_stays(size: tuple[int, int]) -> None:
    filling, known = torch.rand(1, 3, *size), torch.zeros(1, 1, *size)
    known[..., :3] = 1
    assert torch.equal(asked(filling, known), filling)


def test_any_size(lawn: Tensor, mask: Tensor) -> None:
    filling, known = flat(lawn, mask)[..., :91, :77], mask[..., :91, :77]
    filled = asked(filling, known)
    assert filled.shape == filling.shape and torch.equal(filled * known, filling * known)
    assert detail(filled, LEFT) > 0.7 * detail(lawn, LEFT)

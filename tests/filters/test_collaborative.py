"""Similar patches, filtered together."""

import pytest
import torch
from torch import Tensor

from bigprior.filters import collaborative
from bigprior.filters.collaborative import RECEPTIVE_RADIUS, filtered


def noisy(x: Tensor, sigma: float, seed: int = 0) -> Tensor:
    return x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))


def error(x: Tensor, truth: Tensor) -> float:
    return float((x - truth).square().mean())


def folds(side: int = 96) -> Tensor:
    """The same fold of a curtain again and again."""
    along = torch.linspace(0, side / 12, side)
    wave = 0.5 + 0.3 * torch.sin(2 * torch.pi * along).sign()
    return wave.expand(1, 3, side, side) * torch.tensor([1.0, 0.8, 0.5]).view(1, 3, 1, 1)


def test_what_repeats_is_cleaner_than_the_pilot() -> None:
    x, sigma = folds(), 0.1
    y, pilot = noisy(x, sigma), noisy(x, 0.03, seed=1)
    together = filtered(y, pilot, torch.tensor([sigma]))
    assert error(together, x) < 0.4 * error(pilot, x)
    assert error(pilot, x) < 0.2 * error(y, x)


def test_weak_texture_that_the_pilot_lost_is_lost_and_what_it_kept_is_kept() -> None:
    x, sigma = folds(), 0.1
    weak, level = 0.5 + 0.1 * (x - 0.5), torch.tensor([sigma])
    y = noisy(weak, sigma)
    flat = weak.mean((2, 3), keepdim=True).expand_as(weak)
    assert error(filtered(noisy(x, sigma), x, level), x) < 0.1 * sigma**2
    assert error(filtered(y, weak, level), weak) < 0.1 * sigma**2
    assert error(filtered(y, flat, level), flat) < 0.5 * error(weak, flat)


@pytest.mark.parametrize("colour", [(1.0, 1.0, 1.0), (1.0, -1.0, 0.0)])
def test_strong_edges_that_the_pilot_lost_are_found(colour: tuple[float, ...]) -> None:
    sigma, side = 0.06, 96
    stripes = (torch.arange(side) // 12 % 2).float().expand(1, 3, side, side)
    x = 0.5 + 0.3 * (2 * stripes - 1) * torch.tensor(colour).view(3, 1, 1)
    y, grey, level = noisy(x, sigma), torch.full_like(x, 0.5), torch.tensor([sigma])
    assert error(filtered(y, grey, level), x) < 0.02 * error(grey, x)


def test_where_nothing_was_lost_nothing_is_found() -> None:
    sigma = 0.1
    grey, level = torch.full((1, 3, 96, 96), 0.5), torch.tensor([sigma])
    assert error(filtered(noisy(grey, sigma), grey, level), grey) < 0.003 * sigma**2


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (9, 13), (37, 50), (64, 24)])
def test_any_size(size: tuple[int, int]) -> None:
    x = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    y = noisy(x, 0.05)
    together = filtered(y, x, torch.tensor([0.05]))
    assert together.shape == x.shape and error(together, x) <= error(y, x) + 1e-6


def test_without_noise_nothing_changes() -> None:
    x = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(filtered(x, x, torch.zeros(1)), x, atol=2e-3, rtol=0)


def test_a_picture_does_not_depend_on_its_neighbours() -> None:
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    levels = torch.tensor([0.05, 0.1, 0.2])
    y = noisy(x, 0.1)
    torch.testing.assert_close(filtered(y, x, levels)[1:2], filtered(y[1:2], x[1:2], levels[1:2]), atol=1e-6, rtol=0)


def test_no_pixel_depends_on_one_further_than_the_reach() -> None:
    x, side = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)), RECEPTIVE_RADIUS + 4
    y, level = noisy(x, 0.1), torch.tensor([0.1])
    part = filtered(y[..., :side], x[..., :side], level)
    torch.testing.assert_close(part[..., :4], filtered(y, x, level)[..., :4], atol=1e-6, rtol=0)


def test_tiles_have_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(1, 3, 100, 240, generator=torch.Generator().manual_seed(0))
    y, level = noisy(x, 0.1), torch.tensor([0.1])
    whole = filtered(y, x, level)
    monkeypatch.setattr(collaborative, "_TILE", 32)
    seen: list[tuple[int, int]] = []
    tiles = filtered(y, x, level, lambda *done: seen.append(done))
    torch.testing.assert_close(tiles, whole, atol=1e-5, rtol=0)
    assert seen[-1] == (32, 32)

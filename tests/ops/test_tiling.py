"""Tiles leave no seam: the result is that of the whole picture."""

import pytest
import torch
from torch import nn

from bigprior.ops.tiling import in_tiles


@pytest.mark.parametrize("size", [(1, 1), (7, 30), (33, 32), (64, 5)])
def test_tiles_give_what_the_whole_picture_gives(size: tuple[int, int]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1))
    x = torch.rand(2, 3, *size)
    calls: list[tuple[int, int]] = []
    with torch.no_grad():
        whole = network(x)
        tiled = in_tiles(network, x, tile=8, halo=2, progress=lambda done, total: calls.append((done, total)))
    assert tiled.shape == (2, 2, *size)
    assert torch.allclose(tiled, whole, atol=1e-6)
    assert calls[-1][0] == calls[-1][1] == len(calls)


def test_a_halo_that_is_too_small_shows() -> None:
    network = nn.Conv2d(1, 1, 5, padding=2)
    x = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        assert not torch.allclose(in_tiles(network, x, tile=8, halo=0), network(x), atol=1e-4)


def test_several_inputs_are_cut_alike() -> None:
    a, b = torch.rand(1, 3, 20, 20), torch.rand(1, 1, 20, 20)
    assert torch.equal(in_tiles(lambda x, y: x * y, a, b, tile=6, halo=1), a * b)

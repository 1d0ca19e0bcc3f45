"""Tiles leave no seam: the result is that of the whole picture."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bigprior.ops.tiling import Blend, in_tiles, overlapping, windows


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


@pytest.mark.parametrize(
    ("height", "width", "tile", "halo"), [(1, 1, 8, 3), (17, 40, 8, 3), (16, 16, 8, 20), (9, 9, 9, 0)]
)
def test_windows_cover_every_pixel_once_and_show_what_is_around_it(
    height: int, width: int, tile: int, halo: int
) -> None:
    covered = torch.zeros(height, width)
    numbers = torch.arange(height * width).view(height, width)
    for window in windows(height, width, tile, halo):
        covered[window.tile] += 1
        assert torch.equal(numbers[window.shown][window.inner], numbers[window.tile])
        for kept, shown, length in zip(window.tile[1:], window.shown[1:], (height, width), strict=True):
            assert shown.start == max(0, kept.start - halo)
            assert shown.stop >= min(length, kept.stop + halo)
    assert bool((covered == 1).all())


def test_a_value_for_several_pixels_is_put_where_they_are() -> None:
    x = torch.rand(1, 1, 30, 21)
    seen = in_tiles(lambda part: F.avg_pool2d(part, 4, ceil_mode=True), x, tile=8, halo=4, step=4)
    torch.testing.assert_close(seen, F.avg_pool2d(x, 4, ceil_mode=True))


@pytest.mark.parametrize(("length", "tile", "overlap"), [(16, 16, 4), (17, 16, 4), (100, 16, 0), (100, 16, 15)])
def test_tiles_that_overlap_end_where_the_side_ends(length: int, tile: int, overlap: int) -> None:
    starts = overlapping(length, tile, overlap)
    assert starts[0] == 0 and starts[-1] == length - tile and starts == sorted(starts)
    assert all(later - earlier <= tile - overlap for earlier, later in pairwise(starts))


def test_squares_that_agree_blend_to_the_picture_and_where_none_was_laid_is_something_else() -> None:
    x, otherwise = torch.rand(2, 3, 20, 30), torch.rand(2, 3, 20, 30)
    blend = Blend(x)
    for top, left in ((0, 0), (0, 6), (8, 3), (15, 9)):  # the last one hangs over the edge
        square = F.pad(x[1, :, top : top + 12, left : left + 12], (0, 0, 0, max(0, top + 12 - 20)))
        blend.add(1, (top, left), square, overlap=4)
    laid = torch.zeros(20, 30, dtype=torch.bool)
    laid[:12, :18] = laid[8:20, 3:15] = laid[15:, 9:21] = True
    out = blend.result(otherwise)
    torch.testing.assert_close(out[1][:, laid], x[1][:, laid])
    assert torch.equal(out[1][:, ~laid], otherwise[1][:, ~laid]) and torch.equal(out[0], otherwise[0])
    assert not blend.result()[0].any()

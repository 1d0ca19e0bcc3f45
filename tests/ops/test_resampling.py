"""Pictures at other sizes."""

import pytest
import torch

from bigprior.ops.resampling import padded, resized


def test_a_picture_grows_by_its_last_row_and_column() -> None:
    x = torch.rand(2, 3, 4, 5)
    grown = padded(x, 6, 8)
    assert torch.equal(grown[..., :4, :5], x)
    assert torch.equal(grown[..., 4:, :5], x[..., 3:, :].expand(-1, -1, 2, -1))
    assert torch.equal(grown[..., 5:], grown[..., 4:5].expand(-1, -1, -1, 3))
    assert torch.equal(padded(x, 4, 5), x)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (8, 10), (16, 20)])
def test_at_another_size_its_light_stays(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, 8, 10)
    out = resized(x, *size)
    assert out.shape == (2, 3, *size)
    torch.testing.assert_close(resized(torch.full_like(x, 0.3), *size), torch.full_like(out, 0.3))
    if size == (1, 1):
        torch.testing.assert_close(out.flatten(), x.mean(dim=(2, 3)).flatten(), atol=0.05, rtol=0)
    if size == (8, 10):
        torch.testing.assert_close(out, x)


def test_a_checkerboard_is_grey_where_it_is_too_fine_to_be_seen() -> None:
    board = ((torch.arange(32)[:, None] + torch.arange(32)) % 2).float()[None, None]
    assert float((resized(board, 8, 8) - 0.5).abs().max()) < 0.05

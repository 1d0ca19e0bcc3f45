"""Means of boxes, as pooling has them."""

import pytest
import torch
import torch.nn.functional as F

from bigprior.ops.boxes import box_mean, sliding_mean, sliding_sum


@pytest.mark.parametrize("box", [(1, 1), (3, 3), (5, 1), (1, 8), (33, 7), (4, 4)])
@pytest.mark.parametrize("size", [(1, 1), (7, 30), (40, 9)])
def test_they_are_those_of_pooling(box: tuple[int, int], size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size, dtype=torch.float64)
    rows, columns = box
    # Pooling takes no padding of more than half a box, which an even one's is.
    pooled = F.avg_pool2d(x, box, stride=1, padding=(rows // 2, columns // 2), count_include_pad=False)
    torch.testing.assert_close(box_mean(x, rows, columns), pooled)
    if rows == columns:
        torch.testing.assert_close(box_mean(x, rows), pooled)


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 8, 21])
def test_neighbours_are_summed_the_same_wherever_they_are(count: int) -> None:
    x = torch.rand(1, 2, 21, 5)
    summed = sliding_sum(x, 2, count)
    torch.testing.assert_close(summed, x.unfold(2, count, 1).sum(-1))
    assert torch.equal(sliding_mean(x, 2, count), summed / count)
    if count < 20:
        assert torch.equal(sliding_sum(x[:, :, 1:], 2, count), summed[:, :, 1:])

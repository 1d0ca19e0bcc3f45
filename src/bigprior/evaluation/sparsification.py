"""Does a map say where a picture is wrong? How the error falls as the pixels that the map doubts most are left out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.stats import spearmanr
from torch import Tensor

#: Shares of the pixels that are left out.
LEFT_OUT = tuple(i / 20 for i in range(20))


@dataclass(frozen=True)
class Sparsification:
    """Of one map of one picture.

    Attributes:
        correlation: Pearson's, of the map with the error; 0 where one of both is the same everywhere.
        rank_correlation: Spearman's.
        curve: the mean error of the pixels that are left, over that of all, for each of :data:`LEFT_OUT`.
        oracle: the same where the error itself says which are left out.
    """

    correlation: float
    rank_correlation: float
    curve: list[float]
    oracle: list[float]

    @property
    def area(self) -> float:
        """Between the map's curve and the oracle's: 0 for a map that knows where the error is (AUSE)."""
        return float(sum(a - b for a, b in zip(self.curve, self.oracle, strict=True)) / len(LEFT_OUT))


def sparsified(doubt: Tensor, error: Tensor) -> Sparsification:
    """Of the pixels of one picture.

    Args:
        doubt: how doubtful each is, (pixels,), on any scale.
        error: how wrong it is, (pixels,), 0 or more.
    """
    doubt, error = doubt.double(), error.double()
    both = torch.stack([doubt, error])
    varies = bool((both.amax(dim=1) - both.amin(dim=1) > 1e-12).all())
    pearson = float(torch.corrcoef(both)[0, 1]) if varies else 0.0
    ranks = float(spearmanr(doubt.numpy(), error.numpy()).statistic) if varies else 0.0
    return Sparsification(pearson, ranks, _curve(doubt, error), _curve(error, error))


def _curve(doubt: Tensor, error: Tensor) -> list[float]:
    # What is doubted alike is left out at once in no order that the error could have a say in.
    order = torch.randperm(len(error), generator=torch.Generator().manual_seed(0))
    order = order[doubt[order].argsort(stable=True)]
    means = error[order].cumsum(0) / torch.arange(1, len(error) + 1)
    kept = [max(1, round(len(error) * (1 - share))) for share in LEFT_OUT]
    return [float(means[count - 1] / means[-1].clamp_min(1e-12)) for count in kept]

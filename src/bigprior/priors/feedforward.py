"""A network that answers in one pass, as a prior."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bigprior.degradations import Measurement
from bigprior.priors.base import Prior, Projection
from bigprior.priors.views import VIEWS, Views
from bigprior.progress import Progress


class FeedForwardPrior(Prior):
    """What a network makes of the measurement itself.

    Args:
        network: of ``y`` to a picture (N, 3, H, W); set to evaluation and frozen.
        views: the answers for so many mirrored and turned copies of the measurement are averaged.
    """

    any_size = frozenset({"tiles", "whole", "hole"})
    draws = False

    def __init__(self, network: nn.Module, *, views: Views = 1) -> None:
        super().__init__()
        self.network, self.views = network.eval().requires_grad_(False), views

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """The mean of the answers."""
        answers: list[Tensor] = [view.back(self.network(view.there(m.y))) for view in VIEWS[: self.views]]
        return Projection(torch.stack(answers).mean(dim=0))

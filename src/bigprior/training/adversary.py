"""An adversary for fillings of holes: a discriminator that learns beside what it judges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.ops.precision import Precision, autocast
from bigprior.training.discriminator import PatchDiscriminator
from bigprior.training.draws import seeded

#: Weight of the features' distance beside the logits: it keeps fillings near what was there.
_FEATURES = 1.0


class Adversary:
    """Tells what was filled from what was there, and what would make it fail.

    Args:
        seed: of its first weights.
        lr: its learning rate.
        precision: of its passes.
    """

    def __init__(self, seed: int, lr: float, precision: Precision) -> None:
        with seeded(seed):
            self.network = PatchDiscriminator().to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr, betas=(0.0, 0.99))
        self.precision: Precision = precision

    def learn(self, filled: Tensor, truth: Tensor, mask: Tensor) -> None:
        """Take one step: patches are real where nothing was filled.

        Args:
            filled, truth: (N, 3, H, W), RGB in [0, 1].
            mask: (N, 1, H, W), 1 = known, 0 = hole.
        """
        self.network.to(truth.device).train().requires_grad_(True)
        with autocast(self.precision, truth.device):
            made, _ = self.network(filled.detach(), mask)
            real, _ = self.network(truth, mask)
        weight = _shares(1 - mask)
        loss = _mean(F.relu(1 + made.float()), weight) + F.relu(1 - real.float()).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def error(self, filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
        """How well it tells fillings from what was there: a scalar, whose gradient flows to ``filled``."""
        self.network.eval().requires_grad_(False)  # eval: the power iteration of the spectral norm moves once a step
        with autocast(self.precision, truth.device):
            logits, features = self.network(filled, mask)
            with torch.no_grad():
                _, wanted = self.network(truth, mask)
        apart = torch.stack([F.l1_loss(a.float(), b.float()) for a, b in zip(features, wanted, strict=True)]).sum()
        return -_mean(logits.float(), _shares(1 - mask)) + _FEATURES * apart / (1 - mask).mean()

    def state_dict(self) -> dict[str, Any]:
        """Weights and optimiser."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` gave."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])


def balanced(error: Tensor, other: Tensor, estimate: Tensor, weight: float) -> Tensor:
    """An error whose gradient at ``estimate`` is its own and another's, scaled to ``weight`` times as long as its own.

    As VQGAN weighs its adversary (Esser et al., CVPR 2021, Eq. 7), but at the estimate: no last layer is asked for.

    Args:
        error, other: scalars that depend on ``estimate``.
        estimate: (N, 3, H, W).
        weight: length of the other's gradient, in units of the error's.

    Returns:
        A scalar of the value of ``error``.
    """
    (own,) = torch.autograd.grad(error, estimate, retain_graph=True)
    (others,) = torch.autograd.grad(other, estimate, retain_graph=True)
    direction = own + weight * own.norm() / others.norm().clamp_min(1e-12) * others
    along = (estimate * direction).sum()
    both: Tensor = error.detach() + along - along.detach()
    return both


def _shares(hole: Tensor) -> Tensor:
    """Which share of each patch is hole."""
    return F.avg_pool2d(hole, 8)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    mean: Tensor = (values * weight).sum() / weight.sum().clamp_min(1e-6)
    return mean

"""Inversion by descent: codes and channel weights move until the generated picture explains its measurement (Eq. 11).

A batch of measurements and all its codes are optimised at once, and codes, whose way through the first layers is most
of the work, move once in a few steps.
"""

from __future__ import annotations

import math
import time
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from bigprior.errors import SettingsError
from bigprior.networks.generators.base import Latent, State
from bigprior.ops.precision import Precision, autocast
from bigprior.priors.featuremaps import FeatureMapSettings
from bigprior.priors.losses import Objective
from bigprior.priors.multicode import MultiCode
from bigprior.progress import Progress
from bigprior.settings import Settings

#: Any torch optimiser that takes parameter groups with a learning rate can be added here by name.
OPTIMIZERS: dict[str, Any] = {
    "adam": lambda groups: torch.optim.Adam(groups),
    "sgd": lambda groups: torch.optim.SGD(groups),
}


class InversionSettings(Settings):
    """How a generator is inverted.

    Attributes:
        codes: ``N``; 1 is single-code inversion.
        layer: ``l``, the composing layer: maps of each code entering it are weighted by ``alpha`` and summed.
        latent: what a code is, of a generator with styles: ``z``, ``w`` or ``w+``; by default the generator's own.
        steps: of the optimiser.
        optimizer: a name in :data:`OPTIMIZERS`.
        lr, alpha_lr: learning rates of ``z`` and of ``alpha``.
        code_every: codes take one step in so many; between, their feature maps are kept and ``alpha`` moves alone. With
            0 codes stay where they begin, which is enough where an encoder chose them.
        decay: the learning rates fall to nothing along a half cosine.
        starts: without an encoder, the best of so many random starts is taken, picture by picture.
        budget_s: seconds that one call may take; the steps that fit are made, and the learning rates fall in that time.
        l2, l1, perceptual: weights of the loss.
        unseen: weight of the squared distance from the encoder's picture in what the measurement does not see, such as
            colours of a grey one: no other term holds them, and they would drift while the rest is fitted.
        perceptual_term: ``vgg`` (the paper's; needs VGG-16 weights), or ``pyramid`` (needs nothing).
        feature_maps: how the generator bends to a picture after its codes were found; by default it does not.
        precision: of the generator's passes. Codes, weights of codes and losses are single precision in any case.
    """

    codes: PositiveInt = 15
    layer: int = Field(default=6, ge=0)
    latent: Latent | None = None
    steps: PositiveInt = 300
    optimizer: str = "adam"
    lr: PositiveFloat = 0.1
    alpha_lr: PositiveFloat = 0.05
    code_every: int = Field(default=5, ge=0)
    decay: bool = True
    starts: PositiveInt = 1
    budget_s: PositiveFloat | None = None
    l2: float = Field(default=1.0, ge=0)
    l1: float = Field(default=0.0, ge=0)
    perceptual: float = Field(default=0.1, ge=0)
    unseen: float = Field(default=0.0, ge=0)
    perceptual_term: Literal["vgg", "pyramid"] = "pyramid"
    feature_maps: FeatureMapSettings | None = None
    precision: Precision = "auto"

    def check_optimizer(self) -> None:
        """Raise SettingsError: an optimiser that is not in :data:`OPTIMIZERS`."""
        if self.optimizer not in OPTIMIZERS:
            raise SettingsError(f"optimizer is {self.optimizer!r}: the known ones are {', '.join(OPTIMIZERS)}")


class Inverted(NamedTuple):
    """Where an inversion ended.

    Attributes:
        z: codes, (B, N, z_dim).
        alpha: channel weights, (B, N, C).
        history: loss of each step that was made, and picture: (steps, B).
    """

    z: Tensor
    alpha: Tensor
    history: Tensor


class Inversion:
    """One descent of a batch, from given codes and weights.

    Args:
        settings: its steps and learning rates.
        generated: what makes pictures of codes.
        objective: what they should be.
        enough: mean squared residual that leaves nothing to explain, one for all or one a picture (the discrepancy
            principle: that of known noise); None where all steps are to be made.
        began: the time, by ``time.monotonic()``, from which a budget counts.
    """

    def __init__(
        self,
        settings: InversionSettings,
        generated: MultiCode,
        objective: Objective,
        *,
        enough: Tensor | float | None = None,
        began: float | None = None,
    ) -> None:
        self.settings, self.generated, self.objective, self.enough = settings, generated, objective, enough
        self.began = time.monotonic() if began is None else began
        self._states: State | None = None  # of the codes, when those were last moved

    def run(self, z: Tensor, alpha: Tensor, progress: Progress | None = None) -> Inverted:
        """Codes (B, N, z_dim) and weights (B, N, C) to better ones, whether gradients are enabled around it or not."""
        s = self.settings
        self._states = None
        z, alpha = z.requires_grad_(s.code_every > 0), alpha.requires_grad_()
        groups = [{"params": [z], "lr": s.lr}, {"params": [alpha], "lr": s.alpha_lr}]
        optimizer = OPTIMIZERS[s.optimizer](groups)
        kept = _Kept(z, alpha)
        history = z.new_zeros(s.steps, len(z))
        made = s.steps
        for step in range(s.steps):
            spent = (time.monotonic() - self.began) / s.budget_s if s.budget_s else 0.0
            if spent >= 1 and step:
                made = step
                break
            if s.decay:
                share = 0.5 + 0.5 * math.cos(math.pi * min(1.0, max(step / s.steps, spent)))
                for group, lr in zip(optimizer.param_groups, (s.lr, s.alpha_lr), strict=True):
                    group["lr"] = lr * share
            if self.enough is not None:
                kept.remember(z, alpha)
            history[step], squared = self._descend(optimizer, z, alpha, step)
            if self.enough is not None and kept.finish(squared <= self.enough):
                made = step + 1
                break
            if progress is not None:
                progress(step + 1, s.steps)
        z, alpha = kept.ended(z, alpha)
        return Inverted(z, alpha, history[:made])

    def _descend(self, optimizer: Any, z: Tensor, alpha: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """One step of the optimiser: the losses and squared residuals of the codes before it."""
        s, losses, squared = self.settings, Tensor(), Tensor()
        moves = s.code_every > 0 and step % s.code_every == 0

        def closure() -> Tensor:
            nonlocal losses, squared
            optimizer.zero_grad()
            with autocast(s.precision, z.device):
                states = self.generated.states(z) if self._states is None or moves else self._states
                image = self.generated.picture(states, alpha).float()
            self._states = states.map(Tensor.detach)
            losses, squared = self.objective(image)
            # A sum, not a mean: a picture's gradient must not depend on the size of its batch.
            total = losses.sum()
            total.backward()
            return total

        with torch.enable_grad():
            optimizer.step(closure)
        return losses.detach(), squared


class _Kept:
    """The codes of pictures that are done before the others: each keeps its own from then on."""

    def __init__(self, *now: Tensor) -> None:
        self._done = [value.detach().clone() for value in now]
        self._before = self._done
        self._running = torch.ones(len(now[0]), dtype=torch.bool)

    def remember(self, *now: Tensor) -> None:
        """The codes before a step: its residual is theirs, so those are what a picture that is done keeps."""
        self._before = [value.detach().clone() for value in now]

    def finish(self, reached: Tensor) -> bool:
        """Pictures (B,) that have come far enough are done; whether all are."""
        done = self._running & reached.cpu()
        for value, before in zip(self._done, self._before, strict=True):
            value[done] = before[done]
        self._running &= ~done
        return not bool(self._running.any())

    def ended(self, *now: Tensor) -> tuple[Tensor, ...]:
        """The codes of each picture: its own if it is done, else those of now."""
        for value, last in zip(self._done, now, strict=True):
            value[self._running] = last.detach()[self._running]
        return tuple(self._done)

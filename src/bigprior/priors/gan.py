"""Multi-code inversion of a frozen generator (Gu et al., CVPR 2020; Eq. 11 to 13).

A batch of measurements and all its codes are optimised at once, the target's features are computed once, the frozen
weights carry no gradient, and codes, whose way through the first layers is most of the work, move once in a few steps.
"""

from __future__ import annotations

import copy
import math
import time
from pathlib import Path
from typing import Any, Literal, Self

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from bigprior.degradations import Degradation, Measurement
from bigprior.errors import ImageError, SettingsError
from bigprior.networks.encoder import CodeEncoder
from bigprior.networks.generators.base import Generator
from bigprior.ops.perceptual import VGGFeatures
from bigprior.ops.precision import Precision, autocast
from bigprior.priors.base import Prior, Projection
from bigprior.priors.losses import InversionLoss, PerceptualTerm, PyramidTerm, VGGTerm
from bigprior.progress import Progress
from bigprior.settings import Settings

#: Any torch optimiser that takes parameter groups with a step size can be added here by name.
OPTIMIZERS: dict[str, Any] = {
    "adam": lambda groups: torch.optim.Adam(groups),
    "sgd": lambda groups: torch.optim.SGD(groups),
}


class InversionSettings(Settings):
    """How a generator is inverted.

    Attributes:
        codes: ``N``; 1 is single-code inversion.
        layer: ``l``, the composing layer: maps of each code entering it are weighted by ``alpha`` and summed.
        steps: of the optimiser.
        optimizer: a name in :data:`OPTIMIZERS`.
        lr, alpha_lr: step sizes of ``z`` and of ``alpha``.
        code_every: codes take one step in so many; between, their feature maps are kept and ``alpha`` moves alone. With
            0 codes stay where they begin, which is enough where an encoder chose them.
        decay: the step sizes fall to nothing along a half cosine.
        starts: without an encoder, the best of so many random starts is taken, picture by picture.
        budget_s: seconds that one call may take; the steps that fit are made, and the step sizes fall in that time.
        l2, l1, perceptual: weights of the loss.
        unseen: weight of the squared distance from the encoder's picture in what the measurement does not see, such as
            colours of a grey one: no other term holds them, and they would drift while the rest is fitted.
        perceptual_term: ``vgg`` (the paper's; needs VGG-16 weights), or ``pyramid`` (needs nothing).
        precision: of the generator's passes. Codes, weights of codes and losses are single precision in any case.
    """

    codes: PositiveInt = 15
    layer: int = Field(default=6, ge=0)
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
    precision: Precision = "auto"


def paper_settings(physics: type[Degradation]) -> InversionSettings:
    """The paper's own settings for a degradation (Section IV): plain gradient descent at step size 1.

    Raises:
        SettingsError: not one of the paper's tasks.
    """
    if not physics.paper:
        raise SettingsError(f"the paper has no settings for {physics.name}: leave them out")
    descent: dict[str, Any] = {
        "optimizer": "sgd",
        "lr": 1.0,
        "alpha_lr": 1.0,
        "decay": False,
        "code_every": 1,
        "precision": "fp32",
        "perceptual_term": "vgg",
    }
    return InversionSettings(**descent, **physics.paper)


class GANPrior(Prior):
    """A generator's own pictures, reached by inversion; works at the generator's size.

    Args:
        generator: set to evaluation and frozen, since its weights are never trained here.
        settings: one for all tasks.
        vgg: local VGG-16 trunk for ``perceptual_term="vgg"``; torchvision's weights by default.
        encoder: where inversions begin; without it, at random codes.

    Raises:
        SettingsError: unknown optimiser, a layer that the generator does not have, or an encoder for other settings or
            for a generator of another shape.
    """

    def __init__(
        self,
        generator: Generator,
        settings: InversionSettings | None = None,
        *,
        vgg: Path | str | None = None,
        encoder: CodeEncoder | None = None,
    ) -> None:
        super().__init__()
        self.settings = s = settings or InversionSettings()
        if s.optimizer not in OPTIMIZERS:
            raise SettingsError(f"optimizer is {s.optimizer!r}: the known ones are {', '.join(OPTIMIZERS)}")
        if s.layer > generator.layers:
            raise SettingsError(f"composing layer is {s.layer}: this generator splits at 0 to {generator.layers}")
        if encoder is not None and not encoder.fits(s.codes, s.layer):
            raise SettingsError(
                f"the encoder begins inversions of {encoder.codes} codes at layer {encoder.layer}, "
                f"but these are of {s.codes} at layer {s.layer}: leave it out, or train another"
            )
        if encoder is not None:
            shape = {"resolution": generator.resolution, "z_dim": generator.z_dim}
            shape["channels"] = generator.channels_at(s.layer)
            for name, wanted in shape.items():
                if encoder.settings[name] != wanted:
                    raise SettingsError(
                        f"the encoder was made for a generator with {name} {encoder.settings[name]}, "
                        f"but this one has {wanted}: leave it out, or train another"
                    )
        for network in (generator, encoder):
            if isinstance(network, torch.nn.Module):
                network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.generator, self.encoder = generator, encoder
        self.resolution = generator.resolution
        self.term: PerceptualTerm = VGGTerm(VGGFeatures(vgg)) if s.perceptual_term == "vgg" else PyramidTerm()

    def within(self, share: float) -> Self:
        """The same prior with a share of its time budget, for one of several calls."""
        part = copy.copy(self)
        if self.settings.budget_s is not None:
            part.settings = self.settings.model_copy(update={"budget_s": self.settings.budget_s * share})
        return part

    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """Invert the generator: measurements of pictures of its resolution to pictures with ``f(G(z)) ~ y``.

        Raises:
            ImageError: a measurement of another size.
        """
        y = m.y
        if m.size != (self.resolution, self.resolution):
            h, w = m.size
            raise ImageError(
                f"measurement is {w}x{h} but the generator makes {self.resolution}x{self.resolution}: use AnySize"
            )
        s, began = self.settings, time.monotonic()
        loss_of = InversionLoss(y, s.l2, s.l1, s.perceptual, self.term)
        z, alpha = self._start(m, seed, loss_of)
        held = s.unseen if self.encoder is not None else 0.0
        if held:
            with torch.no_grad(), autocast(s.precision, y.device):
                unseen = _unseen(self.compose(z, alpha).float(), m)
        z, alpha = z.requires_grad_(s.code_every > 0), alpha.requires_grad_()
        groups = [{"params": [z], "lr": s.lr}, {"params": [alpha], "lr": s.alpha_lr}]
        optimizer = OPTIMIZERS[s.optimizer](groups)
        history = y.new_zeros(s.steps, len(y))
        # The discrepancy principle: a residual as large as known noise is all there is to explain.
        sigma = m.degradation.known_sigma
        levels = torch.zeros(1) if sigma is None else torch.as_tensor(sigma, dtype=torch.float64)
        enough = torch.where(levels > 0, levels**2, -1) if bool((levels > 0).any()) else None
        kept = {"z": z.detach().clone(), "alpha": alpha.detach().clone()}
        running = torch.ones(len(y), dtype=torch.bool)

        losses = squared = history[0]

        features = None  # of the codes, when those were last moved

        def closure() -> Tensor:
            nonlocal losses, squared, features
            optimizer.zero_grad()
            with autocast(s.precision, y.device):
                if features is None or (s.code_every and step % s.code_every == 0):
                    features = self._features(z)
                assert features is not None
                image = self._composed(features, alpha).float()
            features = features.detach()
            losses, squared = loss_of(m.f(image))
            if held:
                losses = losses + held * (_unseen(image, m) - unseen).square().flatten(1).mean(1)
            # A sum, not a mean: a picture's gradient must not depend on the size of its batch.
            total = losses.sum()
            total.backward()
            return total

        for step in range(s.steps):
            spent = (time.monotonic() - began) / s.budget_s if s.budget_s else 0.0
            if spent >= 1 and step:
                history = history[:step]
                break
            if s.decay:
                share = 0.5 + 0.5 * math.cos(math.pi * min(1.0, max(step / s.steps, spent)))
                for group, lr in zip(optimizer.param_groups, (s.lr, s.alpha_lr), strict=True):
                    group["lr"] = lr * share
            # The residual is that of the codes before the step, so those are what a picture that is done keeps.
            before = {"z": z.detach().clone(), "alpha": alpha.detach().clone()} if enough is not None else {}
            with torch.enable_grad():
                optimizer.step(closure)
            history[step] = losses.detach()
            if enough is not None:
                done = running & (squared <= enough.to(squared)).cpu()
                for name, value in kept.items():
                    value[done] = before[name][done]
                running &= ~done
                if not running.any():
                    history = history[: step + 1]
                    break
            if progress is not None:
                progress(step + 1, s.steps)
        kept["z"][running], kept["alpha"][running] = z.detach()[running], alpha.detach()[running]
        with torch.no_grad(), autocast(s.precision, y.device):
            image = self.compose(**kept).float().contiguous()
        return Projection(image, kept, history)

    def compose(self, z: Tensor, alpha: Tensor) -> Tensor:
        """Codes (B, N, z_dim) and channel weights (B, N, C) to pictures (B, 3, R, R) (Eq. 13).

        The sum over codes is divided by N, as in the released code; the paper's equation is the sum alone.
        """
        return self._composed(self._features(z), alpha)

    def _features(self, z: Tensor) -> Tensor:
        """``G_1^(l)`` of every code: (B, N, z_dim) to (B, N, C, h, w)."""
        if len(z) > 1 and not z.requires_grad and bool((z == z[:1]).all()):  # codes that all pictures share
            maps = self._features(z[:1])
            return maps.expand(len(z), *maps.shape[1:])
        return self.generator.first(z.flatten(0, 1), self.settings.layer).unflatten(0, z.shape[:2])

    def _composed(self, features: Tensor, alpha: Tensor) -> Tensor:
        weighted = (features * alpha.to(features.dtype)[..., None, None]).sum(dim=1) / alpha.shape[1]
        return self.generator.second(weighted.contiguous(memory_format=torch.channels_last), self.settings.layer)

    @torch.no_grad()
    def _start(self, m: Measurement, seed: int, loss_of: InversionLoss) -> tuple[Tensor, Tensor]:
        """The encoder's codes and weights; or ``z`` normal and ``alpha`` 1/N, the same draws for every picture.

        No picture's start depends on its batch.
        """
        if self.encoder is not None:
            return self.encoder(m)
        s, y, batch = self.settings, m.y, len(m)
        rng = torch.Generator().manual_seed(seed)
        draws = [torch.randn(1, s.codes, self.generator.z_dim, generator=rng).to(y) for _ in range(s.starts)]
        alpha = y.new_full((batch, s.codes, self.generator.channels_at(s.layer)), 1 / s.codes)
        if s.starts == 1:
            return draws[0].repeat(batch, 1, 1), alpha
        with autocast(s.precision, y.device):
            images = [self.compose(z, alpha[:1]).float().expand(batch, -1, -1, -1) for z in draws]
        losses = torch.stack([loss_of(m.f(image))[0] for image in images])
        return torch.cat(draws)[losses.argmin(0)], alpha


def _unseen(image: Tensor, m: Measurement) -> Tensor:
    """What of a picture (N, 3, H, W) its measurement does not say."""
    return image - m.degradation.g_inv(m.f(image))

"""Multi-code inversion of a frozen generator (Gu et al., CVPR 2020; Eq. 11 to 13).

The target's features are computed once and the frozen weights carry no gradient; the descent is
:mod:`~bigprior.priors.inversion`'s.
"""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from bigprior.degradations import Degradation, Measurement
from bigprior.errors import ImageError, SettingsError
from bigprior.networks.encoder import CodeEncoder
from bigprior.networks.generators.base import Generator
from bigprior.ops.perceptual import VGGFeatures
from bigprior.ops.precision import autocast
from bigprior.priors.base import Prior, Projection
from bigprior.priors.featuremaps import FeatureMapSettings, bent
from bigprior.priors.inversion import Inversion, InversionSettings
from bigprior.priors.losses import InversionLoss, Objective, PerceptualTerm, PyramidTerm, VGGTerm
from bigprior.priors.multicode import MultiCode
from bigprior.progress import Progress

__all__ = ["GANPrior", "InversionSettings", "paper_settings"]

#: Of every task, the paper's own settings (Section IV): plain gradient descent at a learning rate of 1.
_PAPER: dict[str, Any] = {
    "optimizer": "sgd",
    "lr": 1.0,
    "alpha_lr": 1.0,
    "decay": False,
    "code_every": 1,
    "precision": "fp32",
    "perceptual_term": "vgg",
}


def paper_settings(physics: type[Degradation]) -> InversionSettings:
    """The paper's own settings for a degradation (Section IV).

    Raises:
        SettingsError: not one of the paper's tasks.
    """
    if not physics.paper:
        raise SettingsError(f"the paper has no settings for {physics.name}: leave them out")
    return InversionSettings(**_PAPER, **physics.paper)


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
        s.check_optimizer()
        if s.latent is not None:
            generator = generator.in_space(s.latent)
        self.generated = MultiCode(generator, s.codes, s.layer)
        if encoder is not None:
            _check_fits(encoder, self.generated)
        for network in (generator, encoder):
            if network is not None:
                network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.generator, self.encoder = generator, encoder
        self.resolution, self.draws = generator.resolution, encoder is None and not _guesses(generator)
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
        side = self.resolution
        if m.size != (side, side):
            h, w = m.size
            raise ImageError(f"measurement is {w}x{h} but the generator makes {side}x{side}: use AnySize")
        began, objective = time.monotonic(), self._explaining(m)
        z, alpha = self._start(m, seed, objective)
        if self.settings.unseen and self.encoder is not None:
            objective = self._holding(objective, self._generate(z, alpha), m)
        s = self.settings
        if s.feature_maps is not None and s.budget_s is not None:  # half of the time is for the maps
            s = s.model_copy(update={"budget_s": s.budget_s / 2})
        inversion = Inversion(s, self.generated, objective, enough=_enough(m), began=began)
        z, alpha, history = inversion.run(z, alpha, progress)
        image = self._generate(z, alpha)
        if s.feature_maps is not None:
            image, more = self._bent(s.feature_maps, m, z, alpha, began)
            history = torch.cat([history, more])
        return Projection(image.contiguous(), {"z": z, "alpha": alpha}, history)

    def compose(self, z: Tensor, alpha: Tensor) -> Tensor:
        """Codes (B, N, z_dim) and channel weights (B, N, C) to pictures (B, 3, R, R) (Eq. 13)."""
        return self.generated(z, alpha)

    @torch.no_grad()
    def _generate(self, z: Tensor, alpha: Tensor) -> Tensor:
        """The same in the precision of the settings, without gradients."""
        with autocast(self.settings.precision, z.device):
            return self.compose(z, alpha).float()

    def _bent(
        self, settings: FeatureMapSettings, m: Measurement, z: Tensor, alpha: Tensor, began: float
    ) -> tuple[Tensor, Tensor]:
        """The pictures (B, 3, R, R) of a generator that bends to each, and the losses of its steps (steps, B)."""
        until, enough = self.settings.budget_s, _enough(m)
        images, losses = list[Tensor](), list[Tensor]()
        for i in range(len(z)):
            with torch.no_grad():
                states = self.generated.states(z[i : i + 1])
                state = self.generator.compose(states, alpha[i : i + 1], self.settings.layer)
            image, history = bent(
                self.generator,
                state,
                self.settings.layer,
                settings,
                self._explaining(m[i : i + 1]),
                enough=None if enough is None else float(enough.expand(len(z))[i]),
                until=None if until is None else began + until * (0.5 + 0.5 * (i + 1) / len(z)),
            )
            images.append(image)
            losses.append(history)
        return torch.cat(images), torch.cat(losses, dim=1)

    def _explaining(self, m: Measurement) -> Objective:
        """How far pictures are from the measurement (Eq. 11)."""
        s = self.settings
        loss_of = InversionLoss(m.y, s.l2, s.l1, s.perceptual, self.term)
        return lambda image: loss_of(m.f(image))

    def _holding(self, objective: Objective, start: Tensor, m: Measurement) -> Objective:
        """The same, with what the measurement does not see held near that of a picture (B, 3, R, R)."""
        first = _unseen(start, m)

        def held(image: Tensor) -> tuple[Tensor, Tensor]:
            losses, squared = objective(image)
            drift = (_unseen(image, m) - first).square().flatten(1).mean(1)
            return losses + self.settings.unseen * drift, squared

        return held

    @torch.no_grad()
    def _start(self, m: Measurement, seed: int, objective: Objective) -> tuple[Tensor, Tensor]:
        """The encoder's codes and weights; or ``z`` of random pictures and ``alpha`` 1/N, the same draws for all.

        A generator with an encoder of its own begins at what that says, and at random pictures without a weight.
        No picture's start depends on its batch.
        """
        if self.encoder is not None:
            begun: tuple[Tensor, Tensor] = self.encoder(m)
            return begun
        rng, batch = torch.Generator().manual_seed(seed), len(m)
        draws = [self.generated.draw(rng).to(m.y) for _ in range(self.settings.starts)]
        alpha = self.generated.even(batch).to(m.y)
        if (guess := self.generator.guess(m.fidelity.clamp(0, 1))) is not None:
            z = torch.cat([guess[:, None], draws[0][:, 1:].expand(batch, -1, -1)], dim=1)
            weights = torch.zeros_like(alpha)
            weights[:, 0] = 1
            return z, weights
        if len(draws) == 1:
            return draws[0].repeat(batch, 1, 1), alpha
        images = [self._generate(z, alpha[:1]).expand(batch, -1, -1, -1) for z in draws]
        losses = torch.stack([objective(image)[0] for image in images])
        return torch.cat(draws)[losses.argmin(0)], alpha


def _guesses(generator: Generator) -> bool:
    """Whether an encoder of its own says where inversions begin, and nothing is drawn."""
    side, like = generator.resolution, next(generator.parameters(), torch.zeros(()))
    with torch.no_grad():
        return generator.guess(torch.zeros(1, 3, side, side).to(like)) is not None


def _enough(m: Measurement) -> Tensor | None:
    """The discrepancy principle: a squared residual as large as that of known noise is all there is to explain.

    Returns:
        One for all pictures, or one each, (N,), below 0 for those without noise; None if nothing is known.
    """
    sigma = m.degradation.known_sigma
    if sigma is None:
        return None
    levels = torch.as_tensor(sigma, dtype=torch.float64)
    return torch.where(levels > 0, levels**2, -1).to(m.y) if bool((levels > 0).any()) else None


def _check_fits(encoder: CodeEncoder, generated: MultiCode) -> None:
    """Raise SettingsError: the encoder begins other inversions than these."""
    codes, layer, generator = generated.codes, generated.layer, generated.generator
    if not encoder.fits(codes, layer):
        raise SettingsError(
            f"the encoder begins inversions of {encoder.codes} codes at layer {encoder.layer}, "
            f"but these are of {codes} at layer {layer}: leave it out, or train another"
        )
    shape = {"resolution": generator.resolution, "z_dim": generator.z_dim, "channels": generator.channels_at(layer)}
    for name, wanted in shape.items():
        if encoder.settings[name] != wanted:
            raise SettingsError(
                f"the encoder was made for a generator with {name} {encoder.settings[name]}, "
                f"but this one has {wanted}: leave it out, or train another"
            )


def _unseen(image: Tensor, m: Measurement) -> Tensor:
    """What of a picture (N, 3, H, W) its measurement does not say."""
    return image - m.degradation.g_inv(m.f(image))

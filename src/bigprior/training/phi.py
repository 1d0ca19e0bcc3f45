"""``bigprior train phi``: the fusion weight, learned without a guide (Eq. 14)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from bigprior import DEFAULT_PRESET
from bigprior.degradations import DEGRADATIONS
from bigprior.errors import SettingsError
from bigprior.frames import Bands, Frame, PixelFrame
from bigprior.frames import frame as make_frame
from bigprior.fusion import centre, fuse, variance
from bigprior.ops.colour import ab_distance
from bigprior.ops.precision import autocast
from bigprior.phi import PHI_NETWORKS, PhiNetwork, phi_network
from bigprior.presets.loading import load_prior
from bigprior.progress import Progress
from bigprior.training.draws import random_crop, seeded
from bigprior.training.plan import Moment
from bigprior.training.schedules import one_cycle
from bigprior.training.settings import CountedInSteps, Index, Share, Task
from bigprior.training.trainer import Descent
from bigprior.training.triples import Triples, check_apart, given_triples, task_triples


class PhiSettings(CountedInSteps):
    """Everything that decides how a phi network is trained; saved beside its weights.

    Attributes:
        network, network_settings: a name in :data:`bigprior.phi.PHI_NETWORKS`, and its arguments.
        rho: weight of the mean of ``phi`` (Eq. 14): favours the measurement where the prior is no better. A network for
            bands learns every weight up to 0.1, and is used with this one unless another is asked for.
        error: what Eq. 14 measures the fused picture's error in: ``l2``, squared as in the paper; ``l1``, absolute; or
            ``ab``, the distance in CIELAB's colour plane that colorizations are scored by; or ``ab+rms``, that and half
            of each picture's root mean square error, which decibels are counted from.
        weights: what training starts from: ``torch``, its layers' own; or ``he``, which keeps the signals' size from
            layer to layer and starts from the same ``phi`` everywhere. It learns sooner, and wants a smaller ``lr``: at
            2e-3 the U-Net's ``phi`` ran into 1 and stayed there.
        crop_px: side of the random crops.
        uneven: share of the steps with smaller crops that cut the frame's squares, as the edges of most pictures do.
        lr: the peak of the learning rate, which makes one cycle.
        precision: of the network's training passes.
        validate_every: steps between two scores on the validation pictures; the best weights are kept.
    """

    network: str = "unet"
    network_settings: dict[str, Any] = Field(default_factory=dict)
    rho: float = Field(default=1e-5, ge=0)
    error: Literal["l2", "l1", "ab", "ab+rms"] = "l2"
    weights: Literal["torch", "he"] = "torch"
    crop_px: PositiveInt = 64
    uneven: Share = 0.5
    lr: PositiveFloat = 2e-3
    weight_decay: float = Field(default=1e-4, ge=0)


class PhiRecipe(PhiSettings):
    """Settings, and what is learned from.

    Attributes:
        task: a degradation's name, or its verb.
        preset: whose prior is weighed.
        prior_dir: priors that were computed elsewhere, one of the same name a picture, in place of a preset's.
        index, validation: pictures to learn from, and to choose the weights on; without the latter the last weights
            come out.
        inversion_steps: in place of the preset's.
        draws: measurements of each picture: other noise, other holes.
    """

    task: Task
    preset: str = DEFAULT_PRESET
    prior_dir: Path | None = None
    index: Index = (0, 199)
    validation: Index = (200, 249)
    inversion_steps: PositiveInt | None = None
    draws: PositiveInt = 1


def _root_mean_square(image: Tensor, truth: Tensor) -> Tensor:
    # A little is added under the root, whose gradient has no bound at 0.
    return (image - truth).square().mean(dim=(1, 2, 3)).add(1e-6).sqrt()


#: Errors of pictures (N, 3, H, W), each (N,).
_DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l2": lambda image, truth: (image - truth).square().mean(dim=(1, 2, 3)),
    "l1": lambda image, truth: (image - truth).abs().mean(dim=(1, 2, 3)),
    "ab": ab_distance,
    "ab+rms": lambda image, truth: ab_distance(image, truth) + _root_mean_square(image, truth) / 2,
}


def band_objective(
    frame: Frame, phi: Bands, fidelity: Tensor, prior: Tensor, truth: Tensor, *, rho: Tensor, error: str = "l2"
) -> Tensor:
    """Eq. 14 in a frame: error of the fused pictures, and the prior's share of the variance, weighted by ``rho`` (N,).

    Each picture counts relative to the error of its prior alone, so that hardly any noise is heard beside much of it.
    """
    terms = zip(frame.analyse(fidelity), frame.analyse(prior), phi, strict=True)
    fused = frame.synthesise([fuse(*term) for term in terms], *truth.shape[2:])
    energy = [c.square() for c in frame.analyse(prior - centre(prior))]
    hallucinated = torch.stack([(p * e).sum(dim=(1, 2, 3)) for p, e in zip(phi, energy, strict=True)]).sum(0)
    total = torch.stack([e.sum(dim=(1, 2, 3)) for e in energy]).sum(0)
    distance, share = _DISTANCES[error], hallucinated / total.clamp_min(1e-12)
    return ((distance(fused, truth) + rho * share) / (distance(prior, truth) + rho / 10)).mean()


def objective(phi: Tensor, fidelity: Tensor, prior: Tensor, truth: Tensor, *, rho: float, error: str = "l2") -> Tensor:
    """Eq. 14: error of the fused picture, and the l1 norm of ``phi``; both as means.

    Deviates where ``error`` is not ``l2``: colour is judged by its distance, and most of the squares are in few pixels.
    """
    return _DISTANCES[error](fuse(fidelity, prior, phi), truth).mean() + rho * phi.abs().mean()


class PhiTrainer(Descent[PhiSettings]):
    """A phi network, whose best weights on the validation pictures come out.

    Args:
        settings: of the run.
        train: what to learn from.
        validation: what to choose the best weights on; without it the last ones come out.
        about: of the task and the prior, for the weights' header and the run's sources.

    Raises:
        SettingsError: a network without parameters.
        UnknownNameError: no such network.
    """

    name = "phi"
    recipe = PhiRecipe
    network: PhiNetwork

    def __init__(
        self,
        settings: PhiSettings,
        train: Triples,
        validation: Triples | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(settings)
        self.train, self.validation, self.about = train, validation, dict(about or {})
        with seeded(settings.seed):
            self.network = phi_network(settings.network, **settings.network_settings)
            if settings.weights == "he":
                _start_as_he(self.network)
        if not list(self.network.parameters()):
            raise SettingsError(f"a phi network {settings.network!r} has nothing to train: choose another")
        self.network.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), settings.lr, weight_decay=settings.weight_decay)

    @classmethod
    def of(cls, recipe: PhiRecipe, data: Path, out: Path, progress: Progress | None = None) -> Self:
        """The trainer that a recipe and a folder of pictures describe; inversions are kept in ``out/cache``."""
        check_apart(recipe.index, recipe.validation)
        recipe = recipe.model_copy(update={"network_settings": _network_settings(recipe)})
        # What cannot be built is said before the inversions.
        phi_network(recipe.network, **recipe.network_settings)
        about: dict[str, Any] = {"task": recipe.task}
        parts = [recipe.index]
        if recipe.validation is not None:
            parts.append(recipe.validation)
        if recipe.prior_dir is not None:
            triples = [given_triples(recipe.task, data, recipe.prior_dir, part) for part in parts]
        else:
            loaded = load_prior(recipe.preset, recipe.task, steps=recipe.inversion_steps)
            about |= {"preset": recipe.preset, "prior": loaded.weights}
            given = (recipe.task, data, parts, loaded.prior, loaded.key, out / "cache")
            triples = task_triples(*given, draws=recipe.draws, progress=progress)
        return cls(recipe, triples[0], triples[1] if recipe.validation is not None else None, about)

    @property
    def sources(self) -> dict[str, str]:
        """The pictures, and what was said of the task and the prior."""
        parts = {"pictures": self.train, "validation": self.validation}
        about = {name: str(value) for name, value in self.about.items()}
        return about | {name: part.described() for name, part in parts.items() if part is not None}

    def prepare(self, progress: Progress | None) -> None:
        """Move the pictures to the device."""
        self.train = self.train.to(self.device)
        self.validation = None if self.validation is None else self.validation.to(self.device)

    def schedule(self, moment: Moment) -> dict[str, Any]:
        """One cycle."""
        return one_cycle(moment, self.settings.lr)

    def loss(self, moment: Moment, shared: torch.Generator, own: torch.Generator) -> tuple[str, Tensor]:
        """Eq. 14, of crops."""
        s, crops = self.settings, []
        for _ in range(self.share):
            n = int(torch.randint(len(self.train), (), generator=own))
            crops.append(random_crop([part[n] for part in self.train.parts()], s.crop_px, own))
        parts = [torch.stack(part) for part in zip(*crops, strict=True)]
        if float(torch.rand((), generator=own)) < s.uneven:
            parts = _cut(parts, max(band.step for band in make_frame(self.network.frame).bands), own)
        fidelity, prior, truth = (part.contiguous(memory_format=torch.channels_last) for part in parts)
        self.network.train()
        # Every weight that a user may ask for; a network of one weight sees the run's own.
        rho = (10 ** (-6 + 5 * torch.rand(len(truth), generator=own))).to(self.device)
        with autocast(s.precision, truth.device):
            return "loss", self.objective(fidelity, prior, truth, rho)

    def objective(self, fidelity: Tensor, prior: Tensor, truth: Tensor, rho: Tensor) -> Tensor:
        """Eq. 14, in the network's frame."""
        s, parts, frame = self.settings, (fidelity, prior, truth), make_frame(self.network.frame)
        phi = self.network(fidelity, prior, frame, mean=centre(prior), weight=rho / variance(prior))
        if not self.network.has_knob and self.network.frame == PixelFrame.name:
            return objective(phi[0].float(), *parts, rho=s.rho, error=s.error)
        rho = rho if self.network.has_knob else torch.full_like(rho, s.rho)
        return band_objective(frame, phi, *parts, rho=rho, error=s.error)

    @torch.no_grad()
    def validate(self) -> float | None:
        """Eq. 14, of whole validation pictures."""
        if self.validation is None:
            return None
        self.network.eval()
        singles = zip(*(part.split(1) for part in self.validation.parts()), strict=True)
        rho = torch.tensor([self.settings.rho], device=self.device)
        losses = [self.objective(y, g, x, rho).item() for y, g, x in singles]
        return sum(losses) / len(losses)

    def header(self) -> dict[str, Any]:
        """How to build the network, and what it is for."""
        return {"kind": self.settings.network, "network": self.network.settings, **self.about}


def _network_settings(recipe: PhiRecipe) -> dict[str, Any]:
    """The recipe's, and what the task or the recipe itself says of others that the network takes.

    Raises:
        SettingsError: some that it does not take.
        UnknownNameError: no such network.
    """
    degradation, takes = DEGRADATIONS[recipe.task], inspect.signature(PHI_NETWORKS[recipe.network]).parameters
    if unknown := [name for name in recipe.network_settings if name not in takes]:
        raise SettingsError(
            f"network_settings has {unknown[0]}, which {recipe.network} does not take: expected some of "
            f"{', '.join(takes)}"
        )
    found = {"frame": degradation.frame, "rho": recipe.rho, "channels_in": degradation.channels}
    return {name: value for name, value in found.items() if name in takes} | recipe.network_settings


def _cut(parts: Sequence[Tensor], square: int, rng: torch.Generator) -> list[Tensor]:
    """Pictures (N, C, H, W) of one size without up to ``square - 1`` of their last rows and columns."""
    less = (int(torch.randint(min(square, side), (), generator=rng)) for side in parts[0].shape[2:])
    height, width = (side - cut for side, cut in zip(parts[0].shape[2:], less, strict=True))
    return [part[..., :height, :width] for part in parts]


def _start_as_he(network: nn.Module) -> None:
    """He et al., ICCV 2015, Equation 10, for every convolution but the last, which starts from 0, as those that do."""
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    for layer in layers:
        if bool(layer.weight.any()):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    for layer in layers[-1:]:
        nn.init.zeros_(layer.weight)

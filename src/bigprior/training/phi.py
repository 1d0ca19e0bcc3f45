"""``bigprior train phi``: the fusion weight, learned without a guide (Eq. 14), resumable to the bit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bigprior.degradations import Measurement
from bigprior.degradations.simulation import simulate
from bigprior.errors import SettingsError
from bigprior.frames import Bands, Frame
from bigprior.frames import frame as make_frame
from bigprior.fusion import centre, fuse, variance
from bigprior.io.atomic import replacing
from bigprior.io.weights import digest_of, save_weights
from bigprior.ops.colour import ab_distance
from bigprior.ops.precision import autocast
from bigprior.phi import phi_network
from bigprior.priors.base import Prior
from bigprior.progress import Progress
from bigprior.settings import Settings
from bigprior.training.run import Best, Run, random_crop, state_of, step_rng


class PhiSettings(Settings):
    """Everything that decides how a phi network is trained; saved beside its weights.

    Attributes:
        network, network_settings: a name in :data:`bigprior.fusion.PHI_NETWORKS`, and its arguments.
        rho: weight of the mean of ``phi`` (Eq. 14): favours the measurement where the prior is no better. A network for
            bands learns every weight up to 0.1, and is used with this one unless another is asked for.
        error: what Eq. 14 measures the fused picture's error in: ``l2``, squared as in the paper; ``l1``, absolute; or
            ``ab``, the distance in CIELAB's colour plane that colorizations are scored by; or ``ab+rms``, that and half
            of each picture's root mean square error, which decibels are counted from.
        init: the weights that training starts from: ``torch``, its layers' own; or ``he``, which keeps the signals'
            size from layer to layer and starts from the same ``phi`` everywhere. It learns sooner, and wants a smaller
            ``lr``: at 2e-3 the U-Net's ``phi`` ran into 1 and stayed there.
        crop_px: side of the random crops.
        uneven: share of the steps with smaller crops that cut the frame's squares, as the edges of most pictures do.
        lr: the peak of a one-cycle schedule of AdamW.
        precision: of the network's training passes.
        validate_every: steps between two scores on the validation pictures; the best weights are kept.
    """

    network: str = "unet"
    network_settings: dict[str, Any] = Field(default_factory=dict)
    rho: float = Field(default=1e-5, ge=0)
    error: Literal["l2", "l1", "ab", "ab+rms"] = "l2"
    init: Literal["torch", "he"] = "torch"
    steps: PositiveInt = 3000
    batch: PositiveInt = 16
    crop_px: PositiveInt = 64
    uneven: float = Field(default=0.5, ge=0, le=1)
    lr: PositiveFloat = 2e-3
    weight_decay: float = Field(default=1e-4, ge=0)
    validate_every: PositiveInt = 250
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0


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


@dataclass(frozen=True)
class Triples:
    """What Eq. 14 needs of each picture: ``g_inv(y)``, ``G(z*)`` and the truth, each (N, 3, H, W) in [0, 1]."""

    fidelity: Tensor
    prior: Tensor
    truth: Tensor

    def __len__(self) -> int:
        return len(self.truth)

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Fidelity, prior and truth."""
        return self.fidelity, self.prior, self.truth


def make_triples(
    prior: Prior,
    protocols: Sequence[str],
    truth: Tensor,
    names: Sequence[str],
    *,
    draws: int = 1,
    key: str,
    cache: Path | str,
    batch: int = 50,
    progress: Progress | None = None,
) -> Triples:
    """Simulate and invert every picture; inversions are kept on disk, so that a second training starts at once.

    Args:
        prior: projects the measurements.
        protocols: of :data:`bigprior.degradations.simulation.PROTOCOLS`; each picture is measured by each.
        truth: (N, 3, H, W), RGB in [0, 1].
        names: of the pictures; they seed the measurements.
        draws: measurements of each picture and protocol.
        key: what the prior depends on (weights, settings); the measurement itself is added here.
        cache: folder of the inversions.
        batch: pictures inverted at once.
    """
    fidelity, images, truths = [], [], []
    chunks = [(p, d, i) for p in protocols for d in range(draws) for i in range(0, len(truth), batch)]
    for done, (protocol, draw, start) in enumerate(chunks):
        x = truth[start : start + batch]
        y, physics = simulate(protocol, x, names[start : start + batch], draw)
        m = physics.measure(y)
        image = _cached_projection(prior, m, key, Path(cache))
        fidelity.append(m.fidelity)
        images.append(image)
        truths.append(x)
        if progress is not None:
            progress(done + 1, len(chunks))
    return Triples(torch.cat(fidelity), torch.cat(images), torch.cat(truths))


def train_phi(
    out: Path | str,
    settings: PhiSettings,
    train: Triples,
    validation: Triples | None = None,
    *,
    header: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> Path:
    """Train a phi network; a run that was interrupted goes on where its last save was.

    Args:
        out: the run's folder: state, log, and ``phi.safetensors``.
        train: what to learn from.
        validation: what to choose the best weights on; without it the last ones are exported.
        header: added to the weights' settings.

    Returns:
        The path of the exported weights.

    Raises:
        SettingsError: ``out`` belongs to a run with other settings, or a network without parameters.
        UnknownNameError: no such network.
    """
    trainer = _Trainer(settings)
    sources = {name: str(value) for name, value in (header or {}).items()}
    for name, part in (("pictures", train), ("validation", validation)):
        if part is not None:
            sources[name] = f"{len(part)}, {digest_of(part.truth, part.fidelity)[:16]}"
    run = Run(out, settings, sources, quiet=quiet)
    run.restore(trainer)
    for step in run.steps(trainer.step, settings.steps, settings.batch, trainer.state):
        loss = trainer.train_step(train)
        last = step + 1 == settings.steps
        if (step + 1) % settings.validate_every == 0 or last:
            score = trainer.validate(validation) if validation is not None else loss
            trainer.best.keep(score if validation is not None else -float(step), trainer.network)
            run.log(step=step + 1, loss=loss, validation=score)
    extra = {"kind": settings.network, "network": trainer.network.settings, "recipe": settings.model_dump()}
    weights = run.folder / "phi.safetensors"
    save_weights(weights, trainer.best.tensors, {**extra, **(header or {})})
    return weights


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


class _Trainer:
    def __init__(self, settings: PhiSettings) -> None:
        self.settings = settings
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.network = phi_network(settings.network, **settings.network_settings)
            if settings.init == "he":
                _start_as_he(self.network)
        if not list(self.network.parameters()):
            raise SettingsError(f"a phi network {settings.network!r} has nothing to train: choose another")
        self.network.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), settings.lr, weight_decay=settings.weight_decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, settings.lr, total_steps=settings.steps)
        self.step = 0
        self.best = Best(self.network)

    def train_step(self, data: Triples) -> float:
        s, rng = self.settings, step_rng(self.settings.seed, self.step)
        crops = []
        for _ in range(s.batch):
            n = int(torch.randint(len(data), (), generator=rng))
            crops.append(random_crop([part[n] for part in data.parts()], s.crop_px, rng))
        parts = [torch.stack(part) for part in zip(*crops, strict=True)]
        if float(torch.rand((), generator=rng)) < s.uneven:
            parts = _cut(parts, max(band.step for band in make_frame(self.network.frame).bands), rng)
        fidelity, prior, truth = (part.contiguous(memory_format=torch.channels_last) for part in parts)
        self.network.train()
        # Every weight that a user may ask for; a network of one weight sees the run's own.
        rho = 10 ** (-6 + 5 * torch.rand(len(truth), generator=rng))
        with autocast(s.precision, truth.device):
            loss = self.loss(fidelity, prior, truth, rho)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        return loss.item()

    def loss(self, fidelity: Tensor, prior: Tensor, truth: Tensor, rho: Tensor) -> Tensor:
        """Eq. 14, in the network's frame."""
        s, parts, frame = self.settings, (fidelity, prior, truth), make_frame(self.network.frame)
        phi = self.network(fidelity, prior, frame, mean=centre(prior), weight=rho / variance(prior))
        if not self.network.has_knob:
            return objective(phi[0].float(), *parts, rho=s.rho, error=s.error)
        return band_objective(frame, phi, *parts, rho=rho, error=s.error)

    @torch.no_grad()
    def validate(self, data: Triples) -> float:
        self.network.eval()
        singles = zip(*(part.split(1) for part in data.parts()), strict=True)
        rho = torch.tensor([self.settings.rho])
        losses = [self.loss(y, g, x, rho).item() for y, g, x in singles]
        return sum(losses) / len(losses)

    def state(self) -> dict[str, Any]:
        return state_of(self, "network", "optimizer", "schedule", "step", "best")


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


def _cached_projection(prior: Prior, m: Measurement, key: str, cache: Path) -> Tensor:
    path = cache / f"{hashlib.sha256(f'{key}/{m.fingerprint()}'.encode()).hexdigest()}.safetensors"
    if path.exists():
        return load_file(path)["image"]
    image = prior.project(m).image
    with replacing(path) as temporary:
        save_file({"image": image.contiguous()}, temporary)
    return image

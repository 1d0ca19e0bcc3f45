"""``bigprior train prior``: a GAN with a projected discriminator, resumable to the bit.

Recipe: Progressive GAN's generator at full size from the start, a projected discriminator on frozen VGG-16 features
of augmented pictures, hinge loss, an exponential moving average of the weights (Sauer et al., NeurIPS 2021).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor
from torchvision.utils import make_grid, save_image

from bigprior.io.atomic import replacing
from bigprior.io.folders import list_pictures, load_square
from bigprior.io.weights import read_weights, save_weights
from bigprior.networks.generators.pggan import PGGAN
from bigprior.ops.perceptual import VGGFeatures
from bigprior.ops.precision import autocast
from bigprior.settings import Settings
from bigprior.training.discriminator import (
    ProjectedDiscriminator,
    augment,
    hinge_discriminator,
    hinge_generator,
    moment_distance,
)
from bigprior.training.run import Run, named, state_of, step_rng


class PriorSettings(Settings):
    """Everything that decides how a generator is trained; saved beside its weights."""

    resolution: PositiveInt = 64
    z_dim: PositiveInt = 256
    fmap_base: PositiveInt = 2048
    fmap_max: PositiveInt = 256
    discriminator_width: PositiveInt = 64
    batch: int = Field(default=32, ge=2)  # the spread of a batch needs two
    total_kimg: PositiveFloat = 400.0
    #: In units of the weights as they are used, and of the biases; see PGGAN.parameter_groups.
    generator_lr: PositiveFloat = 5e-4
    discriminator_lr: PositiveFloat = 5e-4
    betas: tuple[float, float] = (0.0, 0.99)
    #: Weight of the feature moments in the generator's loss.
    moments: float = Field(default=15.0, ge=0)
    #: Half-life of the moving average, at most; a run that has seen fewer images averages over a twentieth of them.
    ema_kimg: PositiveFloat = 10.0
    snapshot_kimg: PositiveFloat = 8.0
    #: Of the convolutions; ``bf16`` is twice as fast on processors that multiply matrices in it.
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0


def train_prior(
    data: Path | str,
    out: Path | str,
    settings: PriorSettings,
    *,
    vgg: Path | str | None = None,
    index: tuple[int, int] | None = None,
    init: Path | str | None = None,
    quiet: bool = False,
) -> Path:
    """Train a generator on a folder of pictures; a run that was interrupted goes on where its last save was.

    Args:
        data: folder of pictures; their centre squares are resized to ``settings.resolution``.
        out: the run's folder: state, log, sample grids, and ``generator.safetensors`` (the moving average).
        vgg: local VGG-16 trunk (see :class:`bigprior.ops.perceptual.VGGFeatures`).
        index: first and last picture of ``data`` in the order of their names, both included; all by default.
        init: weights to start a new run from; layers of another shape start afresh, so that a smaller generator's
            weights grow into a larger one.

    Returns:
        The path of the exported weights.

    Raises:
        ImageError: no pictures in ``data``.
        SettingsError: ``out`` belongs to a run with other settings.
        WeightsError: ``vgg`` or ``init`` cannot be used.
    """
    files = list_pictures(data, index)
    run = Run(out, settings, {"pictures": named(files)}, quiet=quiet)
    trainer = _Trainer(settings, VGGFeatures(vgg))
    if not run.restore(trainer) and init is not None:
        trainer.start_from(*read_weights(init))
    pictures = load_square(files, settings.resolution)

    steps = round(settings.total_kimg * 1000 / settings.batch)
    snapshot = max(1, round(settings.snapshot_kimg * 1000 / settings.batch))
    weights = run.folder / "generator.safetensors"
    for step in run.steps(trainer.step, steps, settings.batch, trainer.state):
        losses = trainer.train_step(pictures)
        if (step + 1) % snapshot == 0 or step + 1 == steps:
            images = trainer.images_seen
            run.log(images=images, **losses)
            with replacing(run.folder / f"samples-{images // 1000:05d}k.png") as temporary:
                save_image(trainer.sample_grid(), temporary)
            save_weights(weights, trainer.ema.state_dict(), trainer.header())
    return weights


class _Trainer:
    """Networks, optimisers and the one step that trains them."""

    def __init__(self, settings: PriorSettings, features: VGGFeatures) -> None:
        self.settings, self.features = settings, features
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.generator = PGGAN(settings.resolution, settings.z_dim, settings.fmap_base, settings.fmap_max)
            self.discriminator = ProjectedDiscriminator(settings.discriminator_width)
        for network in (self.generator, self.discriminator):
            network.to(memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.generator).eval().requires_grad_(False)
        groups = self.generator.parameter_groups(settings.generator_lr)
        self.generator_step = torch.optim.Adam(groups, settings.generator_lr, settings.betas)
        trained = [p for p in self.discriminator.parameters() if p.requires_grad]
        self.discriminator_step = torch.optim.Adam(trained, settings.discriminator_lr, settings.betas)
        self.step = 0
        self.images_before = 0  # seen by the weights that this run started from

    @property
    def images_seen(self) -> int:
        return self.images_before + self.step * self.settings.batch

    def train_step(self, pictures: Tensor) -> dict[str, float]:
        """One step of both networks.

        The pictures that the discriminator learns from also teach the generator: one pass through the generator
        and one through the features serve both, which costs a third less than two of each.
        """
        s, rng = self.settings, step_rng(self.settings.seed, self.step)
        index = torch.randint(len(pictures), (s.batch,), generator=rng)
        real = pictures[index].float().div(255)
        flip = torch.rand(s.batch, 1, 1, 1, generator=rng) < 0.5
        real = torch.where(flip, real.flip(3), real).contiguous(memory_format=torch.channels_last)
        z = torch.randn(s.batch, s.z_dim, generator=rng)

        with autocast(s.precision, real.device):
            fake_features = self.features(augment(self.generator(z).float(), rng))
            with torch.no_grad():
                real_features = self.features(augment(real, rng))

            self.discriminator.train().requires_grad_(True)
            self.discriminator.freeze_projections()
            fake_logits = self.discriminator({k: v.detach() for k, v in fake_features.items()})
            loss_d = hinge_discriminator(self.discriminator(real_features), fake_logits)
        self.discriminator_step.zero_grad()
        loss_d.backward()
        self.discriminator_step.step()

        # eval: the power iteration of the spectral norm moves once a step.
        self.discriminator.eval().requires_grad_(False)
        with autocast(s.precision, real.device):
            moments = moment_distance(real_features, fake_features)
            loss_g = hinge_generator(self.discriminator(fake_features)) + s.moments * moments
        self.generator_step.zero_grad()
        loss_g.backward()
        self.generator_step.step()

        self.step += 1
        half_life = min(s.ema_kimg * 1000, self.images_seen / 20)
        with torch.no_grad():
            for slow, fast in zip(self.ema.parameters(), self.generator.parameters(), strict=True):
                slow.lerp_(fast, 1 - 0.5 ** (s.batch / half_life))
        return {
            "loss_d": round(loss_d.item(), 4),
            "loss_g": round(loss_g.item(), 4),
            "moments": round(moments.item(), 4),
        }

    def start_from(self, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
        """Begin with a trained generator's layers, where they fit, and a fresh discriminator."""
        for network in (self.generator, self.ema):
            own = network.state_dict()
            network.load_state_dict(
                {k: tensors[k] if k in tensors and tensors[k].shape == v.shape else v for k, v in own.items()}
            )
        self.images_before = int(header.get("images", 0))

    @torch.no_grad()
    def sample_grid(self) -> Tensor:
        """64 pictures of the moving average from codes that never change."""
        z = torch.randn(64, self.settings.z_dim, generator=step_rng(self.settings.seed, -1))
        return make_grid(self.ema(z).clamp(0, 1), nrow=8, padding=0)

    def header(self) -> dict[str, Any]:
        """What is written into the weights file: how to build the network, and how it came to be."""
        recipe = self.settings.model_dump()
        return {"architecture": "pggan", "generator": self.ema.settings, "images": self.images_seen, "recipe": recipe}

    def state(self) -> dict[str, Any]:
        return state_of(
            self, "step", "images_before", "generator", "discriminator", "ema", "generator_step", "discriminator_step"
        )

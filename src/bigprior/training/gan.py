"""``bigprior train gan``: a generator with a projected discriminator.

Recipe: Progressive GAN's generator at full size from the start, a projected discriminator on frozen VGG-16 features
of augmented pictures, hinge loss, an exponential moving average of the weights (Sauer et al., NeurIPS 2021).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from bigprior.io.folders import list_pictures, load_square
from bigprior.networks.generators.pggan import PGGAN
from bigprior.ops.perceptual import VGGFeatures
from bigprior.ops.precision import autocast
from bigprior.progress import Progress
from bigprior.training.discriminator import (
    ProjectedDiscriminator,
    augment,
    hinge_discriminator,
    hinge_generator,
    moment_distance,
)
from bigprior.training.draws import mirrored, seeded, step_rng
from bigprior.training.plan import Moment
from bigprior.training.settings import CountedInImages, Index
from bigprior.training.trainer import FromPhotographs, Trainer, follow, sheet


class GANSettings(CountedInImages):
    """Everything that decides how a generator is trained; saved beside its weights.

    Attributes:
        index: pictures to learn from.
        vgg: local VGG-16 trunk (see :class:`bigprior.ops.perceptual.VGGFeatures`); torchvision's own by default.
        generator_lr, discriminator_lr: learning rates, in units of the weights as they are used, and of the biases; see
            PGGAN.parameter_groups.
        moments: weight of the feature moments in the generator's loss.
        ema_kimg: half-life of the moving average, at most; a run that has seen fewer images averages over a twentieth
            of them.
    """

    resolution: PositiveInt = 64
    z_dim: PositiveInt = 256
    fmap_base: PositiveInt = 2048
    fmap_max: PositiveInt = 256
    discriminator_width: PositiveInt = 64
    index: Index = None
    vgg: Path | None = None
    batch: int = Field(default=32, ge=2)  # the spread of a batch needs two
    total_kimg: PositiveFloat = 400.0
    generator_lr: PositiveFloat = 5e-4
    discriminator_lr: PositiveFloat = 5e-4
    betas: tuple[float, float] = (0.0, 0.99)
    moments: float = Field(default=15.0, ge=0)
    ema_kimg: PositiveFloat = 10.0
    snapshot_kimg: PositiveFloat = 8.0


class GANTrainer(FromPhotographs, Trainer[GANSettings]):
    """Generator and discriminator, and the generator's moving average, which comes out.

    Args:
        settings: of the run.
        data: folder of pictures; their centre squares are resized to ``settings.resolution``.

    Raises:
        ImageError: no pictures in ``data``.
        SettingsError: an index beyond the folder.
    """

    name = "generator"
    recipe = GANSettings
    network: PGGAN
    average: PGGAN
    keeps = ("network", "discriminator", "average", "generator_step", "discriminator_step")

    def __init__(self, settings: GANSettings, data: Path | str) -> None:
        super().__init__(settings)
        self.files = list_pictures(data, settings.index)
        with seeded(settings.seed):
            self.network = PGGAN(settings.resolution, settings.z_dim, settings.fmap_base, settings.fmap_max)
            self.discriminator = ProjectedDiscriminator(settings.discriminator_width)
        for network in (self.network, self.discriminator):
            network.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        groups = self.network.parameter_groups(settings.generator_lr)
        self.generator_step = torch.optim.Adam(groups, settings.generator_lr, settings.betas)
        trained = [p for p in self.discriminator.parameters() if p.requires_grad]
        self.discriminator_step = torch.optim.Adam(trained, settings.discriminator_lr, settings.betas)

    @classmethod
    def of(cls, recipe: GANSettings, data: Path, out: Path, progress: Progress | None = None) -> Self:
        """The trainer that a recipe and a folder of photographs describe."""
        return cls(recipe, data)

    def prepare(self, progress: Progress | None) -> None:
        """Read the photographs, as bytes, and the network that the discriminator looks through.

        Raises:
            WeightsError: ``settings.vgg`` is no VGG-16 trunk.
        """
        self.features = VGGFeatures(self.settings.vgg).to(self.device)
        self.pictures = load_square(self.files, self.settings.resolution).to(self.device)

    def train_step(self, moment: Moment) -> dict[str, Tensor]:
        """One step of both networks; their losses.

        The pictures that the discriminator learns from also teach the generator: one pass through the generator
        and one through the features serve both, which costs a third less than two of each.
        """
        s, rng = self.settings, step_rng(self.settings.seed, moment.step)
        index = torch.randint(len(self.pictures), (s.batch,), generator=rng).to(self.device)
        real = mirrored(self.pictures[index].float().div(255), rng).contiguous(memory_format=torch.channels_last)
        z = torch.randn(s.batch, s.z_dim, generator=rng).to(self.device)

        with autocast(s.precision, real.device):
            fake_features = self.features(augment(self.network(z).float(), rng))
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

        half_life = min(s.ema_kimg * 1000, self.images_seen(moment.step + 1) / 20)
        follow(self.average, self.network, 1 - 0.5 ** (s.batch / half_life))
        return {"loss_d": loss_d.detach(), "loss_g": loss_g.detach(), "moments": moments.detach()}

    def start_from(self, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
        """Begin with a trained generator's layers, where they fit, and a fresh discriminator."""
        for network in (self.network, self.average):
            own = network.state_dict()
            network.load_state_dict(
                {k: tensors[k] if k in tensors and tensors[k].shape == v.shape else v for k, v in own.items()}
            )
        self.images_before = int(header.get("images", 0))

    @torch.no_grad()
    def sample_grid(self) -> Tensor:
        """64 pictures of the moving average from codes that never change."""
        z = torch.randn(64, self.settings.z_dim, generator=step_rng(self.settings.seed, -1)).to(self.device)
        return sheet(self.average(z).clamp(0, 1), 8)

    def header(self) -> dict[str, Any]:
        """How to build the generator."""
        return {"architecture": "pggan", "generator": self.network.settings}

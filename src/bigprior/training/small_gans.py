"""``bigprior train lr-gan`` and ``cvae-gan``: generators of small pictures, in minutes, of a handful of photographs.

Both learn from random squares of photographs against a plain convolutional discriminator with spectral normalisation
and a hinge loss. What each adds is its paper's: LR-GAN nothing (Yang et al., ICLR 2017); CVAE-GAN reconstruction, the
divergence of its codes and a classifier (Bao et al., ICCV 2017), with a photograph's number as its class.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from bigprior.errors import SettingsError
from bigprior.io.folders import list_pictures
from bigprior.networks.generators import CVAEGAN, LRGAN, Generator
from bigprior.progress import Progress
from bigprior.training.discriminator import hinge_discriminator, hinge_generator
from bigprior.training.draws import random_squares, seeded, step_rng
from bigprior.training.plan import Moment
from bigprior.training.settings import CountedInImages, Index
from bigprior.training.trainer import FromPhotographs, Trainer, follow, sheet

#: More photographs than this are no classes that a small network could tell apart.
_MOST_CLASSES = 64


class SmallGANSettings(CountedInImages):
    """Everything that decides how a small generator is trained; saved beside its weights.

    Attributes:
        resolution: side of the pictures, a power of two from 8 on.
        width: channels of the generator's finest maps; coarser ones have twice as many a side, up to four times.
        discriminator_width: channels of the discriminator's finest maps.
        index: photographs to learn from.
        lr: learning rate of both.
        ema_kimg: half-life of the generator's moving average, which comes out; at most a tenth of what was seen.
    """

    resolution: int = Field(default=32, ge=8)
    width: PositiveInt = 24
    discriminator_width: PositiveInt = 24
    index: Index = None
    batch: int = Field(default=16, ge=2)  # batch normalisation needs two
    total_kimg: PositiveFloat = 20.0
    snapshot_kimg: PositiveFloat = 4.0
    lr: PositiveFloat = 4e-4
    betas: tuple[float, float] = (0.5, 0.99)
    ema_kimg: PositiveFloat = 1.0


class LRGANSettings(SmallGANSettings):
    """As of every small generator.

    Attributes:
        step_dim: length of one step's code.
        steps: the background and the foregrounds.
    """

    step_dim: PositiveInt = 32
    steps: int = Field(default=3, ge=2)


class CVAEGANSettings(SmallGANSettings):
    """As of every small generator.

    Attributes:
        noise_dim: length of the normal code.
        reconstruction, divergence, classes: weights of the losses beside the discriminator's.
    """

    noise_dim: PositiveInt = 32
    reconstruction: float = Field(default=10.0, ge=0)
    divergence: float = Field(default=0.02, ge=0)
    classes: float = Field(default=0.2, ge=0)


class SmallGANTrainer(FromPhotographs, Trainer[Any]):
    """A small generator, its discriminator, and the generator's moving average, which comes out.

    Args:
        settings: of the run.
        data: folder of photographs.

    Raises:
        ImageError: no pictures in ``data``.
        SettingsError: an index beyond the folder, or a resolution that is no power of two.
    """

    name = "generator"
    keeps = ("network", "discriminator", "average", "generator_step", "discriminator_step")
    architecture: str
    network: Generator
    average: Generator

    def __init__(self, settings: SmallGANSettings, data: Path | str) -> None:
        super().__init__(settings)
        if settings.resolution & (settings.resolution - 1):
            raise SettingsError(f"resolution is {settings.resolution}: expected a power of two from 8 on")
        self.files = list_pictures(data, settings.index)
        with seeded(settings.seed):
            self.network = self.made()
            self.discriminator = Discriminator(settings.resolution, settings.discriminator_width)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.generator_step = torch.optim.Adam(self.network.parameters(), settings.lr, settings.betas)
        self.discriminator_step = torch.optim.Adam(self.discriminator.parameters(), settings.lr, settings.betas)

    @abstractmethod
    def made(self) -> Generator:
        """The generator that the settings describe."""

    @abstractmethod
    def generated(self, real: Tensor, chosen: Tensor, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Pictures (N', 3, R, R) to show the discriminator, and the weighted losses beside its own, by name.

        Args:
            real: squares of photographs (N, 3, R, R), RGB in [0, 1].
            chosen: the photographs' numbers (N,).
            rng: of what is drawn.
        """

    @classmethod
    def of(cls, recipe: Any, data: Path, out: Path, progress: Progress | None = None) -> Self:
        """The trainer that a recipe and a folder of photographs describe."""
        return cls(recipe, data)

    @property
    def widths(self) -> list[int]:
        """Channels of maps of side 4, 8, ..., half the resolution."""
        sides = self.settings.resolution.bit_length() - 3
        return [self.settings.width << min(2, sides - 1 - i) for i in range(sides)]

    def squares(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Random squares (count, 3, R, R) of photographs, RGB in [0, 1], and the photographs' numbers (count,)."""
        side, seen = self.settings.resolution, list[int]()
        chosen = torch.randint(len(self.pictures), (count,), generator=rng)
        for i in chosen.tolist():
            most = min(self.pictures[i].shape[1:])  # smaller ones are enlarged
            seen.append(int(torch.randint(max(min(side, most), most // 2), most + 1, (), generator=rng)))
        found = random_squares([self.pictures[i] for i in chosen.tolist()], seen, side, rng)
        return found.to(self.device), chosen.to(self.device)

    def train_step(self, moment: Moment) -> dict[str, Tensor]:
        """One step of both networks; their losses."""
        s, rng = self.settings, step_rng(self.settings.seed, moment.step)
        real, chosen = self.squares(s.batch, rng)
        fake, losses = self.generated(real, chosen, rng)

        self.discriminator.requires_grad_(True)
        loss_d = hinge_discriminator([self.discriminator(real)], [self.discriminator(fake.detach())])
        self.discriminator_step.zero_grad()
        loss_d.backward()
        self.discriminator_step.step()

        self.discriminator.requires_grad_(False)
        losses["loss_g"] = hinge_generator([self.discriminator(fake)])
        self.generator_step.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        self.generator_step.step()

        half_life = min(s.ema_kimg * 1000, self.images_seen(moment.step + 1) / 10)
        follow(self.average, self.network, 1 - 0.5 ** (s.batch / half_life))
        for slow, fast in zip(self.average.buffers(), self.network.buffers(), strict=True):
            slow.copy_(fast)
        return {name: loss.detach() for name, loss in {"loss_d": loss_d, **losses}.items()}

    @torch.no_grad()
    def sample_grid(self) -> Tensor:
        """Eight squares of photographs, and 56 pictures of the moving average from codes that never change."""
        rng = step_rng(self.settings.seed, -1)
        real, made = self.squares(8, rng)[0], self.average(self.average.draw(56, rng).to(self.device))
        return sheet(torch.cat([real, made]).clamp(0, 1), 8)

    def header(self) -> dict[str, Any]:
        """How to build the generator."""
        return {"architecture": self.architecture, "generator": self.network.settings}


class LRGANTrainer(SmallGANTrainer):
    """LR-GAN, by its discriminator alone."""

    recipe = LRGANSettings
    architecture = "lr-gan"

    def made(self) -> LRGAN:
        """The generator that the settings describe."""
        s = self.settings
        return LRGAN(s.resolution, s.step_dim, s.steps, self.widths, self.widths)

    def generated(self, real: Tensor, chosen: Tensor, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Pictures of random codes, and no other loss."""
        return self.network(self.network.draw(len(real), rng).to(real)), {}


class CVAEGANTrainer(SmallGANTrainer):
    """CVAE-GAN, whose classes are the photographs.

    Raises:
        SettingsError: as of every small generator; or more photographs than 64.
    """

    recipe = CVAEGANSettings
    architecture = "cvae-gan"
    network: CVAEGAN

    def made(self) -> CVAEGAN:
        """The generator that the settings describe."""
        if len(self.files) > _MOST_CLASSES:
            raise SettingsError(
                f"{len(self.files)} photographs are as many classes, and {_MOST_CLASSES} is the most: choose with index"
            )
        return CVAEGAN(self.settings.noise_dim, len(self.files), self.widths)

    def generated(self, real: Tensor, chosen: Tensor, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Pictures of the codes of photographs, and of random ones of their classes."""
        s, network = self.settings, self.network
        mean, log_variance = network.encode(real, F.one_hot(chosen, network.classes).to(real))
        noise = torch.randn(2, *mean.shape, generator=rng).to(real)
        again = network(network.of_class(mean + (log_variance / 2).exp() * noise[0], chosen))
        fresh = network(network.of_class(noise[1], chosen))
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2
        told = F.cross_entropy(network.classify(real), chosen) + F.cross_entropy(network.classify(fresh), chosen)
        return torch.cat([again, fresh]), {
            "reconstruction": s.reconstruction * (again - real).abs().mean(),
            "divergence": s.divergence * divergence,
            "classes": s.classes * told,
        }


class Discriminator(nn.Module):
    """Pictures (N, 3, R, R) to logits (N,): strided convolutions with spectral normalisation, down to 4x4."""

    def __init__(self, resolution: int, width: int) -> None:
        super().__init__()
        sides = resolution.bit_length() - 3
        widths = [width << min(2, i) for i in range(sides)]
        steps: list[nn.Module] = []
        for c_in, c_out in pairwise([3, *widths]):
            steps += [nn.utils.parametrizations.spectral_norm(nn.Conv2d(c_in, c_out, 4, 2, 1)), nn.LeakyReLU(0.2)]
        last = nn.utils.parametrizations.spectral_norm(nn.Conv2d(widths[-1], 1, 4))
        self.layers = nn.Sequential(*steps, last, nn.Flatten(0))

    def forward(self, pictures: Tensor) -> Tensor:
        """Higher for what looks like a photograph."""
        logits: Tensor = self.layers(2 * pictures - 1)
        return logits

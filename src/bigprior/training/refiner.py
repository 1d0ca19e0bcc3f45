"""``bigprior train refiner``: a better estimate from a denoiser's own and from similar patches.

Noise is added to every photograph once, and the denoiser and the filter estimate once what is under it; only what
merges them is trained.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from bigprior import DEFAULT_PRESET
from bigprior.filters.collaborative import filtered
from bigprior.io.folders import list_pictures, load_square
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.networks.refiner import Refiner
from bigprior.progress import Progress
from bigprior.training.augmentation import random_scale, recoloured
from bigprior.training.beside import BesideDenoiser
from bigprior.training.draws import random_crop, seeded, step_rng
from bigprior.training.losses import relative_error
from bigprior.training.plan import Moment
from bigprior.training.schedules import cosine
from bigprior.training.settings import CountedInImages, Index, Share
from bigprior.training.trainer import Descent, sheet


class RefinerSettings(CountedInImages):
    """Everything that decides how a refiner is trained; saved beside its weights.

    Attributes:
        index: photographs to learn from.
        resolution: side that they are read at.
        pictures: how many, spread over the folder; each is prepared once, in about two seconds at 256x256.
        native: share of the photographs that are learned from as they are; the others are made smaller, and so sharper,
            as pictures are that the denoiser trusts too little: there similar patches often say more.
        recoloured: share of the photographs in other, sharper colours.
        highest_sigma: the noise is uniform up to it, in units of [0, 1] pictures.
        crop_px, batch: side and number of the crops of a step.
        total_kimg: thousands of crops to see.
        lr: the peak of the learning rate, after a short start; it falls along a half cosine.
        clip: largest norm of the gradient.
    """

    width: PositiveInt = 32
    blocks: PositiveInt = 3
    index: Index = None
    resolution: PositiveInt = 256
    pictures: PositiveInt = 400
    native: Share = 1.0
    recoloured: Share = 0.0
    highest_sigma: PositiveFloat = 55 / 255
    crop_px: PositiveInt = 64
    batch: PositiveInt = 8
    total_kimg: PositiveFloat = 60.0
    lr: PositiveFloat = 3e-3
    clip: PositiveFloat = 0.1
    weight_decay: float = Field(default=1e-4, ge=0)


class RefinerRecipe(RefinerSettings):
    """Settings, and whose denoiser's estimates are refined: a preset's."""

    preset: str = DEFAULT_PRESET


class RefinerTrainer(BesideDenoiser, Descent[RefinerSettings]):
    """The network, and the pictures (noisy, estimate, together, truth) that it learns from.

    Prepared pictures are kept in memory, 1.6 MB each at 256x256; a run that goes on prepares them again.

    Args:
        settings: of the run.
        denoiser: whose estimates are refined, one view each.
        data: folder of photographs; their centre squares are resized to ``settings.resolution``.

    Raises:
        ImageError: no pictures in ``data``.
        SettingsError: an index beyond the folder.
    """

    name = "refiner"
    recipe = RefinerRecipe
    network: Refiner

    def __init__(self, settings: RefinerSettings, denoiser: DenoisingUNet, data: Path | str) -> None:
        super().__init__(settings)
        s = settings
        self.files, self.clip, self.denoiser = list_pictures(data, s.index), s.clip, denoiser
        with seeded(s.seed):
            self.network = Refiner(s.width, s.blocks).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), s.lr, betas=(0.9, 0.99), weight_decay=s.weight_decay
        )

    @torch.no_grad()
    def prepare(self, progress: Progress | None) -> None:
        """Add noise to the photographs, and let the denoiser and the filter estimate what is under it."""
        s, files = self.settings, self.files
        chosen = [files[i * len(files) // s.pictures] for i in range(min(s.pictures, len(files)))]
        self.pictures, levels = list[tuple[Tensor, ...]](), list[Tensor]()
        for i, picture in enumerate(load_square(chosen, s.resolution).split(1)):
            rng = step_rng(s.seed, -1 - i)
            x, sigma = picture.float() / 255, s.highest_sigma * torch.rand(1, generator=rng)
            if (scale := random_scale(s.native, rng)) < 1:
                x = F.interpolate(x, scale_factor=scale, mode="bicubic", antialias=True).clamp(0, 1)
            x = recoloured(x, s.recoloured, rng)
            y = x + sigma * torch.randn(x.shape, generator=rng)
            x, y, sigma = x.to(self.device), y.to(self.device), sigma.to(self.device)
            estimate = self.denoiser(y, sigma)
            self.pictures.append(tuple(part[0].half() for part in (y, estimate, filtered(y, estimate, sigma), x)))
            levels.append(sigma)
            if progress is not None:
                progress(i + 1, len(chosen))
        self.sigma = torch.cat(levels)

    def schedule(self, moment: Moment) -> dict[str, Any]:
        """Along a half cosine."""
        return cosine(moment, self.settings.lr)

    def loss(self, moment: Moment, shared: torch.Generator, own: torch.Generator) -> tuple[str, Tensor]:
        """The squared error of the merged crops, each relative to its own size."""
        chosen = torch.randint(len(self.pictures), (self.share,), generator=own)
        crops = [random_crop(self.pictures[i], self.settings.crop_px, own) for i in chosen.tolist()]
        y, estimate, together, truth = (torch.stack(part).float() for part in zip(*crops, strict=True))
        return "loss", relative_error(self.network.merge(y, estimate, together, self.sigma[chosen]), truth)

    @torch.no_grad()
    def sample_grid(self) -> Tensor:
        """The first four photographs: noisy, the denoiser's estimate, similar patches together, merged, and true."""
        columns = []
        for parts, sigma in zip(self.pictures[:4], self.sigma.split(1), strict=False):
            y, estimate, together, truth = (part[None].float() for part in parts)
            merged = self.network.merge(y, estimate, together, sigma)
            column = torch.cat([y, estimate, together, merged, truth]).clamp(0, 1)
            columns.append(F.interpolate(column, size=(self.settings.resolution,) * 2))
        return sheet(torch.stack(columns, dim=1).flatten(0, 1), len(columns))

    def header(self) -> dict[str, Any]:
        """How to build the network."""
        return {"architecture": "refiner", "network": self.network.settings}

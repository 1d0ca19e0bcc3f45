"""``bigprior train refiner``: a better estimate from a denoiser's answer and similar patches, resumable to the bit.

Noise is added to every photograph once, and the denoiser and the filter answer once; only what merges them is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torchvision.utils import make_grid

from bigprior.filters.collaborative import filtered
from bigprior.io.folders import list_pictures, load_square
from bigprior.io.weights import digest_of, read_weights
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.networks.refiner import Refiner
from bigprior.progress import Progress
from bigprior.settings import Settings
from bigprior.training.augmentation import random_scale, recoloured
from bigprior.training.losses import relative_error
from bigprior.training.run import Run, named, random_crop, state_of, step_rng, step_size, train_network


class RefinerSettings(Settings):
    """Everything that decides how a refiner is trained; saved beside its weights.

    Attributes:
        resolution: side that the photographs are read at.
        pictures: how many, spread over the folder; each is prepared once, in about two seconds at 256x256.
        native: share of the photographs that are learned from as they are; the others are made smaller, and so sharper,
            as pictures are that the denoiser trusts too little: there similar patches often say more.
        recoloured: share of the photographs in other, sharper colours.
        highest_sigma: the noise is uniform up to it, in units of [0, 1] pictures.
        crop_px, batch: side and number of the crops of a step.
        total_kimg: thousands of crops to see.
        lr: the peak of AdamW's step size, after a short start; it falls along a half cosine.
        clip: largest norm of the gradient.
    """

    width: PositiveInt = 32
    blocks: PositiveInt = 3
    resolution: PositiveInt = 256
    pictures: PositiveInt = 400
    native: float = Field(default=1.0, ge=0, le=1)
    recoloured: float = Field(default=0.0, ge=0, le=1)
    highest_sigma: PositiveFloat = 55 / 255
    crop_px: PositiveInt = 64
    batch: PositiveInt = 8
    total_kimg: PositiveFloat = 60.0
    lr: PositiveFloat = 3e-3
    clip: PositiveFloat = 0.1
    weight_decay: float = Field(default=1e-4, ge=0)
    snapshot_kimg: PositiveFloat = 4.0
    seed: int = 0


def train_refiner(
    data: Path | str,
    denoiser: DenoisingUNet,
    out: Path | str,
    settings: RefinerSettings,
    *,
    index: tuple[int, int] | None = None,
    init: Path | str | None = None,
    progress: Progress | None = None,
    quiet: bool = False,
) -> Path:
    """Train a refiner on a folder of photographs; a run that was interrupted goes on where its last save was.

    Prepared pictures are kept in memory, 1.6 MB each at 256x256; a run that goes on prepares them again.

    Args:
        data: folder of photographs; their centre squares are resized to ``settings.resolution``.
        denoiser: whose answers are refined, one view each.
        out: the run's folder: state, log, pictures, and ``refiner.safetensors``.
        index: first and last picture of ``data`` in the order of their names, both included; all by default.
        init: weights to start a new run from.
        progress: called with (prepared, total) photographs.
        quiet: no progress bar.

    Returns:
        The path of the exported weights.

    Raises:
        ImageError: no pictures in ``data``.
        SettingsError: ``out`` belongs to a run with other settings.
        WeightsError: ``init`` cannot be used.
    """
    files = list_pictures(data, index)
    sources = {"pictures": named(files), "denoiser": digest_of(*denoiser.state_dict().values())[:16]}
    run = Run(out, settings, sources, quiet=quiet)
    trainer = _Trainer(settings)
    if not run.restore(trainer) and init is not None:
        start = Refiner.from_state_dict(read_weights(init)[0], trainer.network.settings)
        trainer.network.load_state_dict(start.state_dict())
    trainer.prepare(files, denoiser, progress)
    header = {"architecture": "refiner", "network": trainer.network.settings, "recipe": settings.model_dump()}
    return train_network(run, trainer, run.folder / "refiner.safetensors", header)


class _Trainer:
    """The network, its optimiser, and the pictures (noisy, answer, together, truth) that it learns from."""

    def __init__(self, settings: RefinerSettings) -> None:
        self.settings = s = settings
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(s.seed)
            self.network = Refiner(s.width, s.blocks).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), s.lr, betas=(0.9, 0.99), weight_decay=s.weight_decay
        )
        self.step = 0
        self.pictures: list[tuple[Tensor, ...]] = []
        self.sigma = torch.empty(0)

    @property
    def steps(self) -> int:
        return max(1, round(self.settings.total_kimg * 1000 / self.settings.batch))

    @torch.no_grad()
    def prepare(self, files: Sequence[Path], denoiser: DenoisingUNet, progress: Progress | None) -> None:
        """Add noise to the photographs, and let the denoiser and the filter answer."""
        s = self.settings
        chosen = [files[i * len(files) // s.pictures] for i in range(min(s.pictures, len(files)))]
        levels = []
        for i, picture in enumerate(load_square(chosen, s.resolution).split(1)):
            rng = step_rng(s.seed, -1 - i)
            x, sigma = picture.float() / 255, s.highest_sigma * torch.rand(1, generator=rng)
            if (scale := random_scale(s.native, rng)) < 1:
                x = F.interpolate(x, scale_factor=scale, mode="bicubic", antialias=True).clamp(0, 1)
            x = recoloured(x, s.recoloured, rng)
            y = x + sigma * torch.randn(x.shape, generator=rng)
            answer = denoiser(y, sigma)
            self.pictures.append(tuple(part[0].half() for part in (y, answer, filtered(y, answer, sigma), x)))
            levels.append(sigma)
            if progress is not None:
                progress(i + 1, len(chosen))
        self.sigma = torch.cat(levels)

    def train_step(self) -> float:
        s, rng = self.settings, step_rng(self.settings.seed, self.step)
        chosen = torch.randint(len(self.pictures), (s.batch,), generator=rng).tolist()
        crops = [random_crop(self.pictures[i], s.crop_px, rng) for i in chosen]
        y, answer, together, truth = (torch.stack(part).float() for part in zip(*crops, strict=True))
        for group in self.optimizer.param_groups:
            group["lr"] = s.lr * step_size(self.step, self.steps)
        loss = relative_error(self.network.merge(y, answer, together, self.sigma[chosen]), truth)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), s.clip)
        self.optimizer.step()
        self.step += 1
        return loss.item()

    @torch.no_grad()
    def sample_grid(self) -> Tensor:
        """The first four photographs: noisy, the denoiser's answer, similar patches together, merged, and the truth."""
        columns = []
        for parts, sigma in zip(self.pictures[:4], self.sigma.split(1), strict=False):
            y, answer, together, truth = (part[None].float() for part in parts)
            merged = self.network.merge(y, answer, together, sigma)
            column = torch.cat([y, answer, together, merged, truth]).clamp(0, 1)
            columns.append(F.interpolate(column, size=(self.settings.resolution,) * 2))
        return make_grid(torch.stack(columns, dim=1).flatten(0, 1), nrow=len(columns), padding=0)

    def state(self) -> dict[str, Any]:
        return state_of(self, "step", "network", "optimizer")

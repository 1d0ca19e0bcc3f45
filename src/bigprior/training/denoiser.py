"""``bigprior train denoiser``: a denoiser of every noise level.

Every step removes noise from crops at one of several scales. In most steps the network knows nothing else, as in blind
denoising; in others it is conditioned on what a task measures exactly, such as the luminance, or all pixels around
holes, and little or nothing of the picture is seen. Where nothing is seen, it makes a one-step estimate, which is
judged by what that task is judged by.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from bigprior.degradations import DEGRADATIONS, Measurement
from bigprior.errors import SettingsError
from bigprior.io.folders import list_pictures, load_bytes, load_square
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.ops.perceptual import LPIPS_LEAST_PX
from bigprior.ops.precision import autocast
from bigprior.progress import Progress
from bigprior.training.adversary import Adversary, balanced
from bigprior.training.augmentation import random_scale, recoloured
from bigprior.training.conditions import conditional_tasks, measured, one_step_error
from bigprior.training.draws import noise_like, random_squares, seeded, step_rng
from bigprior.training.losses import relative_error
from bigprior.training.plan import Moment
from bigprior.training.schedules import held
from bigprior.training.settings import CountedInImages, Index, Share
from bigprior.training.trainer import Descent, FromPhotographs, follow, sheet

#: Side that whole photographs stand for where they have different ones, in pixels.
_WHOLE_PX = 256


class DenoiserSettings(CountedInImages):
    """Everything that decides how a denoiser is trained; saved beside its weights.

    Attributes:
        index: photographs to learn from.
        resolution: side that their centre squares are read at; 0 reads them as they are. Crops are taken of that.
        native: share of the steps with crops as the photographs are; the others' come from smaller, sharper copies.
        smallest: side of the smallest of these copies, as a share of the photograph's; the logarithms of all down to
            it are as frequent.
        recoloured: share of the crops in other, sharper colours, in steps where nothing is known.
        crop_px, batch: side and number of the crops of a step where nothing is known; where crops are smaller, they
            are more, so that a step has as many pixels.
        conditional_crop_px: side of the crops of the conditional steps, and the largest where photographs are whole.
        conditional: share of the steps that are conditioned on what a task measures exactly.
        tasks: weight of each task in those, by its name; by default all that can be are as frequent.
        whole: share of the steps of a task that is met as a whole, as colour is, with whole photographs, a quarter of
            their side: which colours a room has is seen in the room, not in its details.
        scenes: share of the steps of a task with holes with whole photographs, at their full size: what is behind a
            large hole is seen in the scene around it.
        low_noise: share of the other steps' crops with ``sigma`` uniform up to ``low_sigma``; the rest up to the most.
        one_step: share of the conditional steps in which nothing else is seen: grey, where a picture at the most noise
            is expected, so that the one-step estimate has no trace of one draw of noise.
        perceptual: weight of LPIPS in the error of filled holes.
        draws_holes: whether one-step estimates of holes start from noise, as the sampler ``drawn`` asks for them.
        adversarial: weight of a discriminator in it, as the length of its gradient in units of the others'; 0: none.
        adversarial_lr: the discriminator's learning rate.
        total_kimg: thousands of crops of ``crop_px`` to see.
        lr: the learning rate, constant after a short start, and falling to nothing along a half cosine over the last
            ``decay``.
        clip: largest norm of the gradient.
        ema: of the weights, a step.
    """

    widths: tuple[PositiveInt, ...] = (64, 128, 192, 256)
    blocks: PositiveInt | tuple[PositiveInt, ...] = 2
    shuffle: PositiveInt = 2
    index: Index = None
    resolution: NonNegativeInt = 256
    native: Share = 0.9
    smallest: float = Field(default=0.5, gt=0, lt=1)
    recoloured: Share = 0.0
    crop_px: PositiveInt = 128
    conditional_crop_px: PositiveInt = 128
    batch: PositiveInt = 4
    conditional: Share = 0.3
    tasks: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    whole: Share = 0.9
    scenes: Share = 0.0
    low_noise: Share = 0.95
    low_sigma: PositiveFloat = 55 / 255
    one_step: Share = 0.85
    perceptual: float = Field(default=1.0, ge=0)
    draws_holes: bool = False
    adversarial: float = Field(default=0.0, ge=0)
    adversarial_lr: PositiveFloat = 2e-4
    total_kimg: PositiveFloat = 150.0
    lr: PositiveFloat = 5e-4
    decay: Share = 1.0
    clip: PositiveFloat = 1.0
    ema: float = Field(default=0.999, ge=0, lt=1)


class DenoiserTrainer(FromPhotographs, Descent[DenoiserSettings]):
    """The network and its moving average, which comes out.

    Args:
        settings: of the run.
        data: folder of photographs; their centre squares are resized to ``settings.resolution``.

    Raises:
        ImageError: no pictures in ``data``.
        SettingsError: an index beyond the folder, crops that are too small for LPIPS, or a task whose measurements say
            nothing exactly.
        UnknownNameError: no such task.
    """

    name = "denoiser"
    recipe = DenoiserSettings
    network: DenoisingUNet
    average: DenoisingUNet
    keeps = ("network", "average", "optimizer", "adversary")

    def __init__(self, settings: DenoiserSettings, data: Path | str) -> None:
        super().__init__(settings)
        s = settings
        if s.conditional and s.perceptual and s.conditional_crop_px < LPIPS_LEAST_PX:
            raise SettingsError(
                f"conditional_crop_px is {s.conditional_crop_px}: LPIPS sees no fewer than {LPIPS_LEAST_PX} "
                "pixels; choose larger crops, or perceptual 0"
            )
        self.files, self.clip = list_pictures(data, s.index), s.clip
        self.tasks = conditional_tasks(s.tasks) if s.conditional else {}
        with seeded(s.seed):
            self.network = DenoisingUNet(s.widths, s.blocks, s.shuffle)
        self.network.to(memory_format=torch.channels_last)
        self.adversary = Adversary(s.seed, s.adversarial_lr, s.precision) if s.adversarial else None
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), s.lr, betas=(0.9, 0.99), weight_decay=1e-4)

    @classmethod
    def of(cls, recipe: DenoiserSettings, data: Path, out: Path, progress: Progress | None = None) -> Self:
        """The trainer that a recipe and a folder of photographs describe."""
        return cls(recipe, data)

    def prepare(self, progress: Progress | None) -> None:
        """Read the photographs, as bytes."""
        if self.settings.resolution:
            self.pictures = list(load_square(self.files, self.settings.resolution).to(self.device))
        else:
            self.pictures = [picture.to(self.device) for picture in load_bytes(self.files, progress)]

    def schedule(self, moment: Moment) -> dict[str, Any]:
        """Constant after a short start, and falling at the end."""
        return held(moment, self.settings.lr, self.settings.decay)

    def loss(self, moment: Moment, shared: torch.Generator, own: torch.Generator) -> tuple[str, Tensor]:
        """One batch's; named by the task. Which that is, is the same in all processes, so that all take as long."""
        s, task = self.settings, None
        if float(torch.rand((), generator=shared)) < s.conditional:
            task = self._drawn_task(float(torch.rand((), generator=shared)))
        one_step = task is not None and float(torch.rand((), generator=shared)) < s.one_step
        x, m = self.batch(task, own)
        if one_step:
            noisy = self._nothing(x, m, own)
            sigma = x.new_full((len(x),), self.network.sigma_max)
        else:
            sigma = self.noise_levels(len(x), task, own).to(self.device)
            noisy = x + sigma.view(-1, 1, 1, 1) * noise_like(x, own)
        with autocast(s.precision, x.device):
            raw, base, out = self.network.precondition(noisy, sigma, None if m is None else m.condition)
        if m is not None and one_step:
            estimate = (base + out * raw + 1) / 2
            return f"{task}, one step", self._opposed(m, estimate, x, one_step_error(m, estimate, x, s.perceptual, own))
        return task or "blind", relative_error(raw, (2 * x - 1 - base) / out, least=1e-4)

    def _nothing(self, x: Tensor, m: Measurement | None, rng: torch.Generator) -> Tensor:
        """What a one-step estimate of crops ``x`` starts from: noise in holes, if they are to be drawn; else grey."""
        drawn = self.settings.draws_holes and m is not None and m.hole is not None
        return self.network.nothing(x, noise_like(x, rng) if drawn else None)

    def _opposed(self, m: Measurement, estimate: Tensor, x: Tensor, error: Tensor) -> Tensor:
        """The error of filled holes, with the adversary's."""
        if self.adversary is None or m.hole is None:
            return error
        mask = 1 - m.hole
        filled = torch.where(mask > 0, x, estimate)
        self.adversary.learn(filled, x, mask)
        return balanced(error, self.adversary.error(filled, x, mask), estimate, self.settings.adversarial)

    def _drawn_task(self, u: float) -> str:
        """The task that a uniform number in [0, 1) stands for."""
        *others, last = self.tasks
        u *= sum(self.tasks.values())
        for task in others:
            if u < self.tasks[task]:
                return task
            u -= self.tasks[task]
        return last

    def after_step(self, moment: Moment) -> None:
        """The moving average: shorter while there are few steps to average."""
        rate = min(self.settings.ema, (moment.step + 1) / (moment.step + 11))
        follow(self.average, self.network, 1 - rate)

    def batch(self, task: str | None, rng: torch.Generator) -> tuple[Tensor, Measurement | None]:
        """Crops (N, 3, H, W) in [0, 1] at one scale, mirrored or not, and what a task measures of them."""
        s = self.settings
        crop = s.crop_px if task is None else s.conditional_crop_px
        # Photographs at full size show their compression; smaller ones are sharper, as large photographs are. A
        # network that mostly sees the sharper ones trusts its noisy picture too much on the others, and loses to BM3D.
        side = round(crop / random_scale(s.native, rng, s.smallest))
        placement, full = None if task is None else DEGRADATIONS[task].placement, s.resolution or _WHOLE_PX
        share = {"whole": s.whole, "hole": s.scenes}.get(placement or "", 0.0)
        seen_whole = share > 0 and float(torch.rand((), generator=rng)) < share
        if seen_whole:
            crop = min(crop, full // 4) if placement == "whole" else full
        count = max(1, self.share * s.crop_px**2 // crop**2)
        chosen = [self.pictures[i] for i in torch.randint(len(self.pictures), (count,), generator=rng).tolist()]
        shorter = [min(picture.shape[1:]) for picture in chosen]
        x = random_squares(chosen, shorter if seen_whole else [min(side, most) for most in shorter], crop, rng)
        if task is None:
            return recoloured(x, s.recoloured, rng), None
        return x, measured(task, x, rng)

    def noise_levels(self, count: int, task: str | None, rng: torch.Generator) -> Tensor:
        """One ``sigma`` a crop, in units of [0, 1] pictures."""
        s = self.settings
        u, v = torch.rand(2, count, generator=rng)
        low, high = math.log(s.low_sigma), math.log(self.network.sigma_max)
        if task is None:
            return torch.where(v < s.low_noise, u * s.low_sigma, (low + u * (high - low)).exp())
        least = math.log(0.01)
        levels: Tensor = (least + u * (high - least)).exp()
        return levels

    @torch.no_grad()
    def sample_grid(self) -> Tensor:
        """What comes in and out for up to eight crops that never change: of noise, and of every task in one step."""
        rows, most = [], min(8, self.settings.batch)  # whole photographs come in larger batches
        size = (self.settings.conditional_crop_px,) * 2
        for i, task in enumerate((None, *self.tasks)):
            rng = step_rng(self.settings.seed, -1 - i)
            x, m = self.batch(task, rng)
            x, condition = x[:most], None if m is None else m[:most].condition
            sigma = 25 / 255 if condition is None else self.network.sigma_max
            noisy = x + sigma * noise_like(x, rng) if condition is None else self._nothing(x, m, rng)
            shown = noisy if condition is None else (condition[:, :3] + 1) / 2
            for picture in (shown, self.average(noisy, sigma, condition), x):
                rows.append(F.interpolate(picture.clamp(0, 1), size=size))
        return sheet(torch.cat(rows), len(rows[0]))

    def header(self) -> dict[str, Any]:
        """How to build the network."""
        return {"architecture": "denoising-unet", "network": self.network.settings}

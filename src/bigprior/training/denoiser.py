"""``bigprior train prior --kind diffusion``: a denoiser of every noise level, resumable to the bit.

Every step removes noise from crops at one of several scales. In some steps the network is told nothing, as in blind
denoising; in others it is told the luminance, or all pixels around holes, and little or nothing of the picture is seen.
Where nothing is seen, it answers at once, and is judged by :mod:`bigprior.training.losses`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor
from torchvision.utils import make_grid, save_image

from bigprior.degradations import Colorization, Inpainting
from bigprior.errors import SettingsError
from bigprior.io.atomic import replacing
from bigprior.io.folders import list_pictures, load_square
from bigprior.io.weights import read_weights, save_weights
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.ops.masks import random_boxes
from bigprior.ops.perceptual import LPIPS_LEAST_PX
from bigprior.ops.precision import autocast
from bigprior.settings import Settings
from bigprior.training.augmentation import random_scale, recoloured
from bigprior.training.losses import colour_error, hole_error, relative_error
from bigprior.training.run import Run, named, state_of, step_rng
from bigprior.training.workers import average, joined

#: AlexNet's features are 16 pixels apart at the coarsest: a shift by as many is none.
_LARGEST_SHIFT = 15


class DenoiserSettings(Settings):
    """Everything that decides how a denoiser is trained; saved beside its weights.

    Attributes:
        resolution: side that the photographs are read at; crops are taken from them.
        native: share of the steps with crops as the photographs are; the others' come from smaller, sharper copies.
        recoloured: share of the crops in other, sharper colours, in steps that are told nothing.
        crop_px, batch: side and number of the crops of a step that is told nothing; where crops are smaller, they are
            more, so that a step has as many pixels. Processes that share a run share its batch.
        alone: steps that each process takes by itself before they average their weights and moments (local SGD:
            Stich, ICLR 2019), which costs less than to average every step's gradient, as 1 does.
        conditional_crop_px: side of the crops of the steps that know surroundings, and the largest where they know
            the luminance.
        told: share of the steps that are told the luminance, or the surroundings of holes.
        luminance: share of those that are told the luminance.
        whole: share of the steps that are told the luminance with whole photographs, a quarter of their side: which
            colours a room has is seen in the room, not in its details.
        low_noise: share of the other steps' crops with ``sigma`` uniform up to ``low_sigma``; the rest up to the most.
        start: share of the steps that are told something in which nothing else is seen: grey, where a picture at the
            most noise is expected, so that the answer has no trace of one draw of noise.
        perceptual: weight of LPIPS in the error of filled holes.
        total_kimg: thousands of crops of ``crop_px`` to see.
        lr: constant after a short start, and falling to nothing along a half cosine over the last ``decay``.
        clip: largest norm of the gradient.
        ema: of the weights, a step.
    """

    widths: tuple[PositiveInt, ...] = (64, 128, 192, 256)
    blocks: PositiveInt = 2
    shuffle: PositiveInt = 2
    resolution: PositiveInt = 256
    native: float = Field(default=0.9, ge=0, le=1)
    recoloured: float = Field(default=0.0, ge=0, le=1)
    crop_px: PositiveInt = 128
    conditional_crop_px: PositiveInt = 128
    batch: PositiveInt = 4
    alone: PositiveInt = 1
    told: float = Field(default=0.3, ge=0, le=1)
    luminance: float = Field(default=0.5, ge=0, le=1)
    whole: float = Field(default=0.9, ge=0, le=1)
    low_noise: float = Field(default=0.95, ge=0, le=1)
    low_sigma: PositiveFloat = 55 / 255
    start: float = Field(default=0.85, ge=0, le=1)
    perceptual: float = Field(default=1.0, ge=0)
    total_kimg: PositiveFloat = 150.0
    lr: PositiveFloat = 5e-4
    decay: float = Field(default=1.0, ge=0, le=1)
    clip: PositiveFloat = 1.0
    ema: float = Field(default=0.999, ge=0, lt=1)
    snapshot_kimg: PositiveFloat = 4.0
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0


def train_denoiser(
    data: Path | str,
    out: Path | str,
    settings: DenoiserSettings,
    *,
    index: tuple[int, int] | None = None,
    init: Path | str | None = None,
    quiet: bool = False,
) -> Path:
    """Train a denoiser on a folder of photographs; a run that was interrupted goes on where its last save was.

    Args:
        data: folder of photographs; their centre squares are resized to ``settings.resolution``.
        out: the run's folder: state, log, sample pictures, and ``denoiser.safetensors`` (the moving average).
        index: first and last picture of ``data`` in the order of their names, both included; all by default.
        init: weights to start a new run from.

    Returns:
        The path of the exported weights.

    Raises:
        ImageError: no pictures in ``data``.
        SettingsError: ``out`` belongs to a run with other settings, the processes cannot share the batch evenly, or
            crops are too small for LPIPS.
        WeightsError: ``init`` cannot be used.
    """
    files = list_pictures(data, index)
    with joined() as (rank, count):
        run = Run(out, settings, {"pictures": named(files)}, quiet=quiet, rank=rank)
        trainer = _Trainer(settings, rank, count)
        if not run.restore(trainer) and init is not None:
            trainer.start_from(*read_weights(init))
        pictures = load_square(files, settings.resolution)

        steps = trainer.steps
        snapshot = max(1, round(settings.snapshot_kimg * 1000 / settings.batch))
        weights = run.folder / "denoiser.safetensors"
        losses: dict[str, list[float]] = {}
        for step in run.steps(trainer.step, steps, settings.batch, trainer.state, every=trainer.meets_every):
            kind, loss = trainer.train_step(pictures)
            losses.setdefault(kind, []).append(loss)
            if not run.writes:
                continue
            if (step + 1) % snapshot == 0 or step + 1 == steps:
                run.log(images=trainer.images_seen, **{k: round(sum(v) / len(v), 5) for k, v in sorted(losses.items())})
                losses.clear()
                with replacing(run.folder / f"samples-{trainer.images_seen // 1000:05d}k.png") as temporary:
                    save_image(trainer.sample_grid(pictures), temporary)
                save_weights(weights, trainer.ema.state_dict(), trainer.header())
        return weights


class _Trainer:
    """The network, its moving average, the optimiser, and the one step that trains them."""

    def __init__(self, settings: DenoiserSettings, rank: int = 0, count: int = 1) -> None:
        if settings.batch % count:
            raise SettingsError(f"{count} processes cannot share a batch of {settings.batch}: make it a multiple")
        if settings.told and settings.perceptual and settings.conditional_crop_px < LPIPS_LEAST_PX:
            raise SettingsError(
                f"conditional_crop_px is {settings.conditional_crop_px}: LPIPS sees no fewer than {LPIPS_LEAST_PX} "
                "pixels; choose larger crops, or perceptual 0"
            )
        self.settings, self.rank, self.count = settings, rank, count
        s = settings
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(s.seed)
            self.network = DenoisingUNet(s.widths, s.blocks, s.shuffle)
        self.network.to(memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), s.lr, betas=(0.9, 0.99), weight_decay=1e-4)
        self.step = 0
        self.images_before = 0  # seen by the weights that this run started from

    @property
    def steps(self) -> int:
        return max(1, round(self.settings.total_kimg * 1000 / self.settings.batch))

    @property
    def meets_every(self) -> int:
        """Steps between two at whose end all processes hold the same."""
        return self.settings.alone if self.count > 1 else 1

    @property
    def images_seen(self) -> int:
        return self.images_before + self.step * self.settings.batch

    def train_step(self, pictures: Tensor) -> tuple[str, float]:
        """One step; returns what the network was told, and the loss."""
        s, rng = self.settings, step_rng(self.settings.seed, self.step)
        kind = "nothing"
        if float(torch.rand((), generator=rng)) < s.told:
            kind = "luminance" if float(torch.rand((), generator=rng)) < s.luminance else "surroundings"
        at_once = kind != "nothing" and float(torch.rand((), generator=rng)) < s.start
        if self.rank:  # what is asked is the same everywhere, so that all take as long; the crops are each one's own
            rng = step_rng(self.settings.seed + self.rank, self.step)
        x, condition = self.batch(pictures, kind, rng)
        if at_once:
            sigma, noisy = x.new_full((len(x),), self.network.sigma_max), torch.full_like(x, 0.5)
        else:
            sigma = self.noise_levels(len(x), kind, rng)
            noisy = x + sigma.view(-1, 1, 1, 1) * torch.randn(x.shape, generator=rng)

        for group in self.optimizer.param_groups:
            group["lr"] = s.lr * self.schedule()
        with autocast(s.precision, x.device):
            raw, base, out = self.network.precondition(noisy, sigma, condition)
        if at_once:
            assert condition is not None
            kind, loss = f"{kind} alone", self.judged((base + out * raw + 1) / 2, x, condition, kind, rng)
        else:
            loss = relative_error(raw, (2 * x - 1 - base) / out, least=1e-4)
        self.optimizer.zero_grad()
        loss.backward()
        if self.meets_every == 1:
            average((p.grad for p in self.network.parameters() if p.grad is not None), self.count)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), s.clip)
        self.optimizer.step()
        self.step += 1
        with torch.no_grad():
            rate = min(s.ema, self.step / (self.step + 10))
            for slow, fast in zip(self.ema.parameters(), self.network.parameters(), strict=True):
                slow.lerp_(fast, 1 - rate)
        if self.meets_every > 1 and (self.step % self.meets_every == 0 or self.step == self.steps):
            moments = (m for state in self.optimizer.state.values() for m in (state["exp_avg"], state["exp_avg_sq"]))
            average((*self.network.parameters(), *self.ema.parameters(), *moments), self.count)
        return kind, loss.item()

    def judged(self, answer: Tensor, x: Tensor, condition: Tensor, kind: str, rng: torch.Generator) -> Tensor:
        """The error of an answer at once, and a little of the squared error of all its pixels."""
        plain = F.mse_loss(answer, x)
        if kind == "luminance":
            return plain + colour_error(answer, x)
        # A quarter of it is about as large as the other errors are.
        most = min(_LARGEST_SHIFT, x.shape[2] - LPIPS_LEAST_PX)
        corner = [int(c) for c in torch.randint(max(0, most) + 1, (2,), generator=rng)]
        return plain + 0.25 * hole_error(answer, x, condition[:, -1:], self.settings.perceptual, (corner[0], corner[1]))

    def schedule(self) -> float:
        """The step size of this step, as a share of its peak."""
        left = (self.steps - self.step) / max(1.0, self.settings.decay * self.steps)
        return min(1.0, (self.step + 1) / 200, 0.5 - 0.5 * math.cos(math.pi * min(1.0, left)))

    def batch(self, pictures: Tensor, kind: str, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Crops (N, 3, H, W) in [0, 1] at one scale, flipped or not, and what is told of them."""
        s = self.settings
        crop = s.crop_px if kind == "nothing" else s.conditional_crop_px
        # Photographs at full size show their compression; smaller ones are sharper, as large photographs are. A
        # network that mostly sees the sharper ones trusts its noisy picture too much on the others, and loses to BM3D.
        side = min(round(crop / random_scale(s.native, rng)), pictures.shape[2])
        if kind == "luminance" and float(torch.rand((), generator=rng)) < s.whole:
            crop, side = min(crop, pictures.shape[2] // 4), pictures.shape[2]
        out = []
        for _ in range(max(1, s.batch // self.count * s.crop_px**2 // crop**2)):
            n = int(torch.randint(len(pictures), (), generator=rng))
            top, left = (int(torch.randint(pictures.shape[d] - side + 1, (), generator=rng)) for d in (2, 3))
            picture = pictures[n, :, top : top + side, left : left + side]
            out.append(picture.flip(2) if bool(torch.randint(2, (), generator=rng)) else picture)
        x = torch.stack(out).float() / 255
        if side != crop:
            x = F.interpolate(x, size=(crop, crop), mode="bicubic", antialias=True).clamp(0, 1)
        if kind == "nothing":
            x = recoloured(x, s.recoloured, rng)
        return x, _condition(x, kind, rng)

    def noise_levels(self, count: int, kind: str, rng: torch.Generator) -> Tensor:
        """One ``sigma`` a crop, in units of [0, 1] pictures."""
        s = self.settings
        u, v = torch.rand(2, count, generator=rng)
        low, high = math.log(s.low_sigma), math.log(self.network.sigma_max)
        if kind == "nothing":
            return torch.where(v < s.low_noise, u * s.low_sigma, (low + u * (high - low)).exp())
        least = math.log(0.01)
        return (least + u * (high - least)).exp()

    def start_from(self, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
        """Begin with trained weights of the same shape."""
        start = DenoisingUNet.from_state_dict(tensors, self.network.settings)
        for network in (self.network, self.ema):
            network.load_state_dict(start.state_dict())
        self.images_before = int(header.get("images", 0))

    @torch.no_grad()
    def sample_grid(self, pictures: Tensor) -> Tensor:
        """What comes in and out for up to eight crops that never change: noise, luminance alone, a hole."""
        rows, most = [], min(8, self.settings.batch)  # whole photographs come in larger batches
        for i, kind in enumerate(("nothing", "luminance", "surroundings")):
            rng = step_rng(self.settings.seed, -1 - i)
            x, condition = self.batch(pictures, kind, rng)
            x, condition = x[:most], None if condition is None else condition[:most]
            sigma = 25 / 255 if condition is None else self.network.sigma_max
            noisy = x + sigma * torch.randn(x.shape, generator=rng) if condition is None else torch.full_like(x, 0.5)
            shown = noisy if condition is None else (condition[:, :3] + 1) / 2
            size = (self.settings.conditional_crop_px,) * 2
            for picture in (shown, self.ema(noisy, sigma, condition), x):
                rows.append(F.interpolate(picture.clamp(0, 1), size=size))
        return make_grid(torch.cat(rows), nrow=len(rows[0]), padding=0)

    def header(self) -> dict[str, Any]:
        """What is written into the weights file: how to build the network, and how it came to be."""
        recipe = self.settings.model_dump(mode="json")
        return {
            "architecture": "denoising-unet",
            "network": self.ema.settings,
            "images": self.images_seen,
            "recipe": recipe,
        }

    def state(self) -> dict[str, Any]:
        return state_of(self, "step", "images_before", "network", "ema", "optimizer")


def _condition(x: Tensor, kind: str, rng: torch.Generator) -> Tensor | None:
    if kind == "luminance":
        physics = Colorization()
        return physics.condition(physics.f(x))
    if kind == "surroundings":
        # Boxes of the paper's 256-pixel pictures at their own size, whatever the crop's.
        side = x.shape[2]
        window = (..., slice((256 - side) // 2, (256 + side) // 2), slice((256 - side) // 2, (256 + side) // 2))
        masks: list[Tensor] = []
        while len(masks) < len(x):
            mask = random_boxes(256, 256, rng)[window]
            if 0.02 < float(1 - mask.mean()) < 0.7:
                masks.append(mask)
        mask = torch.cat(masks)
        return Inpainting(mask).condition(x)
    return None

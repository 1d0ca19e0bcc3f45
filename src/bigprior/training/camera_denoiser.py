"""``bigprior train noise`` and ``camera``: what finds a camera's noise, and the denoiser that is told of it.

Both learn from pairs that :mod:`bigprior.training.camera` makes of photographs. The denoiser is shown what the frozen
estimator says of the noise, as it will be; and in some steps the level of white noise itself, as a user would tell it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from bigprior.errors import SettingsError
from bigprior.io.folders import list_pictures
from bigprior.io.weights import read_weights
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.networks.noise_estimator import (
    LEAST_VARIANCE,
    NOISE_CHANNELS,
    PLACE,
    NoiseEstimator,
    noise_likelihood,
)
from bigprior.ops.precision import autocast
from bigprior.progress import Progress
from bigprior.training.ahead import made_ahead
from bigprior.training.camera import Pairs, coarse_pairs, noisy_pairs
from bigprior.training.draws import noise_like, random_squares, seeded, step_rng
from bigprior.training.losses import relative_error
from bigprior.training.plan import Moment
from bigprior.training.schedules import held
from bigprior.training.settings import CountedInImages, Index, Share
from bigprior.training.trainer import Descent, FromPhotographs, follow, sheet

#: Haar squares of the coarsest scale that noise is described by: sides of crops are multiples of it.
_SQUARE = 16
#: Noise that is as good as none, in [0, 1] pictures squared: of a grey level where there is none, and the least that is
#: told from less; and the square of a logarithm beyond which departing from what was said costs no more.
_HARDLY, _LEAST, _FARTHEST = (1 / 255) ** 2, (0.6 / 255) ** 2, 4.0


class PairSettings(CountedInImages):
    """What both trainings are told.

    Attributes:
        index: pictures of the folder to learn from.
        crop_px: side of the crops; a multiple of 16.
        room: share of the steps whose crops are half as large again before noise is added, and may be made smaller.
        smaller: share of the crops that are first made of a larger, and so sharper, piece of a photograph.
        workers: processes that make the pairs of the steps to come, so that an accelerator does not wait for them; by
            default each step makes its own. What is learned is the same.
        lr: the peak of AdamW's learning rate, constant after a short start, and falling over the last ``decay``.
        clip: largest norm of the gradient.
        ema: of the weights, a step.
    """

    index: Index = None
    crop_px: PositiveInt = 128
    room: Share = 0.4
    smaller: Share = 0.3
    workers: NonNegativeInt = 0
    batch: PositiveInt = 8
    total_kimg: PositiveFloat = 100.0
    lr: PositiveFloat = 3e-4
    decay: Share = 1.0
    clip: PositiveFloat = 1.0
    ema: float = Field(default=0.999, ge=0, lt=1)


class NoiseSettings(PairSettings):
    """Everything that decides how a noise estimator is trained; saved beside its weights.

    Attributes:
        coarse: share of the steps with coarse noise, beyond those that draw it among other kinds.
        clean: weight of crops without noise, which are made smaller, so that they have none of their own.
        texture: share of those that are the likeliest of four to be taken for noise.
        anchor: weight of how far what is said of noisy crops departs from what was said by the weights that the run
            started from.
    """

    widths: tuple[PositiveInt, ...] = (48, 64, 96)
    blocks: PositiveInt = 2
    coarse: Share = 0.0
    clean: float = Field(default=0.0, ge=0)
    texture: Share = 0.3
    anchor: float = Field(default=0.0, ge=0)


class CameraSettings(PairSettings):
    """Everything that decides how a denoiser of photographs is trained; saved beside its weights.

    Attributes:
        estimator: file of the noise estimator, which `bigprior train noise` makes.
        known: share of the crops with white noise whose level is told as it is.
        offset: in two steps of five, the noise's level is off by so much of a natural logarithm, its map as much the
            other way: a picture's parts differ from the whole.
    """

    widths: tuple[PositiveInt, ...] = (64, 128, 192, 256)
    blocks: PositiveInt | tuple[PositiveInt, ...] = 2
    shuffle: PositiveInt = 2
    estimator: str = ""
    known: Share = 0.5
    offset: float = Field(default=0.3, ge=0)


class _FromPairs(FromPhotographs, Descent[Any]):
    """A network that learns from pairs, and its moving average, which comes out."""

    keeps: ClassVar[tuple[str, ...]] = ("network", "average", "optimizer")
    settings: PairSettings
    network: Any
    average: Any

    def __init__(self, settings: PairSettings, data: Path | str, network: nn.Module) -> None:
        super().__init__(settings)
        s = settings
        if s.crop_px % _SQUARE:
            raise SettingsError(f"crop_px is {s.crop_px}: expected a multiple of {_SQUARE}")
        self.files, self.clip = list_pictures(data, s.index), s.clip
        self.network = network.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), s.lr, betas=(0.9, 0.99), weight_decay=1e-4)
        self._ahead: Iterator[tuple[Pairs, Tensor]] | None = None

    def schedule(self, moment: Moment) -> dict[str, Any]:
        """Constant after a short start, and falling at the end."""
        return held(moment, self.settings.lr, self.settings.decay)

    def after_step(self, moment: Moment) -> None:
        """The moving average: shorter while there are few steps to average."""
        follow(self.average, self.network, 1 - min(self.settings.ema, (moment.step + 1) / (moment.step + 11)))

    def pairs(self, moment: Moment, own: torch.Generator) -> Pairs:
        """Crops without and with noise, where the network is; ``own`` goes on after them."""
        if not self.settings.workers:
            found = self.made(own)
        else:
            if self._ahead is None:
                self._ahead = made_ahead(self._part, moment.step * self.settings.parts, self.settings.workers)
            found, rest = next(self._ahead)
            own.set_state(rest)
        return Pairs(*(x.to(self.device) for x in found))

    def _part(self, place: int) -> tuple[Pairs, Tensor]:
        """The pairs of one pass, counted from the first step on, and the random numbers that are left of it."""
        own = self._draws(*divmod(place, self.settings.parts))[1]
        return self.made(own), own.get_state()

    def made(self, rng: torch.Generator) -> Pairs:
        """Crops without and with noise, of the kinds that are drawn, on the processor."""
        return noisy_pairs(*self._crops(rng))

    def _crops(self, rng: torch.Generator) -> tuple[Tensor, int, torch.Generator]:
        """Crops, the side of the pairs that they are made into, and what draws their noise."""
        s = self.settings
        side = s.crop_px if float(torch.rand((), generator=rng)) >= s.room else 3 * s.crop_px // 2 // 2 * 2
        chosen = [self.pictures[i] for i in torch.randint(len(self.pictures), (self.share,), generator=rng).tolist()]
        seen = []
        for picture, (u, v) in zip(chosen, torch.rand(self.share, 2, generator=rng).tolist(), strict=True):
            seen.append(min(round(side * (1 + v)) if u < s.smaller else side, *picture.shape[1:]))
        return random_squares(chosen, seen, side, rng), s.crop_px, rng


class NoiseTrainer(_FromPairs):
    """A noise estimator.

    Args:
        settings: of the run.
        data: folder of photographs, of any sizes.

    Raises:
        ImageError: no pictures in ``data``.
        SettingsError: an index beyond the folder, or crops of another side.
    """

    name, recipe = "noise", NoiseSettings
    keeps: ClassVar[tuple[str, ...]] = (*_FromPairs.keeps, "before")
    settings: NoiseSettings

    def __init__(self, settings: NoiseSettings, data: Path | str) -> None:
        with seeded(settings.seed):
            network = NoiseEstimator(settings.widths, settings.blocks)
        super().__init__(settings, data, network)
        self.before = copy.deepcopy(self.average)

    def start_from(self, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
        """Begin with trained weights, which are those to depart from as well."""
        super().start_from(tensors, header)
        self.before.load_state_dict(dict(tensors))

    @classmethod
    def of(cls, recipe: NoiseSettings, data: Path, out: Path, progress: Progress | None = None) -> Self:
        """The trainer that a recipe and a folder of photographs describe."""
        return cls(recipe, data)

    def loss(self, moment: Moment, shared: torch.Generator, own: torch.Generator) -> tuple[str, Tensor]:
        """How unlikely the true noise is under what the network says of it, and what it says where there is none."""
        s, pairs = self.settings, self.pairs(moment, own)
        with autocast(s.precision, self.device):
            said = self.network(pairs.noisy).float()
        loss = noise_likelihood(_from_least(said), pairs.noisy - pairs.clean)
        if s.anchor:
            with autocast(s.precision, self.device), torch.no_grad():
                before = self.before(pairs.noisy).float()
            loss = loss + s.anchor * (said - before).square().clamp_max(_FARTHEST).mean()
        if s.clean:
            with autocast(s.precision, self.device):
                said = _from_least(self.network(self.without_noise(own)).float())
            loss = loss + s.clean * (said + _HARDLY / said.exp()).mean()
        return "likelihood", loss

    def made(self, rng: torch.Generator) -> Pairs:
        """Crops without and with noise, that of more of them coarse."""
        more = self.settings.coarse > 0 and float(torch.rand((), generator=rng)) < self.settings.coarse
        return (coarse_pairs if more else noisy_pairs)(*self._crops(rng))

    @torch.no_grad()
    def without_noise(self, rng: torch.Generator) -> Tensor:
        """Crops of photographs that are made smaller, some of them such as the network takes for noise."""
        s, crops = self.settings, []
        for u in torch.rand(self.share, generator=rng).tolist():
            tries = 4 if u < s.texture else 1
            chosen = [self.pictures[i] for i in torch.randint(len(self.pictures), (tries,), generator=rng).tolist()]
            wider = (1.4 + torch.rand(tries, generator=rng)).tolist()
            seen = [min(round(w * s.crop_px), *x.shape[1:]) for w, x in zip(wider, chosen, strict=True)]
            some = random_squares(chosen, seen, s.crop_px, rng).to(self.device)
            found = self.network(some).float().mean(dim=(1, 2, 3)) if tries > 1 else some.new_zeros(1)
            crops.append(some[int(found.argmax())])
        return torch.stack(crops)

    def header(self) -> dict[str, Any]:
        """How to build the network."""
        return {"architecture": "noise-estimator", "network": self.network.settings}


class CameraTrainer(_FromPairs):
    """A denoiser that is told of the noise, place by place and scale by scale.

    Args:
        settings: of the run.
        data: folder of photographs, of any sizes.

    Raises:
        ImageError: no pictures in ``data``.
        SettingsError: an index beyond the folder, crops of another side, or no estimator.
        WeightsError: the estimator cannot be read.
    """

    name, recipe = "general-denoiser", CameraSettings
    settings: CameraSettings

    def __init__(self, settings: CameraSettings, data: Path | str) -> None:
        s = settings
        if not s.estimator:
            raise SettingsError("no noise estimator: `bigprior train noise` makes one, pass --set estimator=FILE")
        tensors, header = read_weights(s.estimator)
        estimator = NoiseEstimator.from_state_dict(tensors, header.get("network", {}))
        with seeded(s.seed):
            network = DenoisingUNet(s.widths, s.blocks, s.shuffle, conditional=False, noise_channels=NOISE_CHANNELS)
        super().__init__(s, data, network)
        self.estimator = estimator.eval().requires_grad_(False)

    @classmethod
    def of(cls, recipe: CameraSettings, data: Path, out: Path, progress: Progress | None = None) -> Self:
        """The trainer that a recipe and a folder of photographs describe."""
        return cls(recipe, data)

    def loss(self, moment: Moment, shared: torch.Generator, own: torch.Generator) -> tuple[str, Tensor]:
        """The logarithm of each crop's squared error."""
        s, pairs = self.settings, self.pairs(moment, own)
        with autocast(s.precision, self.device), torch.no_grad():
            log_sigma = self.estimator(pairs.noisy).float().clamp_min(math.log(LEAST_VARIANCE)) / 2
        told = ~pairs.sigma.isnan() & (torch.rand(len(pairs.sigma), generator=own) < s.known).to(self.device)
        white = pairs.sigma.clamp_min(LEAST_VARIANCE**0.5).log().nan_to_num().view(-1, 1, 1, 1)
        log_sigma = torch.where(told.view(-1, 1, 1, 1), white, log_sigma)
        off = noise_like(pairs.sigma, own) * (torch.rand(len(pairs.sigma), generator=own) < 0.4).to(self.device)
        level = log_sigma.flatten(1).mean(1) + s.offset * off
        shape = F.interpolate(log_sigma - level.view(-1, 1, 1, 1), scale_factor=float(PLACE), mode="bilinear")
        with autocast(s.precision, self.device):
            answer = self.network(pairs.noisy, level.exp(), noise=shape)
        return "error", relative_error(answer, pairs.clean, least=2e-6)

    @torch.no_grad()
    def sample_grid(self) -> Tensor:
        """What comes in and out for crops that never change."""
        pairs = Pairs(*(x.to(self.device) for x in self.made(step_rng(self.settings.seed, -1))))
        log_sigma = self.estimator(pairs.noisy) / 2
        level = log_sigma.flatten(1).mean(1)
        shape = F.interpolate(log_sigma - level.view(-1, 1, 1, 1), scale_factor=float(PLACE), mode="bilinear")
        rows = (pairs.noisy, self.average(pairs.noisy, level.exp(), noise=shape), pairs.clean)
        return sheet(torch.cat(rows).clamp(0, 1), len(pairs.clean))

    def header(self) -> dict[str, Any]:
        """How to build the network."""
        return {"architecture": "denoising-unet", "network": self.network.settings}


def _from_least(log_variance: Tensor) -> Tensor:
    """With the least noise that is told from less: what is nearly none costs no more for being missed."""
    return torch.logaddexp(log_variance, log_variance.new_tensor(math.log(_LEAST)))

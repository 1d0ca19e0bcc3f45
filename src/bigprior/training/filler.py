"""``bigprior train filler``: changes of a denoiser for holes alone.

Deep in a hole a fully convolutional network sees the same everywhere, and what it draws there repeats itself from one
of its coarsest pixels to the next. Here it learns not to, beside all that a filling is judged by. Only changes of low
rank are learned: the denoiser stays what it is for all else.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from bigprior import DEFAULT_PRESET
from bigprior.degradations import DEGRADATIONS
from bigprior.io.folders import list_pictures, load_square
from bigprior.io.weights import digest_of
from bigprior.networks.adapter import Adapter
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.ops.precision import autocast
from bigprior.presets.store import load_part
from bigprior.progress import Progress
from bigprior.training.adversary import Adversary, balanced
from bigprior.training.conditions import measured, one_step_error
from bigprior.training.draws import mirrored, noise_like, seeded, step_rng
from bigprior.training.losses import repetition
from bigprior.training.plan import Moment
from bigprior.training.schedules import held
from bigprior.training.settings import CountedInImages, Index
from bigprior.training.trainer import Descent, follow, named, sheet

#: The task whose measurements have holes.
_TASK = next(name for name, physics in DEGRADATIONS.items() if physics.placement == "hole")


class FillerSettings(CountedInImages):
    """Everything that decides how the changes of a denoiser are trained; saved beside them.

    Attributes:
        rank: of the changes of each convolution.
        index: photographs to learn from.
        resolution: side of their centre squares, which are seen as a whole.
        perceptual: weight of LPIPS in the error of filled holes.
        repeated: weight of how much more than the photographs the fillings repeat themselves, see
            :func:`bigprior.training.losses.repetition`.
        adversarial: weight of the discriminators in it, as the length of their gradient in units of the others'.
        adversarial_lr: their learning rate.
        total_kimg: thousands of photographs to see.
        lr: the learning rate, constant after a short start, and falling to nothing over the last ``decay``.
        clip: largest norm of the gradient.
        ema: of the changes, a step.
    """

    rank: PositiveInt = 4
    index: Index = None
    resolution: PositiveInt = 256
    perceptual: float = Field(default=1.0, ge=0)
    repeated: float = Field(default=2.0, ge=0)
    adversarial: float = Field(default=0.7, ge=0)
    adversarial_lr: PositiveFloat = 2e-4
    batch: PositiveInt = 3
    total_kimg: PositiveFloat = 3.0
    snapshot_kimg: PositiveFloat = 0.3
    lr: PositiveFloat = 2e-3
    decay: float = Field(default=0.6, ge=0, le=1)
    clip: PositiveFloat = 1.0
    ema: float = Field(default=0.99, ge=0, lt=1)


class FillerRecipe(FillerSettings):
    """Settings, and whose denoiser is changed: a preset's."""

    preset: str = DEFAULT_PRESET


class FillerTrainer(Descent[FillerSettings]):
    """The changes and their moving average, which comes out.

    Args:
        settings: of the run.
        denoiser: stays as it is.
        data: folder of photographs; their centre squares are resized to ``settings.resolution``.

    Raises:
        ImageError: no pictures in ``data``.
        SettingsError: an index beyond the folder.
    """

    name = "filler"
    recipe = FillerRecipe
    keeps = ("network", "average", "optimizer", "adversary")
    network: Adapter
    average: Adapter

    def __init__(self, settings: FillerSettings, denoiser: DenoisingUNet, data: Path | str) -> None:
        super().__init__(settings)
        s = settings
        self.files, self.clip = list_pictures(data, s.index), s.clip
        self.denoiser = denoiser.requires_grad_(False).to(memory_format=torch.channels_last)
        with seeded(s.seed):
            self.network = Adapter.of(denoiser, s.rank)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.adversary = Adversary(s.seed, s.adversarial_lr, s.precision) if s.adversarial else None
        self.optimizer = torch.optim.AdamW(self.network.parameters(), s.lr, betas=(0.9, 0.99), weight_decay=0.0)

    @classmethod
    def of(cls, recipe: FillerRecipe, data: Path, out: Path, progress: Progress | None = None) -> Self:
        """The trainer that a recipe and a folder of photographs describe."""
        return cls(recipe, load_part(recipe.preset, "denoiser"), data)

    @property
    def sources(self) -> dict[str, str]:
        """The photographs and the denoiser."""
        return {"pictures": named(self.files), "denoiser": digest_of(*self.denoiser.state_dict().values())[:16]}

    def prepare(self, progress: Progress | None) -> None:
        """Read the photographs, as bytes."""
        self.pictures = load_square(self.files, self.settings.resolution).to(self.device)

    def schedule(self, moment: Moment) -> dict[str, Any]:
        """Constant after a short start, and falling at the end."""
        return held(moment, self.settings.lr, self.settings.decay)

    def loss(self, moment: Moment, shared: torch.Generator, own: torch.Generator) -> tuple[str, Tensor]:
        """What holes are judged by, how much fillings repeat themselves, and what gives them away."""
        s, x = self.settings, self._photographs(own)
        m = measured(_TASK, x, own)
        assert m.hole is not None
        estimate, mask = self._estimate(self.network, x, own, m.condition), 1 - m.hole
        filled = torch.where(mask > 0, x, estimate)
        error = one_step_error(m, estimate, x, s.perceptual, own)
        if s.repeated:
            more = [F.relu(repetition(filled, mask, px) - repetition(x, mask, px)).mean() for px in self._periods]
            error = error + s.repeated * torch.stack(more).sum()
        if self.adversary is not None:
            self.adversary.learn(filled, x, mask)
            error = balanced(error, self.adversary.error(filled, x, mask), estimate, s.adversarial)
        return "holes", error

    @property
    def _periods(self) -> tuple[int, ...]:
        """A coarsest pixel of the network, and what it is halved to."""
        return tuple(self.denoiser.step // shrunk for shrunk in (1, 2, 4) if self.denoiser.step // shrunk > 1)

    def _photographs(self, rng: torch.Generator) -> Tensor:
        chosen = torch.randint(len(self.pictures), (self.share,), generator=rng)
        return mirrored(self.pictures[chosen.to(self.pictures.device)].float() / 255, rng)

    def _estimate(self, changes: Adapter, x: Tensor, rng: torch.Generator, condition: Tensor | None) -> Tensor:
        """What the changed denoiser draws in one step, RGB in [0, 1]."""
        sigma = x.new_full((len(x),), self.denoiser.sigma_max)
        start = self.denoiser.nothing(x, noise_like(x, rng))
        with autocast(self.settings.precision, x.device):
            drawn: Tensor = torch.func.functional_call(
                self.denoiser, changes.changed(self.denoiser), (start, sigma, condition)
            )
        return drawn

    def after_step(self, moment: Moment) -> None:
        """The moving average: shorter while there are few steps to average."""
        follow(self.average, self.network, 1 - min(self.settings.ema, (moment.step + 1) / (moment.step + 11)))

    @torch.no_grad()
    def sample_grid(self) -> Tensor:
        """Photographs that never change: with holes, filled, and as they are."""
        rng = step_rng(self.settings.seed, -1)
        x = self._photographs(rng)
        m = measured(_TASK, x, rng)
        assert m.hole is not None
        filled = torch.where(m.hole > 0, self._estimate(self.average, x, rng, m.condition), x)
        return sheet(torch.cat([x * (1 - m.hole), filled, x]).clamp(0, 1), len(x))

    def header(self) -> dict[str, Any]:
        """How to build the changes."""
        return {"architecture": "adapter", "network": self.network.settings}

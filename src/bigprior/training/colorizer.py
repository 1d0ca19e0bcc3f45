"""``bigprior train colorizer``: colours from what AlexNet sees.

AlexNet looks at every photograph once; only what reads its features is trained.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from bigprior.degradations import DEGRADATIONS, Degradation
from bigprior.io.folders import list_pictures, load_square
from bigprior.networks.colorizer import RESOLUTION, ColorizationNetwork, features, quarter
from bigprior.progress import Progress
from bigprior.training.draws import seeded
from bigprior.training.losses import colour_error
from bigprior.training.plan import Moment
from bigprior.training.schedules import cosine
from bigprior.training.settings import CountedInImages, Index
from bigprior.training.trainer import Descent, FromPhotographs, sheet

#: Photographs that AlexNet sees at once, and that decide the units of its features.
_AT_ONCE, _FOR_UNITS = 16, 512


class ColorizerSettings(CountedInImages):
    """Everything that decides how a colorizer is trained; saved beside its weights.

    Attributes:
        index: photographs to learn from.
        total_kimg: thousands of pictures to see.
        lr: the peak of the learning rate, after a short start; it falls along a half cosine.
    """

    width: PositiveInt = 96
    blocks: PositiveInt = 2
    dropout: float = Field(default=0.1, ge=0, lt=1)
    index: Index = None
    batch: PositiveInt = 16
    total_kimg: PositiveFloat = 50.0
    lr: PositiveFloat = 1e-3
    weight_decay: float = Field(default=1e-2, ge=0)
    snapshot_kimg: PositiveFloat = 2.0


class ColorizerTrainer(FromPhotographs, Descent[ColorizerSettings]):
    """The network on top of what AlexNet sees, which is kept in memory: 0.6 MB a photograph.

    Args:
        settings: of the run.
        data: folder of photographs; their centre squares are resized to 256x256.

    Raises:
        ImageError: no pictures in ``data``.
        SettingsError: an index beyond the folder.
    """

    name = "colorizer"
    recipe = ColorizerSettings
    network: ColorizationNetwork

    def __init__(self, settings: ColorizerSettings, data: Path | str) -> None:
        super().__init__(settings)
        self.files, self.grey = list_pictures(data, settings.index), _grey()
        with seeded(settings.seed):
            self.network = ColorizationNetwork(settings.width, settings.blocks, settings.dropout)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), settings.lr, weight_decay=settings.weight_decay)

    @classmethod
    def of(cls, recipe: ColorizerSettings, data: Path, out: Path, progress: Progress | None = None) -> Self:
        """The trainer that a recipe and a folder of photographs describe."""
        return cls(recipe, data)

    def prepare(self, progress: Progress | None) -> None:
        """Let AlexNet see the photographs, and take its units from some of them."""
        small, seen = [], []
        for part in load_square(self.files, RESOLUTION).split(_AT_ONCE):
            x = part.to(self.device).float() / 255
            small.append(quarter(x))
            seen.append(features(self.grey.f(x)).half())
            if progress is not None:
                progress(min(len(small) * _AT_ONCE, len(self.files)), len(self.files))
        self.pictures, self.seen = torch.cat(small), torch.cat(seen)
        self.network.standardise(self.seen[:_FOR_UNITS])

    def schedule(self, moment: Moment) -> dict[str, Any]:
        """Along a half cosine."""
        return cosine(moment, self.settings.lr)

    def loss(self, moment: Moment, shared: torch.Generator, own: torch.Generator) -> tuple[str, Tensor]:
        """The distance of the guessed colours."""
        chosen = torch.randint(len(self.pictures), (self.share,), generator=own).to(self.device)
        with seeded(int(torch.randint(1 << 62, (), generator=own))):  # what is left out is drawn from global numbers
            truth = self.pictures[chosen]
            return "loss", colour_error(self.grey.measure(self.grey.f(truth)), self.guess(chosen), truth)

    def guess(self, chosen: Tensor) -> Tensor:
        """Some of the photographs by number, as the network colours them: (N, 3, 64, 64)."""
        luminance = self.grey.f(self.pictures[chosen])
        return luminance + self.network.chroma(self.seen[chosen], luminance, (RESOLUTION // 4, RESOLUTION // 4))

    @torch.no_grad()
    def sample_grid(self) -> Tensor:
        """The first eight photographs: grey, as they are coloured, and as they are."""
        self.network.eval()
        chosen = torch.arange(min(8, len(self.pictures)), device=self.device)
        truth = self.pictures[chosen]
        grey = self.grey.f(truth)
        rows = [grey.expand_as(truth), self.grey.consistent(self.guess(chosen), grey), truth]
        self.network.train()
        return sheet(torch.cat(rows), len(chosen))

    def header(self) -> dict[str, Any]:
        """How to build the network."""
        return {"architecture": "colorizer", "network": self.network.settings}


def _grey() -> Degradation:
    """What leaves nothing of a picture but its luminance; asked for by what it does."""
    return next(physics for physics in DEGRADATIONS.values() if physics.colours and physics.channels == 1)()

"""``bigprior train tnrd``: reaction diffusion that learns its filters and influence functions from photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from bigprior.io.folders import list_pictures
from bigprior.networks.tnrd import TNRD
from bigprior.ops.colour import luminance
from bigprior.progress import Progress
from bigprior.training.draws import noise_like, random_squares, seeded
from bigprior.training.plan import Moment
from bigprior.training.schedules import cosine
from bigprior.training.settings import CountedInSteps, Index
from bigprior.training.trainer import Descent, FromPhotographs


class TNRDSettings(CountedInSteps):
    """Everything that decides how a reaction diffusion is trained; saved beside its weights.

    Attributes:
        stages, side, knots: of the network.
        index: photographs to learn from.
        crop_px, batch: side and number of the random grey crops of a step.
        sigma: the least and the most noise of a crop, on the 0..255 scale.
        lr: the peak of the learning rate, which falls along a half cosine.
        clip: largest norm of the gradient.
    """

    stages: PositiveInt = 5
    side: int = Field(default=5, ge=3)
    knots: int = Field(default=41, ge=3)
    index: Index = None
    steps: PositiveInt = 2000
    batch: PositiveInt = 8
    crop_px: PositiveInt = 48
    sigma: tuple[PositiveFloat, PositiveFloat] = (5.0, 55.0)
    lr: PositiveFloat = 3e-3
    clip: PositiveFloat = 1.0
    validate_every: PositiveInt = 250


class TNRDTrainer(FromPhotographs, Descent[TNRDSettings]):
    """The network, all of whose steps are trained together, from the start.

    Args:
        settings: of the run.
        data: folder of photographs.

    Raises:
        ImageError: no such folder or pictures.
        SettingsError: an index beyond the folder.
    """

    name = "tnrd"
    recipe = TNRDSettings

    def __init__(self, settings: TNRDSettings, data: Path | str) -> None:
        super().__init__(settings)
        self.files, self.clip = list_pictures(data, settings.index), settings.clip
        with seeded(settings.seed):
            self.network = TNRD(settings.stages, settings.side, settings.knots)
        self.optimizer = torch.optim.Adam(self.network.parameters(), settings.lr)

    @classmethod
    def of(cls, recipe: TNRDSettings, data: Path, out: Path, progress: Progress | None = None) -> Self:
        """The trainer that a recipe and a folder of photographs describe."""
        return cls(recipe, data)

    def schedule(self, moment: Moment) -> dict[str, Any]:
        """A half cosine."""
        return cosine(moment, self.settings.lr)

    def loss(self, moment: Moment, shared: torch.Generator, own: torch.Generator) -> tuple[str, Tensor]:
        """The squared error of grey crops, in units of the noise's variance: no level counts for more than another."""
        s = self.settings
        chosen = [self.pictures[i] for i in torch.randint(len(self.pictures), (self.share,), generator=own).tolist()]
        seen = [min(s.crop_px, *picture.shape[1:]) for picture in chosen]
        grey = luminance(random_squares(chosen, seen, s.crop_px, own)).to(self.device)
        least, most = s.sigma
        sigma = ((least + (most - least) * torch.rand(len(grey), generator=own)) / 255).to(self.device)
        level = sigma.view(-1, 1, 1, 1)
        clean = self.network(grey + level * noise_like(grey, own), sigma)
        return "loss", F.mse_loss(clean / level, grey / level)

    def header(self) -> dict[str, Any]:
        """What the file is."""
        s = self.settings
        return {"kind": "tnrd", "stages": s.stages, "side": s.side, "knots": s.knots}

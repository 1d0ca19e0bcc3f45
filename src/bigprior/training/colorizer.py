"""``bigprior train colorizer``: colours from what AlexNet sees, resumable to the bit.

AlexNet looks at every photograph once; only what reads its features is trained.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor
from torchvision.utils import make_grid

from bigprior.degradations import Colorization
from bigprior.io.folders import list_pictures, load_square
from bigprior.networks.colorizer import RESOLUTION, ColorizationNetwork, features, quarter
from bigprior.settings import Settings
from bigprior.training.losses import colour_error
from bigprior.training.run import Run, named, state_of, step_rng, step_size, train_network

#: Photographs that AlexNet sees at once, and that decide the units of its features.
_AT_ONCE, _FOR_UNITS = 16, 512


class ColorizerSettings(Settings):
    """Everything that decides how a colorizer is trained; saved beside its weights.

    Attributes:
        total_kimg: thousands of pictures to see.
        lr: the peak of AdamW's step size, after a short start; it falls along a half cosine.
    """

    width: PositiveInt = 96
    blocks: PositiveInt = 2
    dropout: float = Field(default=0.1, ge=0, lt=1)
    batch: PositiveInt = 16
    total_kimg: PositiveFloat = 50.0
    lr: PositiveFloat = 1e-3
    weight_decay: float = Field(default=1e-2, ge=0)
    snapshot_kimg: PositiveFloat = 2.0
    seed: int = 0


def train_colorizer(
    data: Path | str,
    out: Path | str,
    settings: ColorizerSettings,
    *,
    index: tuple[int, int] | None = None,
    quiet: bool = False,
) -> Path:
    """Train a colorizer on a folder of photographs; a run that was interrupted goes on where its last save was.

    What AlexNet sees of a photograph is kept in memory, 0.6 MB each.

    Args:
        data: folder of photographs; their centre squares are resized to 256x256.
        out: the run's folder: state, log, pictures, and ``colorizer.safetensors``.
        index: first and last picture of ``data`` in the order of their names, both included; all by default.
        quiet: no progress bar.

    Returns:
        The path of the exported weights.

    Raises:
        ImageError: no pictures in ``data``.
        SettingsError: ``out`` belongs to a run with other settings.
    """
    files = list_pictures(data, index)
    run = Run(out, settings, {"pictures": named(files)}, quiet=quiet)
    pictures = load_square(files, RESOLUTION)
    trainer = _Trainer(settings, pictures)
    run.restore(trainer)
    header = {"architecture": "colorizer", "network": trainer.network.settings, "recipe": settings.model_dump()}
    return train_network(run, trainer, run.folder / "colorizer.safetensors", header)


class _Trainer:
    def __init__(self, settings: ColorizerSettings, pictures: Tensor) -> None:
        self.settings = s = settings
        small, seen = [], []
        for part in pictures.split(_AT_ONCE):
            x = part.float() / 255
            small.append(quarter(x))
            seen.append(features(Colorization().f(x)).half())
        self.pictures, self.seen = torch.cat(small), torch.cat(seen)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(s.seed)
            self.network = ColorizationNetwork(s.width, s.blocks, s.dropout)
        self.network.standardise(self.seen[:_FOR_UNITS])
        self.optimizer = torch.optim.AdamW(self.network.parameters(), s.lr, weight_decay=s.weight_decay)
        self.step = 0

    @property
    def steps(self) -> int:
        return max(1, round(self.settings.total_kimg * 1000 / self.settings.batch))

    def train_step(self) -> float:
        s, rng = self.settings, step_rng(self.settings.seed, self.step)
        chosen = torch.randint(len(self.pictures), (s.batch,), generator=rng)
        for group in self.optimizer.param_groups:
            group["lr"] = s.lr * step_size(self.step, self.steps)
        with torch.random.fork_rng(devices=[]):  # what is left out is drawn from torch's global numbers
            torch.manual_seed(int(torch.randint(1 << 62, (), generator=rng)))
            loss = colour_error(self.answer(chosen), self.pictures[chosen])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1
        return loss.item()

    def answer(self, chosen: Tensor) -> Tensor:
        """Some of the photographs by number, as the network colours them: (N, 3, 64, 64)."""
        luminance = Colorization().f(self.pictures[chosen])
        return luminance + self.network.chroma(self.seen[chosen], luminance, (RESOLUTION // 4, RESOLUTION // 4))

    @torch.no_grad()
    def sample_grid(self) -> Tensor:
        """The first eight photographs: grey, as they are coloured, and as they are."""
        self.network.eval()
        chosen = torch.arange(min(8, len(self.pictures)))
        truth = self.pictures[chosen]
        grey = Colorization().f(truth)
        rows = [grey.expand_as(truth), Colorization().consistent(self.answer(chosen), grey), truth]
        self.network.train()
        return make_grid(torch.cat(rows), nrow=len(chosen), padding=0)

    def state(self) -> dict[str, Any]:
        return state_of(self, "step", "network", "optimizer")

"""What trainings share that learn beside a preset's denoiser, which stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from bigprior.io.weights import digest_of
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.presets.store import load_part
from bigprior.progress import Progress
from bigprior.training.trainer import named


class BesideDenoiser:
    """It goes before :class:`bigprior.training.trainer.Trainer`'s kinds, which are made of settings, it, and a folder.

    Attributes:
        files: of the photographs.
        denoiser: of the preset that a recipe names.
    """

    files: Sequence[Path]
    denoiser: DenoisingUNet

    @classmethod
    def of(cls, recipe: Any, data: Path, out: Path, progress: Progress | None = None) -> Self:
        """The trainer that a recipe and a folder of photographs describe."""
        make: Any = cls
        made: Self = make(recipe, load_part(recipe.preset, "denoiser"), data)
        return made

    @property
    def sources(self) -> dict[str, str]:
        """The photographs and the denoiser."""
        return {"pictures": named(self.files), "denoiser": digest_of(*self.denoiser.state_dict().values())[:16]}

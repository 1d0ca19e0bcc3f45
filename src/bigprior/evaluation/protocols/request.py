"""What every measurement is asked, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from bigprior.errors import SettingsError
from bigprior.evaluation.metrics import METRICS
from bigprior.progress import Progress

#: Nested figures: names down to numbers.
Results = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What to measure on.

    Attributes:
        data: folder of pictures.
        index: first and last of them, both included; all by default.
        preset: the prior and the phi networks; by default the embedded generator for what is measured at a generator's
            own size, and the package's default elsewhere.
        steps: of the inversion, in place of the preset's; of the ablations' trainings.
        prior_dir: priors computed elsewhere, in place of the preset's.
        phi: a phi network in place of the preset's.
        prior: a model's file in place of the preset.
        rivals: models' files, for rows of their own in a table.
        trusted: those files may run code.
        vgg: local VGG-16 trunk.
        baselines: which to run in a table; all that are installed and not slow by default.
        dncnn: folder of trained networks, ``dncnn-TASK.safetensors``, for a table's row of that name.
        lines: where a table keeps one JSON line a picture and method, from which it can go on.
        sigma: noise level on the 0..255 scale, of white noise.
        qualities: of JPEG files.
        factor: how many times smaller pictures are made.
        kernels: files of what pictures are blurred by.
        peaks: of shot noise: the count of white; a table each.
        side: of the middle of each picture, in pixels, where that alone is looked at.
        folder: where files go that a measurement makes: the gallery's pictures, the ablations' trainings.
    """

    data: Path
    index: tuple[int, int] | None = None
    preset: str | None = None
    steps: int | None = None
    prior_dir: Path | None = None
    phi: Path | None = None
    prior: Path | None = None
    rivals: tuple[Path, ...] = ()
    trusted: bool = False
    vgg: Path | None = None
    baselines: tuple[str, ...] | None = None
    dncnn: Path | None = None
    lines: Path | None = None
    folder: Path | None = None
    sigma: float | None = None
    qualities: tuple[int, ...] = ()
    factor: int | None = None
    kernels: tuple[Path, ...] = ()
    peaks: tuple[float, ...] = ()
    side: int | None = None


Evaluation = Callable[[Request, Progress], Results]


def mean_scores(image: Tensor, truth: Tensor, metrics: Sequence[str]) -> dict[str, float]:
    """The mean of each metric over pictures (N, 3, H, W), RGB in [0, 1]."""
    return {name: float(METRICS[name](image, truth).mean()) for name in metrics}


def folder_of(request: Request, name: str) -> Path:
    """The folder for the files that a measurement makes.

    Raises:
        SettingsError: none was given.
    """
    if request.folder is None:
        raise SettingsError(f"{name} makes files: pass a folder for them with -o")
    return request.folder

"""Every prior on one picture: a table of what each makes of it in each task, and a sheet of their pictures and phi."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import skimage.data
import torch
from torch import Tensor

from bigprior.degradations.simulation import simulate
from bigprior.errors import BigpriorError
from bigprior.evaluation.metrics import psnr
from bigprior.evaluation.protocols.demo import TASKS
from bigprior.ops.resampling import resized
from bigprior.presets.loading import load_restorer
from bigprior.presets.store import preset_names
from bigprior.priors.named import PRIORS
from bigprior.progress import Progress
from bigprior.restoration import Restoration

#: Longest side of the picture, in pixels: so small that every prior takes seconds.
SIDE = 160


@dataclass(frozen=True)
class Outcome:
    """What one prior made of one task.

    Attributes:
        prior: its name, or the preset's.
        task: the degradation's name.
        refused: why it made nothing; empty if it did.
        figures: PSNR in dB of the fidelity term, of the prior and of the restored picture, the mean phi, the share that
            is made up, and seconds.
        restoration: the pictures.
    """

    prior: str
    task: str
    refused: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    restoration: Restoration | None = None


def example() -> Tensor:
    """scikit-image's ``coffee`` (CC0), (1, 3, H, W)."""
    return torch.from_numpy(skimage.data.coffee()).permute(2, 0, 1)[None].float() / 255


def compare(picture: Tensor, priors: Sequence[str] = (), *, progress: Progress | None = None) -> Iterator[Outcome]:
    """Degrade a picture as each task does, and restore it with every prior.

    Args:
        picture: (1, 3, H, W), RGB in [0, 1]; one larger than :data:`SIDE` is made smaller.
        priors: names of priors and presets; all by default.
        progress: over priors and tasks.

    Yields:
        What each made of each task, or why it made nothing.
    """
    scale = min(1.0, SIDE / max(picture.shape[2:]))
    truth = resized(picture, *(max(1, round(n * scale)) for n in picture.shape[2:])).clamp(0, 1)
    presets = preset_names()
    names = list(priors) or [*PRIORS, *presets]
    for i, (task, protocol) in enumerate(TASKS.items()):
        y, physics = simulate(protocol, truth, ["picture"])
        for j, name in enumerate(names):
            load = partial(load_restorer, prior=name) if name not in presets else partial(load_restorer, name)
            began = time.perf_counter()
            try:
                result = load(task=task).restore(y, physics)
            except BigpriorError as error:
                yield Outcome(name, task, str(error))
            else:
                seconds = time.perf_counter() - began
                terms = {"fidelity": result.fidelity, "prior": result.prior, "restored": result.restored}
                figures = {term: psnr(image, truth).item() for term, image in terms.items()}
                figures |= {"phi": float(result.phi.mean()), "made_up": result.mean_share, "seconds": seconds}
                yield Outcome(name, task, figures=figures, restoration=result)
            if progress is not None:
                progress(i * len(names) + j + 1, len(TASKS) * len(names))

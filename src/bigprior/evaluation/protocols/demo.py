"""``bigprior demo``: the three tasks on a photograph that a dependency ships under a free licence."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import skimage.data
import torch

from bigprior.degradations.simulation import simulate
from bigprior.evaluation.metrics import psnr
from bigprior.presets.loading import load_restorer
from bigprior.progress import Progress
from bigprior.report.folder import save_restoration
from bigprior.report.output import check_folder

#: Task by its protocol.
TASKS = {"denoising": "denoising-25", "colorization": "colorization", "inpainting": "inpainting-centre"}


def run_demo(
    folder: Path,
    *,
    preset: str,
    steps: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
    progress: Callable[[str], AbstractContextManager[Progress]],
) -> list[dict[str, float | str]]:
    """Degrade scikit-image's ``coffee`` (CC0) in three ways, restore it, and write everything into ``folder``.

    Raises:
        OutputError: a task's folder in it holds files, and ``overwrite`` does not say that they can go.

    Returns:
        A row a task: how much is made up; PSNR in dB of the fidelity term, the prior and the restored picture; seconds.
    """
    for task in TASKS:
        check_folder(folder / task, overwrite=overwrite)
    photo = torch.from_numpy(skimage.data.coffee()).permute(2, 0, 1)[None].float() / 255
    # A third of the original: 200 x 133, so that the demo takes seconds on a laptop.
    truth = torch.nn.functional.interpolate(photo, scale_factor=1 / 3, mode="bilinear", antialias=True).clamp(0, 1)
    rows: list[dict[str, float | str]] = []
    for task, protocol in TASKS.items():
        y, physics = simulate(protocol, truth, ["coffee"])
        restorer = load_restorer(preset, task, steps=steps)
        began = time.perf_counter()
        with progress(task) as tell:
            result = restorer.restore(y, physics, seed=seed, progress=tell)
        seconds = time.perf_counter() - began
        save_restoration(result, folder / task, overwrite=overwrite)
        images = {"fidelity": result.fidelity, "prior": result.prior, "restored": result.restored}
        decibels = {name: psnr(image, truth).item() for name, image in images.items()}
        rows.append({"task": task, "made_up": result.mean_share, **decibels, "seconds": seconds})
    return rows

"""The one loop of all trainings: resumable to the bit, logged, with snapshots, by one process or several.

A run draws all its randomness for step ``s`` from :func:`~bigprior.training.draws.step_rng`, so that a run that was
killed and goes on ends exactly like one that was not.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.utils import save_image

from bigprior.errors import SettingsError
from bigprior.io.atomic import replacing
from bigprior.io.weights import read_weights, save_weights
from bigprior.training.plan import Plan
from bigprior.training.run import Run
from bigprior.training.trainer import Trainer
from bigprior.training.workers import joined, own_device, started


def fit(
    trainer: Trainer[Any],
    out: Path | str,
    *,
    init: Path | str | None = None,
    device: str = "cpu",
    quiet: bool = False,
) -> Path:
    """Take all steps of a training; a run that was interrupted goes on where its last save was.

    Args:
        trainer: what is trained; moved to ``device``.
        out: the run's folder: settings, state, log, sample pictures, and the weights, ``NAME.safetensors``.
        init: weights to start a new run from.
        device: ``cpu``, or where there is an accelerator its name, such as ``cuda``.
        quiet: no progress bar.

    Returns:
        The path of the exported weights.

    Raises:
        ImageError: pictures that cannot be read.
        SettingsError: ``out`` belongs to a run with other settings, there is no such device, or processes cannot share
            the run or its batch.
        WeightsError: ``init`` cannot be used.
    """
    where = own_device(device)
    if started() > 1 and not trainer.shareable:
        raise SettingsError(f"{started()} processes cannot share this training: start it without torchrun")
    with joined(where) as team:
        run = Run(out, trainer.settings, trainer.sources, quiet=quiet, rank=team.rank)
        trainer.begin(team, where)
        plan, best = Plan(trainer.settings, trainer.meets_every, team.mean), Best()
        if (saved := run.resume()) is not None:
            for part in (plan, trainer, best):
                part.load_state_dict(saved)
        elif init is not None:
            trainer.start_from(*read_weights(init))
        with run.preparing() as progress:
            trainer.prepare(progress)

        def state() -> dict[str, Any]:
            return plan.state_dict() | trainer.state_dict() | best.state_dict()

        losses: dict[str, list[Tensor]] = {}
        for moment in run.moments(plan, state):
            for name, loss in trainer.train_step(moment).items():
                losses.setdefault(name, []).append(loss)
            if (moment.step + 1) % trainer.settings.report_every == 0 or moment.last:
                _report(run, trainer, best, moment.step + 1, losses)
                losses.clear()
        if losses:  # a run that is planned for a time does not know its last step before
            _report(run, trainer, best, plan.step, losses)
        run.save(state())
        return _weights(run, trainer)


class Best:
    """The weights that scored lowest so far; none where nothing is scored."""

    def __init__(self) -> None:
        self.score, self.images, self.tensors = float("inf"), 0, dict[str, Tensor]()

    def keep(self, score: float, images: int, network: nn.Module) -> None:
        """Take the weights of a network that has seen so many images, if ``score`` is lower than every one before."""
        if score < self.score or not self.tensors:
            self.score, self.images = score, images
            self.tensors = {k: v.detach().clone() for k, v in network.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """The score, the weights and the images that they have seen, as ``best``."""
        return {"best": vars(self)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` gave."""
        vars(self).update(state["best"])


def _report(run: Run, trainer: Trainer[Any], best: Best, step: int, losses: Mapping[str, list[Tensor]]) -> None:
    """Log the mean losses, show sample pictures, and export the weights; one process does it for all."""
    if not run.writes:
        return
    images = trainer.images_seen(step)
    values = {name: float(f"{torch.stack(those).mean().item():.5g}") for name, those in sorted(losses.items())}
    if (score := trainer.validate()) is not None:
        values["validation"] = score
        best.keep(score, images, trainer.exported)
    run.log(step=step, images=images, **values)
    if (grid := trainer.sample_grid()) is not None:
        with replacing(run.folder / f"samples-{images // 1000:05d}k.png") as temporary:
            save_image(grid, temporary)
    images = best.images if best.tensors else images
    header = {**trainer.header(), "images": images, "recipe": trainer.settings.model_dump(mode="json")}
    save_weights(_weights(run, trainer), best.tensors or trainer.exported.state_dict(), header)


def _weights(run: Run, trainer: Trainer[Any]) -> Path:
    return run.folder / f"{trainer.name}.safetensors"

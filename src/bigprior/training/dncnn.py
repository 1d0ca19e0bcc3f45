"""``bigprior train dncnn``: the paper's supervised competitor (DnCNN, Zhang et al. 2017), resumable to the bit.

It learns one task's pictures directly from their measurements, without a prior: a network a degradation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import deepinv as dinv
import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from bigprior.degradations import Degradation, Inpainting
from bigprior.degradations.simulation import simulate
from bigprior.errors import SettingsError, UnknownNameError, WeightsError
from bigprior.io.folders import PictureSet, load_set
from bigprior.io.weights import read_weights, save_weights
from bigprior.settings import Settings
from bigprior.training.recipes import TASK_PROTOCOLS, check_apart
from bigprior.training.run import Best, Run, named, random_crop, state_of, step_rng


class DnCNNSettings(Settings):
    """Everything that decides how a DnCNN is trained; saved beside its weights.

    Attributes:
        task: a degradation's name.
        depth: convolutions, each of 64 channels.
        crop_px, batch: side and number of the random crops of a step.
        lr: the peak of a one-cycle schedule of Adam.
        clip: largest norm of the gradient.
        validate_every: steps between two scores on the validation pictures; the best weights are kept.
        validation_px: side of the middles of the validation pictures that are scored.
    """

    task: str
    depth: int = Field(default=17, ge=3)
    steps: PositiveInt = 360
    batch: PositiveInt = 8
    crop_px: PositiveInt = 40
    lr: PositiveFloat = 1e-3
    clip: PositiveFloat = 0.1
    validate_every: PositiveInt = 120
    validation_px: PositiveInt = 96
    seed: int = 0


def train_dncnn(
    data: Path | str,
    train: tuple[int, int] | None,
    validation: tuple[int, int] | None,
    out: Path | str,
    settings: DnCNNSettings,
    *,
    quiet: bool = False,
) -> Path:
    """Train a DnCNN for one task; a run that was interrupted goes on where its last save was.

    Args:
        data: folder of pictures of one size.
        train, validation: first and last picture to learn from and to choose the weights on, both included.
        out: the run's folder: state, log, and ``dncnn.safetensors``.
        quiet: no progress bar.

    Returns:
        The path of the exported weights.

    Raises:
        ImageError: no such folder or pictures.
        SettingsError: ``out`` belongs to a run with other settings, an index beyond the folder, no pictures to choose
            the weights on, or some that are learned from too.
        UnknownNameError: no such task.
    """
    if settings.task not in TASK_PROTOCOLS:
        raise UnknownNameError("task", settings.task, list(TASK_PROTOCOLS))
    if validation is None:
        raise SettingsError("validation is empty: name the pictures that the weights are chosen on, A-B")
    check_apart(train, validation)
    pictures, chosen_on = load_set(data, train), load_set(data, validation)
    sources = {"pictures": named(pictures.names), "validation": named(chosen_on.names)}
    run = Run(out, settings, sources, quiet=quiet)
    trainer = _Trainer(settings)
    run.restore(trainer)
    for step in run.steps(trainer.step, settings.steps, settings.batch, trainer.state):
        loss = trainer.train_step(pictures)
        if (step + 1) % settings.validate_every == 0 or step + 1 == settings.steps:
            score = trainer.validate(chosen_on)
            trainer.best.keep(score, trainer.network)
            run.log(step=step + 1, loss=loss, validation=score)
    weights = run.folder / "dncnn.safetensors"
    header = {"kind": "dncnn-restorer", "depth": settings.depth, "task": settings.task, "recipe": settings.model_dump()}
    save_weights(weights, trainer.best.tensors, header)
    return weights


def load_dncnn(path: Path | str) -> tuple[nn.Module, dict[str, Any]]:
    """The network that :func:`train_dncnn` wrote, of ``g_inv(y)`` (N, 3, H, W) to a picture, and how it was trained.

    Raises:
        WeightsError: not such a file.
    """
    tensors, header = read_weights(path)
    if header.get("kind") != "dncnn-restorer":
        raise WeightsError(f"{path} is not a DnCNN that restores: `bigprior train dncnn` writes one")
    network = _network(int(header["depth"]))
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit a DnCNN ({str(error).splitlines()[-1].strip()})") from error
    return network.eval().requires_grad_(False), header["recipe"]


@torch.no_grad()
def restore_with(network: nn.Module, y: Tensor, degradation: Degradation) -> Tensor:
    """A measurement's picture (N, 3, H, W) in [0, 1]; pixels that a given mask knows are as measured."""
    image = network(degradation.g_inv(y)).clamp(0, 1)
    if isinstance(degradation, Inpainting) and degradation.mask is not None:
        return degradation.mask * y + (1 - degradation.mask) * image
    return image


class _Trainer:
    def __init__(self, settings: DnCNNSettings) -> None:
        self.settings = settings
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.network = _network(settings.depth)
        self.optimizer = torch.optim.Adam(self.network.parameters(), settings.lr)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, settings.lr, total_steps=settings.steps)
        self.step = 0
        self.best = Best(self.network)

    def train_step(self, pictures: PictureSet) -> float:
        s, rng = self.settings, step_rng(self.settings.seed, self.step)
        chosen = torch.randint(len(pictures), (s.batch,), generator=rng).tolist()
        protocols = TASK_PROTOCOLS[s.task]
        x = pictures.images[chosen]
        draw = 1 + s.seed * 1_000_003 + self.step  # 0 is the draw of evaluations
        y, physics = simulate(protocols[self.step % len(protocols)], x, [pictures.names[i] for i in chosen], draw)
        crops = [random_crop(pair, s.crop_px, rng) for pair in zip(physics.g_inv(y), x, strict=True)]
        source, truth = (torch.stack(part) for part in zip(*crops, strict=True))
        self.network.train()
        loss = F.mse_loss(self.network(source.contiguous(memory_format=torch.channels_last)), truth)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), s.clip)
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        return loss.item()

    @torch.no_grad()
    def validate(self, pictures: PictureSet) -> float:
        """Mean squared error on the middles of the pictures, over the task's protocols."""
        self.network.eval()
        errors = []
        for protocol in TASK_PROTOCOLS[self.settings.task]:
            y, physics = simulate(protocol, pictures.images, pictures.names)
            for source, truth in zip(physics.g_inv(y).split(1), pictures.images.split(1), strict=True):
                source, truth = self._middle(source), self._middle(truth)
                errors.append(F.mse_loss(self.network(source), truth).item())
        return sum(errors) / len(errors)

    def state(self) -> dict[str, Any]:
        return state_of(self, "network", "optimizer", "schedule", "step", "best")

    def _middle(self, x: Tensor) -> Tensor:
        side = self.settings.validation_px
        top, left = ((length - min(side, length)) // 2 for length in x.shape[2:])
        return x[:, :, top : top + side, left : left + side]


def _network(depth: int) -> nn.Module:
    network = dinv.models.DnCNN(depth=depth, pretrained=None)
    with torch.no_grad():  # a residual network that starts as the identity
        for parameter in network.out_conv.parameters():
            parameter.zero_()
    return network.to(memory_format=torch.channels_last)

"""``bigprior train dncnn``: the paper's supervised competitor (DnCNN, Zhang et al. 2017).

It learns one task's pictures directly from their measurements, without a prior: a network a degradation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import deepinv as dinv
import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from bigprior.degradations import Degradation
from bigprior.degradations.simulation import learning_protocols, simulate
from bigprior.errors import SettingsError, WeightsError
from bigprior.fusion import fuse
from bigprior.io.folders import list_pictures, load_set
from bigprior.io.weights import read_weights
from bigprior.ops.precision import autocast
from bigprior.progress import Progress
from bigprior.training.draws import random_crop, seeded
from bigprior.training.plan import Moment
from bigprior.training.schedules import one_cycle
from bigprior.training.settings import CountedInSteps, Index, Task
from bigprior.training.trainer import Descent, named
from bigprior.training.triples import check_apart


class DnCNNSettings(CountedInSteps):
    """Everything that decides how a DnCNN is trained; saved beside its weights.

    Attributes:
        task: a degradation's name, or its verb.
        index, validation: pictures to learn from, and to choose the weights on.
        depth: convolutions, each of 64 channels.
        crop_px, batch: side and number of the random crops of a step.
        lr: the peak of the learning rate, which makes one cycle.
        clip: largest norm of the gradient.
        validate_every: steps between two scores on the validation pictures; the best weights are kept.
        validation_px: side of the middles of the validation pictures that are scored.
    """

    task: Task
    index: Index = (0, 199)
    validation: Index = (200, 249)
    depth: int = Field(default=17, ge=3)
    steps: PositiveInt = 360
    batch: PositiveInt = 8
    crop_px: PositiveInt = 40
    lr: PositiveFloat = 1e-3
    clip: PositiveFloat = 0.1
    validate_every: PositiveInt = 120
    validation_px: PositiveInt = 96


class DnCNNTrainer(Descent[DnCNNSettings]):
    """The network, whose best weights on the validation pictures come out.

    Args:
        settings: of the run.
        data: folder of pictures of one size.

    Raises:
        ImageError: no such folder or pictures.
        SettingsError: an index beyond the folder, no pictures to choose the weights on, or some that are learned from
            too.
    """

    name = "dncnn"
    recipe = DnCNNSettings

    def __init__(self, settings: DnCNNSettings, data: Path | str) -> None:
        super().__init__(settings)
        if settings.validation is None:
            raise SettingsError("validation is empty: name the pictures that the weights are chosen on, A-B")
        check_apart(settings.index, settings.validation)
        self.data, self.clip, self.protocols = data, settings.clip, learning_protocols(settings.task)
        self.files, self.chosen_on = list_pictures(data, settings.index), list_pictures(data, settings.validation)
        with seeded(settings.seed):
            self.network = _network(settings.depth)
        self.optimizer = torch.optim.Adam(self.network.parameters(), settings.lr)

    @classmethod
    def of(cls, recipe: DnCNNSettings, data: Path, out: Path, progress: Progress | None = None) -> Self:
        """The trainer that a recipe and a folder of pictures describe."""
        return cls(recipe, data)

    @property
    def sources(self) -> dict[str, str]:
        """The pictures."""
        return {"pictures": named(self.files), "validation": named(self.chosen_on)}

    def prepare(self, progress: Progress | None) -> None:
        """Read the pictures. They are measured where their noise and holes are drawn: on the processor."""
        self.pictures = load_set(self.data, self.settings.index)
        self.validation = load_set(self.data, self.settings.validation)

    def schedule(self, moment: Moment) -> dict[str, Any]:
        """One cycle."""
        return one_cycle(moment, self.settings.lr)

    def loss(self, moment: Moment, shared: torch.Generator, own: torch.Generator) -> tuple[str, Tensor]:
        """The squared error of crops."""
        s, pictures = self.settings, self.pictures
        chosen = torch.randint(len(pictures), (self.share,), generator=own).tolist()
        x = pictures.images[chosen]
        protocol = self.protocols[moment.step % len(self.protocols)]
        draw = 1 + s.seed * 1_000_003 + moment.step  # 0 is the draw of evaluations
        y, physics = simulate(protocol, x, [pictures.names[i] for i in chosen], draw)
        crops = [random_crop(pair, s.crop_px, own) for pair in zip(physics.g_inv(y), x, strict=True)]
        source, truth = (torch.stack(part).to(self.device) for part in zip(*crops, strict=True))
        self.network.train()
        with autocast(s.precision, self.device):
            estimate = self.network(source.contiguous(memory_format=torch.channels_last))
        return "loss", F.mse_loss(estimate.float(), truth)

    @torch.no_grad()
    def validate(self) -> float:
        """Mean squared error on the middles of the validation pictures, over the task's protocols."""
        self.network.eval()
        pictures = self.validation
        errors = []
        for protocol in self.protocols:
            y, physics = simulate(protocol, pictures.images, pictures.names)
            for source, truth in zip(physics.g_inv(y).split(1), pictures.images.split(1), strict=True):
                source, truth = (self._middle(x).to(self.device) for x in (source, truth))
                errors.append(F.mse_loss(self.network(source), truth).item())
        return sum(errors) / len(errors)

    def header(self) -> dict[str, Any]:
        """How to build the network, and what it restores."""
        return {"kind": "dncnn-restorer", "depth": self.settings.depth, "task": self.settings.task}

    def _middle(self, x: Tensor) -> Tensor:
        side = self.settings.validation_px
        top, left = ((length - min(side, length)) // 2 for length in x.shape[2:])
        return x[:, :, top : top + side, left : left + side]


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
    m = degradation.measure(y)
    image: Tensor = network(m.fidelity).clamp(0, 1)
    return image if m.known_phi is None else fuse(m.fidelity, image, m.known_phi)


def _network(depth: int) -> nn.Module:
    network: nn.Module = dinv.models.DnCNN(depth=depth, pretrained=None)
    with torch.no_grad():  # a residual network that starts as the identity
        for parameter in network.get_submodule("out_conv").parameters():
            parameter.zero_()
    return network.to(memory_format=torch.channels_last)

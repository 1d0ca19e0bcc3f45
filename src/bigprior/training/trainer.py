"""What a kind of training is: its networks, the loss of one batch, and what comes out. The loop does all else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import torch
from torch import Tensor, nn
from torchvision.utils import make_grid

from bigprior.errors import SettingsError, WeightsError
from bigprior.io.folders import load_bytes
from bigprior.progress import Progress
from bigprior.training.draws import step_rng
from bigprior.training.plan import Moment
from bigprior.training.settings import TrainingSettings
from bigprior.training.workers import Team

S = TypeVar("S", bound=TrainingSettings)


class Trainer(ABC, Generic[S]):
    """A kind of training, as :func:`bigprior.training.loop.fit` sees it.

    Making one is cheap and leaves nothing behind; what takes long is done by :meth:`prepare`.

    Args:
        settings: of the run.

    Attributes:
        name: of the weights that come out, without their suffix.
        recipe: what a settings file is read into.
        keeps: what the state holds: networks, optimisers and numbers among the attributes.
        shareable: whether processes can share a run, and parts a batch.
        network: what is trained.
        average: the network's moving average, which comes out in its place; None where there is none.
        images_before: seen by the weights that the run started from.
        device: where everything is computed.
    """

    name: ClassVar[str]
    recipe: ClassVar[type[TrainingSettings]]
    keeps: ClassVar[tuple[str, ...]]
    shareable: ClassVar[bool] = False

    network: nn.Module
    average: nn.Module | None = None

    def __init__(self, settings: S) -> None:
        self.settings, self.images_before = settings, 0
        self.team, self.device = Team(), torch.device("cpu")

    @classmethod
    @abstractmethod
    def of(cls, recipe: Any, data: Path, out: Path, progress: Progress | None = None) -> Self:
        """The trainer that a recipe and a folder of pictures describe.

        Args:
            recipe: of the class :attr:`recipe`.
            data: folder of pictures.
            out: the run's folder, in which what took long to compute is kept.
            progress: of what has to be computed first.

        Raises:
            ImageError, SettingsError, UnknownNameError, WeightsError: it cannot be made of these.
        """

    @property
    @abstractmethod
    def sources(self) -> Mapping[str, str]:
        """What is learned from, by name: a folder that holds a run of other sources is refused."""

    @abstractmethod
    def train_step(self, moment: Moment) -> dict[str, Tensor]:
        """Take one step; its losses by name, detached."""

    @abstractmethod
    def header(self) -> dict[str, Any]:
        """What the weights file says of how to build the network."""

    def prepare(self, progress: Progress | None) -> None:
        """Read and compute what the steps need, once, on :attr:`device`.

        Raises:
            ImageError, WeightsError: it cannot be read.
        """

    def validate(self) -> float | None:
        """The score of the weights as they are, lower is better; None where none are chosen by it."""
        return None

    def sample_grid(self) -> Tensor | None:
        """A picture (3, H, W) in [0, 1] of what the network does; None where there is nothing to see."""
        return None

    def start_from(self, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
        """Begin with trained weights of the same shape.

        Raises:
            WeightsError: they are not.
        """
        for network in (self.network, self.average):
            if network is not None:
                try:
                    network.load_state_dict(dict(tensors))
                except RuntimeError as error:
                    reason = str(error).splitlines()[-1].strip()
                    raise WeightsError(f"not the weights of such a {self.name} ({reason})") from None
        self.images_before = int(header.get("images", 0))

    def begin(self, team: Team, device: torch.device) -> None:
        """Take a place among the processes, and move to a device.

        Raises:
            SettingsError: the batch cannot be shared evenly.
        """
        s, passes = self.settings, team.count * self.settings.parts
        if not self.shareable and max(s.parts, s.alone) > 1:
            raise SettingsError(f"a {self.name} learns from whole batches: leave parts and alone at 1")
        if s.batch % passes:
            whose = f"{team.count} processes" if s.parts == 1 else f"{team.count} processes with {s.parts} parts each"
            raise SettingsError(f"{whose} cannot share a batch of {s.batch}: make it a multiple of {passes}")
        self.team, self.device = team, device
        for part in vars(self).values():
            if isinstance(part, nn.Module):
                part.to(device)

    @property
    def exported(self) -> nn.Module:
        """The network that comes out."""
        return self.network if self.average is None else self.average

    @property
    def meets_every(self) -> int:
        """Steps between two at whose end all processes hold the same."""
        return self.settings.alone if self.team.count > 1 else 1

    def images_seen(self, steps: int) -> int:
        """By the weights, after so many steps of the run."""
        return self.images_before + steps * self.settings.batch

    def state_dict(self) -> dict[str, Any]:
        """What :attr:`keeps` names; of networks and optimisers their state dicts."""
        values = {name: getattr(self, name) for name in (*self.keeps, "images_before")}
        return {name: v.state_dict() if hasattr(v, "state_dict") else v for name, v in values.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` gave."""
        for name in (*self.keeps, "images_before"):
            owner = getattr(self, name)
            if hasattr(owner, "load_state_dict"):
                owner.load_state_dict(state[name])
            else:
                setattr(self, name, state[name])


class Descent(Trainer[S]):
    """A training that goes down one loss, by one optimiser. Processes may share it, and parts its batches.

    Attributes:
        optimizer: of the network's parameters; a group of them with a ``share`` takes so much of the learning rate.
        clip: largest norm of the gradient; None leaves it as it is.
    """

    keeps: ClassVar[tuple[str, ...]] = ("network", "optimizer")
    shareable: ClassVar[bool] = True

    optimizer: torch.optim.Optimizer
    clip: float | None = None

    @abstractmethod
    def loss(self, moment: Moment, shared: torch.Generator, own: torch.Generator) -> tuple[str, Tensor]:
        """The loss of :attr:`share` pictures, and its name in the log.

        Args:
            moment: which step.
            shared: draws what has to be the same for all processes and parts of a step, such as its kind.
            own: draws all else; for the first of them it is ``shared`` itself.
        """

    @abstractmethod
    def schedule(self, moment: Moment) -> Mapping[str, Any]:
        """Options of the optimiser for a step; see :mod:`bigprior.training.schedules`."""

    def after_step(self, moment: Moment) -> None:
        """What follows a step of the optimiser, such as a moving average."""

    @property
    def share(self) -> int:
        """Pictures of one pass: this process's share of the batch, or a part of it."""
        return self.settings.batch // (self.team.count * self.settings.parts)

    def train_step(self, moment: Moment) -> dict[str, Tensor]:
        """Take one step; its losses by name, detached."""
        options, parts, losses = self.schedule(moment), self.settings.parts, dict[str, Tensor]()
        for group in self.optimizer.param_groups:
            group.update(options)
            group["lr"] *= group.get("share", 1.0)
        self.optimizer.zero_grad()
        for part in range(parts):
            name, loss = self.loss(moment, *self._draws(moment.step, part))
            loss = loss / parts
            loss.backward()
            losses[name] = losses.get(name, torch.zeros_like(loss)) + loss.detach()
        if self.meets_every == 1:
            self.team.average(p.grad for p in self.network.parameters() if p.grad is not None)
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self.optimizer.step()
        self.after_step(moment)
        if self.meets_every > 1 and ((moment.step + 1) % self.meets_every == 0 or moment.last):
            self.team.average(self._held())
        return losses

    def _draws(self, step: int, part: int) -> tuple[torch.Generator, torch.Generator]:
        shared, which = step_rng(self.settings.seed, step), self.team.rank + self.team.count * part
        return shared, step_rng(self.settings.seed + which, step) if which else shared

    def _held(self) -> Iterable[Tensor]:
        """What processes that worked alone average: weights, their moving average, and the optimiser's moments."""
        for network in (self.network, self.average):
            yield from network.parameters() if network is not None else ()
        for state in self.optimizer.state.values():
            yield from (state[name] for name in ("exp_avg", "exp_avg_sq"))


def follow(average: nn.Module, network: nn.Module, weight: float) -> None:
    """Move a moving average's parameters towards a network's, by a share of the way."""
    with torch.no_grad():
        for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
            slow.lerp_(fast, weight)


class FromPhotographs:
    """What trainings share whose only source is a folder of photographs: it goes before :class:`Trainer`'s kinds.

    Attributes:
        files: of the photographs.
        pictures: what :meth:`prepare` makes of them; here, bytes at their own sizes.
    """

    files: Sequence[Path]
    pictures: Any

    @property
    def sources(self) -> dict[str, str]:
        """The photographs."""
        return {"pictures": named(self.files)}

    def prepare(self, progress: Progress | None) -> None:
        """Read the photographs, as bytes, at their own sizes."""
        self.pictures = load_bytes(self.files, progress)


def named(files: Iterable[Path | str]) -> str:
    """The pictures that a run learns from, as its folder remembers them: how many, and the first and last name."""
    names = [Path(file).name for file in files]
    return f"{len(names)} pictures, {names[0]} to {names[-1]}"


def sheet(pictures: Tensor, columns: int) -> Tensor:
    """Pictures (N, 3, H, W) as one, so many in a row: (3, H', W')."""
    grid: Tensor = make_grid(pictures, nrow=columns, padding=0)
    return grid

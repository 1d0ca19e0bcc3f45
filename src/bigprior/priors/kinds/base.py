"""How a preset becomes a prior: what a kind of preset has to say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from bigprior.degradations import Degradation
from bigprior.errors import SettingsError, WeightsError
from bigprior.networks.noise_estimator import NoiseEstimator
from bigprior.priors.base import Prior


@dataclass(frozen=True)
class Options:
    """What a caller may ask for in place of what a preset says; a kind refuses what says nothing to it.

    Attributes:
        steps: of the inversion or the sampler.
        budget_s: seconds that the inversion of one batch of pictures may take.
        paper: the paper's own settings.
        vgg: local VGG-16 trunk, for the paper's perceptual loss.
        samples: how many different answers to a measurement are wanted; more than one are drawn, in place of the mean.
    """

    steps: int | None = None
    budget_s: float | None = None
    paper: bool = False
    vgg: Path | str | None = None
    samples: int = 1

    def refuse_but(self, *known: str, preset: str) -> None:
        """Refuse all options but those that say something to a kind.

        Args:
            known: names of those.
            preset: whose prior is asked for, for the error.

        Raises:
            SettingsError: another one was given.
        """
        for option in fields(self):
            if option.name not in known and getattr(self, option.name) != option.default:
                name = option.name.removesuffix("_s")
                raise SettingsError(f"{name} says nothing to the prior {preset}: leave --{name} out")

    def __post_init__(self) -> None:
        """Refuse what no prior could do.

        Raises:
            SettingsError: steps, a budget or samples that are not positive.
        """
        if self.samples < 1:
            raise SettingsError(f"samples is {self.samples}: expected at least 1")
        if self.steps is not None and self.steps < 1:
            raise SettingsError(f"steps is {self.steps}: expected at least 1")
        if self.budget_s is not None and not self.budget_s > 0:
            raise SettingsError(f"budget is {self.budget_s} s: expected more than 0")


@dataclass(frozen=True)
class Built:
    """A prior for one task, at its own size.

    Attributes:
        prior: asks the preset's networks.
        parts: of the preset, those that it is made of.
        settings: how they are asked, as values that JSON holds.
        noise: the part that finds noise, if it has one.
    """

    prior: Prior
    parts: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    noise: NoiseEstimator | None = None


class Kind(ABC):
    """One kind of preset: a network, with or without others beside it, and the prior that asks them.

    Registered by name in :data:`bigprior.priors.kinds.KINDS`. A subclass without networks says how to :meth:`build`
    alone, and what :meth:`architectures` its presets are imported by.
    """

    #: The part that every preset of this kind has, if there is one, and the names of those that may stand beside it.
    network: str | None = None
    beside: tuple[str, ...] = ()

    def architectures(self) -> Iterable[str]:
        """The architectures that :attr:`network` may have, by name; without one, names of the prior alone."""
        return ()

    def load(self, part: str, architecture: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> nn.Module:
        """A part as a network, frozen.

        Raises:
            WeightsError: the tensors do not fit.
        """
        raise WeightsError(f"presets of this kind have no {part}")

    def defaults(self, parts: Iterable[str], steps: Mapping[str, int]) -> dict[str, dict[str, Any]]:
        """Settings by task of a new preset that has these parts, with so many steps where a task is given any."""
        return {task: {"steps": count} for task, count in steps.items()}

    def check(self, settings: Mapping[str, Any]) -> None:
        """Refuse settings of a task before a preset with them is written; here: whatever :meth:`build` refuses later.

        Raises:
            SettingsError: they are out of range, or of an unknown name.
        """
        return

    @abstractmethod
    def build(
        self,
        preset: str,
        parts: Mapping[str, nn.Module],
        settings: Mapping[str, Any],
        physics: type[Degradation],
        options: Options,
    ) -> Built:
        """The prior for one task.

        Args:
            preset: its name, for errors.
            parts: the networks, loaded when they are asked for.
            settings: the preset's for this task.
            physics: the task.
            options: the caller's.

        Raises:
            SettingsError: options that say nothing to this kind, or settings out of range.
        """

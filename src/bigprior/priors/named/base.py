"""A prior that has a name and needs no file: what there is to say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bigprior.degradations import DEGRADATIONS, WHITE_NOISE, Degradation
from bigprior.errors import SettingsError
from bigprior.priors.base import Prior
from bigprior.priors.turns import takes_turns
from bigprior.registry import missing


@dataclass(frozen=True)
class NamedPrior:
    """One prior.

    Attributes:
        make: the prior for a degradation that it serves, in so many steps; None is its own number.
        serves: whether it can say something of pictures that suffered a degradation.
        source: who thought of it, and when.
        equation: what it is in the paper's terms.
        does: what it does, as an error says it.
        package: what has to be installed, by the name that it is imported under; with a dot, a part of it.
        iterates: it takes a number of steps.
        slow: takes minutes for a photograph.
    """

    make: Callable[[type[Degradation], int | None], Prior]
    serves: Callable[[type[Degradation]], bool]
    source: str
    equation: str
    does: str
    package: str = "torch"
    iterates: bool = False
    slow: bool = False

    @property
    def tasks(self) -> tuple[str, ...]:
        """The registered degradations that it serves, by name."""
        return tuple(name for name, physics in DEGRADATIONS.items() if self.serves(physics))

    def turned(self, physics: type[Degradation]) -> bool:
        """Whether it takes turns with what suffered a degradation, since it removes noise alone."""
        return takes_turns(physics) and not self.serves(physics) and self.serves(WHITE_NOISE)

    def refuse(self, name: str, physics: type[Degradation], others: dict[str, NamedPrior]) -> None:
        """That it can do a task here and now.

        Args:
            name: its own.
            physics: the task.
            others: all of them by name, for the error.

        Raises:
            SettingsError: it serves another task, or its package is not installed.
        """
        if not (self.serves(physics) or self.turned(physics)):
            able = ", ".join(other for other, prior in others.items() if prior.serves(physics) or prior.turned(physics))
            raise SettingsError(
                f"{name} {self.does}: it cannot {physics.verb}; those that can are {able}, or a preset's prior"
            )
        if (why := missing(self.package)) is not None:
            raise SettingsError(f"{name} {why}, which is not installed: pip install 'bigprior[bench]'")


def removes_noise(physics: type[Degradation]) -> bool:
    """Whether it is a picture with noise."""
    return physics.identity and physics.noisy


def fills_holes(physics: type[Degradation]) -> bool:
    """Whether it is a picture with holes."""
    return physics.placement == "hole"


def gives_colours(physics: type[Degradation]) -> bool:
    """Whether it is a picture without colours."""
    return physics.colours


def anything(physics: type[Degradation]) -> bool:
    """Any degradation, whoever registered it."""
    return True

"""How far a run is: what its learning rate follows, and when it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bigprior.training.settings import TrainingSettings


@dataclass(frozen=True)
class Moment:
    """One step's place in its run.

    Attributes:
        step: how many steps were taken before it.
        done, total: how much of the plan is done, in steps, or in seconds of a run that is planned for a time.
        last: whether it is known to be the last.
    """

    step: int
    done: float
    total: float
    last: bool = False


class Plan:
    """A run's length, in steps or in time, and how far it is; saved and put back with the run's state.

    Args:
        settings: of the run.
        every: steps between two after which processes meet. A run that is planned for a time ends there.
        agree: the mean of every process's seconds, so that they end together; called where they meet.
    """

    def __init__(
        self, settings: TrainingSettings, every: int = 1, agree: Callable[[float], float] = lambda seconds: seconds
    ) -> None:
        self.every, self.agree, self.batch = every, agree, settings.batch
        self.steps = settings.planned_steps if settings.minutes is None else None
        self.planned_s = 60 * (settings.minutes or 0.0)
        self.step, self._before_s, self._agreed_s = 0, 0.0, 0.0
        self._began = time.monotonic()

    def begin(self) -> None:
        """Time runs from here on; what passed before a run went on counts too."""
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Spent on the steps, those before the run went on among them."""
        return self._before_s + time.monotonic() - self._began

    @property
    def finished(self) -> bool:
        """Whether no step is left."""
        return self._agreed_s >= self.planned_s if self.steps is None else self.step >= self.steps

    def moment(self) -> Moment:
        """The place of the step to come."""
        if self.steps is None:
            return Moment(self.step, min(self.seconds, self.planned_s), self.planned_s)
        return Moment(self.step, self.step, self.steps, self.step + 1 == self.steps)

    def advance(self) -> None:
        """One step was taken."""
        self.step += 1
        if self.steps is None and self.step % self.every == 0:
            self._agreed_s = self.agree(self.seconds)

    def state_dict(self) -> dict[str, Any]:
        """How many steps were taken and, of a run that is planned for a time, how many seconds that took."""
        return {"step": self.step} | ({"seconds": self.seconds} if self.steps is None else {})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what :meth:`state_dict` gave."""
        self.step, self._before_s = state["step"], state.get("seconds", 0.0)
        self._agreed_s = self._before_s

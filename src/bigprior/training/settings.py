"""What trainings are told: the settings that all kinds share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat, PositiveInt

from bigprior.degradations import task_of
from bigprior.errors import SettingsError
from bigprior.settings import Settings, index_of


def _range(value: object) -> object:
    try:
        return index_of(value) if isinstance(value, str) else value
    except SettingsError:
        raise ValueError("expected A-B with A <= B, such as 200-249") from None


#: First and last picture of a folder in the order of their names, both included, also as ``A-B``. None, which a
#: settings file writes as ``""``, is all to learn from, or none to choose by.
Index = Annotated[tuple[int, int] | None, BeforeValidator(_range)]


class TrainingSettings(Settings):
    """What every kind of training is told; each adds its own, and says how many steps that makes.

    Attributes:
        batch: pictures, or crops, of a step. Processes that share a run share it.
        parts: a process's share of the batch goes through the network in so many parts, one after the other, whose
            gradients are accumulated: for a batch that the device's memory does not hold.
        alone: steps that each process takes by itself before they average their weights and moments (local SGD:
            Stich, ICLR 2019), which costs less than to average every step's gradient, as 1 does.
        minutes: plans the run for a time in place of a number of steps: the learning rate follows the share of it that
            has passed. A run that goes on has what is left of it.
        precision: of the networks' passes; see :mod:`bigprior.ops.precision`.
        seed: of everything that is drawn.
    """

    batch: PositiveInt = 16
    parts: PositiveInt = 1
    alone: PositiveInt = 1
    minutes: PositiveFloat | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = Field(default=0, ge=0, lt=2**63)

    @property
    def planned_steps(self) -> int:
        """Steps of the whole run, unless it is planned for a time."""
        raise NotImplementedError

    @property
    def report_every(self) -> int:
        """Steps between two lines of the log, and two exports of the weights."""
        raise NotImplementedError


class CountedInImages(TrainingSettings):
    """A run whose length is in thousands of images (kimg).

    Attributes:
        total_kimg: to see.
        snapshot_kimg: between two lines of the log, sample pictures and exports of the weights.
    """

    total_kimg: PositiveFloat = 50.0
    snapshot_kimg: PositiveFloat = 4.0

    @property
    def planned_steps(self) -> int:
        """Steps of the whole run, unless it is planned for a time."""
        return max(1, round(self.total_kimg * 1000 / self.batch))

    @property
    def report_every(self) -> int:
        """Steps between two lines of the log, sample pictures and exports of the weights."""
        return max(1, round(self.snapshot_kimg * 1000 / self.batch))


class CountedInSteps(TrainingSettings):
    """A run whose length is in steps.

    Attributes:
        steps: to take.
        validate_every: steps between two scores on the validation pictures; the best weights are kept.
    """

    steps: PositiveInt = 3000
    validate_every: PositiveInt = 250

    @property
    def planned_steps(self) -> int:
        """Steps of the whole run, unless it is planned for a time."""
        return self.steps

    @property
    def report_every(self) -> int:
        """Steps between two scores on the validation pictures."""
        return self.validate_every


#: A degradation's name, also as its verb.
Task = Annotated[str, AfterValidator(lambda name: task_of(name).name)]
#: A share between nothing and all.
Share = Annotated[float, Field(ge=0, le=1)]

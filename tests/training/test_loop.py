"""The loop that all trainings share, on the smallest training there is: one number that follows a target."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest
import torch
from torch import Tensor, nn

from bigprior.errors import SettingsError, WeightsError
from bigprior.io.weights import read_weights
from bigprior.progress import Progress
from bigprior.training import plan as plan_module
from bigprior.training.loop import fit
from bigprior.training.plan import Moment, Plan
from bigprior.training.schedules import cosine
from bigprior.training.settings import CountedInSteps
from bigprior.training.trainer import Descent
from bigprior.training.workers import Team


class NumberSettings(CountedInSteps):
    """Four numbers a step, which come from around 1."""

    steps: int = 8
    batch: int = 4
    validate_every: int = 2
    lr: float = 0.1


class NumberTrainer(Descent[NumberSettings]):
    """A training as a third party writes one."""

    name = "number"
    recipe = NumberSettings

    def __init__(self, settings: NumberSettings, scores: list[float] | None = None) -> None:
        super().__init__(settings)
        self.network = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.network.weight)
        self.optimizer = torch.optim.Adam(self.network.parameters(), settings.lr)
        self.scores, self.rates, self.seen = scores, list[float](), list[Tensor]()

    @classmethod
    def of(cls, recipe: NumberSettings, data: Path, out: Path, progress: Progress | None = None) -> Self:
        return cls(recipe)

    @property
    def sources(self) -> dict[str, str]:
        return {"numbers": "around 1"}

    def schedule(self, moment: Moment) -> dict[str, Any]:
        options = cosine(moment, self.settings.lr, rise=1)
        self.rates.append(options["lr"])
        return options

    def loss(self, moment: Moment, shared: torch.Generator, own: torch.Generator) -> tuple[str, Tensor]:
        kind = "even" if int(torch.randint(2, (), generator=shared)) else "odd"
        x = 1 + 0.1 * torch.randn(self.share, 1, generator=own)
        self.seen.append(x)
        return kind, (self.network(torch.ones_like(x)) - x).square().mean()

    def validate(self) -> float | None:
        return self.scores.pop(0) if self.scores else None

    def header(self) -> dict[str, Any]:
        return {"architecture": "number"}


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_the_log_has_the_mean_of_every_kind_of_loss(tmp_path: Path) -> None:
    path = fit(NumberTrainer(NumberSettings()), tmp_path, quiet=True)
    assert [(line["step"], line["images"]) for line in lines(tmp_path)] == [(2, 8), (4, 16), (6, 24), (8, 32)]
    assert {name for line in lines(tmp_path) for name in line} == {"step", "images", "even", "odd"}
    tensors, header = read_weights(path)
    assert header == {"architecture": "number", "images": 32, "recipe": NumberSettings().model_dump()}
    assert 0.1 < float(tensors["weight"]) < 1


def test_the_weights_that_scored_best_come_out(tmp_path: Path) -> None:
    trainer = NumberTrainer(NumberSettings(), [3.0, 1.0, 2.0, 4.0])
    tensors, header = read_weights(fit(trainer, tmp_path, quiet=True))
    assert header["images"] == 16 and 0 < float(tensors["weight"]) < trainer.network.weight.item()
    assert [line["validation"] for line in lines(tmp_path)] == [3.0, 1.0, 2.0, 4.0]


def test_a_new_run_starts_from_weights_and_counts_on(tmp_path: Path) -> None:
    first = fit(NumberTrainer(NumberSettings()), tmp_path / "first", quiet=True)
    still = NumberSettings(lr=1e-9, steps=2)
    tensors, header = read_weights(fit(NumberTrainer(still), tmp_path / "then", init=first, quiet=True))
    assert torch.equal(tensors["weight"], read_weights(first)[0]["weight"]) and header["images"] == 40
    trainer = NumberTrainer(still)
    trainer.network = nn.Linear(2, 1)
    with pytest.raises(WeightsError, match="not the weights of such a number"):
        fit(trainer, tmp_path / "other", init=first, quiet=True)


def test_a_batch_in_parts_takes_the_step_of_the_whole(tmp_path: Path) -> None:
    """The gradients of the parts are accumulated; what each part draws is its own, and their kind is one."""
    trainer = NumberTrainer(NumberSettings(parts=2, steps=1, lr=1e-6))
    fit(trainer, tmp_path, quiet=True)
    first, second = trainer.seen
    assert first.shape == second.shape == (2, 1) and not torch.equal(first, second)
    assert len(lines(tmp_path)[0].keys() - {"step", "images"}) == 1
    assert trainer.network.weight.grad is not None
    assert float(trainer.network.weight.grad) == pytest.approx(-2 * float(torch.cat([first, second]).mean()), rel=1e-5)
    with pytest.raises(SettingsError, match="1 processes with 3 parts each cannot share a batch of 4"):
        fit(NumberTrainer(NumberSettings(parts=3)), tmp_path / "odd", quiet=True)


def test_processes_draw_their_own_and_agree_on_the_kind() -> None:
    kinds, seen = [], []
    for rank in range(2):
        trainer = NumberTrainer(NumberSettings())
        trainer.begin(Team(rank, 2), torch.device("cpu"))
        drawn = [trainer.loss(Moment(s, s, 8), *trainer._draws(s, 0))[0] for s in range(8)]
        kinds.append(drawn)
        seen.append(torch.cat(trainer.seen))
    assert kinds[0] == kinds[1] and len(set(kinds[0])) == 2
    assert seen[0].shape == (16, 1) and not torch.equal(*seen)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """``clock(s)``: every look at the plan's clock is so many seconds later than the one before."""
    now, tick = [0.0], [0.0]

    def monotonic() -> float:
        now[0] += tick[0]
        return now[0]

    monkeypatch.setattr(plan_module.time, "monotonic", monotonic)

    def set_tick(seconds: float) -> None:
        tick[0] = seconds

    return set_tick


def test_a_run_for_a_time_ends_with_it_and_its_rate_falls_along_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Callable[[float], None]
) -> None:
    clock(1.0)
    trainer = NumberTrainer(NumberSettings(minutes=1.0, validate_every=1000, steps=3))
    path = fit(trainer, tmp_path, quiet=True)
    assert 10 < len(trainer.rates) < 60
    assert trainer.rates == sorted(trainer.rates, reverse=True) and trainer.rates[-1] < 0.1 * trainer.rates[0]
    assert lines(tmp_path)[-1]["step"] == len(trainer.rates)  # the last step is reported, though none knew it before
    assert read_weights(path)[1]["images"] == 4 * len(trainer.rates)
    again = NumberTrainer(trainer.settings)
    fit(again, tmp_path, quiet=True)
    assert again.rates == []


def test_a_run_for_a_time_goes_on_with_what_is_left_of_it(clock: Callable[[float], None]) -> None:
    settings = NumberSettings(minutes=1.0)
    plan = Plan(settings)
    plan.begin()
    clock(10.0)
    while plan.step < 2:
        plan.moment()
        plan.advance()
    saved = plan.state_dict()
    clock(1e6)  # days between
    later = Plan(settings)
    later.load_state_dict(saved)
    assert not later.finished
    clock(0.0)
    later.begin()
    assert later.moment().done == saved["seconds"] > 30 and later.moment().total == 60
    assert "seconds" not in Plan(NumberSettings()).state_dict()  # a counted run's state does not depend on the machine


def test_processes_end_together_where_they_meet(clock: Callable[[float], None]) -> None:
    asked: list[float] = []

    def agree(seconds: float) -> float:
        asked.append(seconds)
        return 61.0 if len(asked) == 2 else 1.0

    plan = Plan(NumberSettings(minutes=1.0), every=3, agree=agree)
    clock(100.0)
    while not plan.finished:
        plan.advance()
    assert plan.step == 6 and len(asked) == 2

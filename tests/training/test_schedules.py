"""Learning rates along a plan."""

import pytest
import torch

from bigprior.training.plan import Moment
from bigprior.training.schedules import cosine, held, one_cycle


@pytest.mark.parametrize("steps", [1, 2, 7, 60])
def test_one_cycle_is_torchs(steps: int) -> None:
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], 0.3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=steps)
    for step in range(steps):
        group = optimizer.param_groups[0]
        assert one_cycle(Moment(step, step, steps), 0.3) == {"lr": group["lr"], "betas": group["betas"]}
        optimizer.step()
        if step + 1 < steps:
            schedule.step()


@pytest.mark.parametrize("total", [20, 1500.0])
def test_rates_rise_and_fall_to_nothing_by_steps_or_seconds(total: float) -> None:
    moments = [Moment(step, step * total / 400, total) for step in range(401)]
    for schedule in (lambda m: cosine(m, 0.5), lambda m: held(m, 0.5, 0.4), lambda m: one_cycle(m, 0.5)):
        rates = [schedule(moment)["lr"] for moment in moments]
        top = max(range(401), key=rates.__getitem__)
        assert rates[top] <= 0.5 and rates[top] > 0.4
        assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:], reverse=True)
        assert rates[-1] < 1e-4


def test_a_rate_is_held_until_it_decays() -> None:
    rates = [held(Moment(step, step, 1000), 0.5, 0.25)["lr"] for step in range(1000)]
    assert set(rates[200:750]) == {0.5} and rates[751] < 0.5

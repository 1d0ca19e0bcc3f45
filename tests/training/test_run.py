"""A training run's folder."""

import json
import time
from pathlib import Path

import pytest
import torch
from pydantic import BaseModel

from bigprior.errors import SettingsError
from bigprior.training import run as run_module
from bigprior.training.draws import step_rng
from bigprior.training.plan import Plan
from bigprior.training.run import Run
from bigprior.training.settings import CountedInSteps


class Settings(BaseModel):
    lr: float = 0.1
    steps: int = 4


def test_a_steps_random_numbers_depend_on_the_seed_and_the_step_alone() -> None:
    seen = {
        tuple(torch.rand(3, generator=step_rng(seed, step)).tolist()) for seed in range(5) for step in range(-1, 20)
    }
    assert len(seen) == 5 * 21
    assert torch.equal(torch.rand(3, generator=step_rng(3, 7)), torch.rand(3, generator=step_rng(3, 7)))
    step_rng(2**62, 2**40)
    step_rng(-5, 0)


def test_settings_are_saved_and_other_settings_refused(tmp_path: Path) -> None:
    folder, pictures = tmp_path / "run", {"pictures": "2 pictures, a.png to b.png"}
    Run(folder, Settings(), pictures)
    assert not folder.exists()  # until there is something to keep
    Run(folder, Settings(lr=0.2), pictures)
    Run(folder, Settings(), pictures).save({"step": 0})
    assert json.loads((folder / "settings.json").read_text()) == {"lr": 0.1, "steps": 4}
    Run(folder, Settings(), pictures)
    with pytest.raises(SettingsError, match=r"holds other settings \(lr: 0.1, not 0.2\): choose another folder"):
        Run(folder, Settings(lr=0.2), pictures)
    with pytest.raises(SettingsError, match=r"holds other sources \(pictures: 2 pictures.*, not 3 pictures"):
        Run(folder, Settings(), {"pictures": "3 pictures, a.png to c.png"})
    assert json.loads((folder / "settings.json").read_text())["lr"] == 0.1
    (folder / "settings.json").write_text("{")
    with pytest.raises(SettingsError, match="not to be read"):
        Run(folder, Settings(), pictures)


def test_the_state_comes_back_with_its_types(tmp_path: Path) -> None:
    run = Run(tmp_path, Settings())
    assert run.resume() is None
    state = {"step": 3, "w": {"a": torch.randn(2)}, "moments": [1.5, torch.ones(1)], "best": float("inf")}
    run.save(state)
    again = Run(tmp_path, Settings()).resume()
    assert again is not None
    assert (again["step"], again["best"], again["moments"][0]) == (3, float("inf"), 1.5)
    assert torch.equal(again["w"]["a"], state["w"]["a"])  # type: ignore[index]


def test_a_failed_save_keeps_the_last_one(tmp_path: Path) -> None:
    run = Run(tmp_path, Settings())
    run.save({"step": 1})
    with pytest.raises(Exception, match="pickle"):
        run.save({"step": 2, "bad": lambda: 0})
    resumed = run.resume()
    assert resumed is not None
    assert resumed["step"] == 1


def test_the_log_is_one_json_line_a_call(tmp_path: Path) -> None:
    run = Run(tmp_path, Settings())
    run.log(step=1, loss=0.5)
    Run(tmp_path, Settings()).log(step=2, name="x")
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"step": 1, "loss": 0.5}, {"step": 2, "name": "x"}]


def test_lines_of_steps_that_are_taken_again_are_taken_back(tmp_path: Path) -> None:
    run = Run(tmp_path, Settings())
    run.log(step=1)
    run.save({"step": 1})
    run.log(step=2)
    assert Run(tmp_path, Settings(), rank=1).resume() == {"step": 1}  # another process leaves the log alone
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
    assert Run(tmp_path, Settings()).resume() == {"step": 1}
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 1}\n'
    (tmp_path / "log.jsonl").unlink()
    assert Run(tmp_path, Settings()).resume() == {"step": 1}


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("minutes", [None, 60.0])
def test_steps_are_counted_and_shown(
    tmp_path: Path, quiet: bool, minutes: float | None, capsys: pytest.CaptureFixture[str]
) -> None:
    run, plan = Run(tmp_path / "run", Settings(), quiet=quiet), Plan(CountedInSteps(steps=5, minutes=minutes))
    plan.load_state_dict({"step": 2, "seconds": 3600.0 - 1e-9})
    seen = [moment.step for moment in run.moments(plan, dict)]
    assert seen == [2] if minutes else [2, 3, 4]
    out = capsys.readouterr()
    assert out.out == ""
    assert bool(out.err) == (not quiet)


@pytest.mark.parametrize(("seconds", "every", "saves"), [(-1.0, 1, 4), (-1.0, 3, 1), (1e9, 1, 0)])
def test_it_saves_when_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, every: int, saves: int
) -> None:
    monkeypatch.setattr(run_module, "SAVE_EVERY_S", seconds)
    run, states = Run(tmp_path, Settings(), quiet=True), []

    def state() -> dict:
        states.append(time.monotonic())
        return {"step": 0}

    for _ in run.moments(Plan(CountedInSteps(steps=4), every), state):
        pass
    assert len(states) == saves

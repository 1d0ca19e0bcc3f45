"""The pieces of the inversion's benchmark, on a tiny generator; and of those of trainings and of busy cores."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from bigprior.degradations import Colorization, Denoising
from bigprior.evaluation.metrics import psnr
from bigprior.networks.generators import PGGAN
from bigprior.ops.perceptual import VGGFeatures
from bigprior.phi import ConstantPhi
from bigprior.priors.gan import GANPrior, paper_settings
from bigprior.priors.inversion import InversionSettings
from bigprior.priors.losses import InversionLoss, VGGTerm
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.restorer import Restorer
from bigprior.training.denoiser import DenoiserSettings, DenoiserTrainer


def loaded(name: str) -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_of_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return loaded("inversion")


def test_the_reference_in_a_cheaper_order_is_the_released_recipe(
    benchmark: ModuleType, tiny_generator: PGGAN, vgg_weights: Path, tmp_path: Path
) -> None:
    settings = paper_settings(Colorization).model_copy(update={"codes": 3, "layer": 2, "steps": 4})
    y, physics, kept = torch.rand(1, 1, 16, 16), Colorization(), tmp_path / "run.pt"
    arm = benchmark.ReferenceArm(tiny_generator, VGGFeatures(vgg_weights), settings)
    value = benchmark.reference_stretch(arm, tiny_generator, y, physics, 4)
    image, curve = benchmark.reference_run(tiny_generator, vgg_weights, settings, y, physics, kept)
    assert curve[3] == pytest.approx(value, rel=1e-4)
    assert len(curve) == 5 and curve[-1] < curve[0]
    again, _ = benchmark.reference_run(tiny_generator, vgg_weights, settings, y, physics, kept)
    assert torch.equal(again, image)


def test_the_fewest_steps_reach_both_the_objective_and_the_psnr(
    benchmark: ModuleType, tiny_generator: PGGAN, vgg_weights: Path
) -> None:
    x = torch.rand(2, 3, 16, 16)
    loss_of = InversionLoss(x, 1.0, 0.0, 1e-4, VGGTerm(VGGFeatures(vgg_weights)))

    def prior_with(steps: int) -> GANPrior:
        return GANPrior(tiny_generator, InversionSettings(codes=3, layer=2, steps=steps, code_every=1, decay=False))

    result = prior_with(5).project(Denoising().measure(x))
    with torch.no_grad():
        objective, _ = loss_of(prior_with(5).compose(**result.codes))
    goal = benchmark.Goal(objective + 1e-6, psnr(result.image, x) - 1e-4)
    steps, kept, trace = benchmark.steps_to(goal, prior_with, x, x, Denoising(), loss_of)
    assert (steps, kept) == (5, True)
    assert list(trace) == [1, 2, 3, 5]


def test_where_psnr_cannot_be_had_the_objective_decides(
    benchmark: ModuleType, tiny_generator: PGGAN, vgg_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "STEPS", (1, 2))
    x = torch.rand(1, 3, 16, 16)
    loss_of = InversionLoss(x, 1.0, 0.0, 1e-4, VGGTerm(VGGFeatures(vgg_weights)))

    def prior_with(steps: int) -> GANPrior:
        return GANPrior(tiny_generator, InversionSettings(codes=3, layer=2, steps=steps))

    out_of_reach = benchmark.Goal(torch.tensor([1e9]), torch.tensor([99.0]))
    assert benchmark.steps_to(out_of_reach, prior_with, x, x, Denoising(), loss_of)[:2] == (1, False)
    with pytest.raises(SystemExit, match="2 steps reach"):
        benchmark.steps_to(benchmark.Goal(torch.zeros(1), torch.zeros(1)), prior_with, x, x, Denoising(), loss_of)


def test_arms_are_timed_in_turn(benchmark: ModuleType, tiny_generator: PGGAN) -> None:
    calls = list[str]()
    timed = benchmark.Timed(
        {
            "slow": lambda: calls.append("slow") or {"wall": 6.0, "cpu": 4.0},
            "fast": lambda: calls.append("fast") or {"wall": 2.0, "cpu": 1.0},
        }
    )
    assert calls == ["slow", "fast"] * 3
    assert timed.ratio("slow", "fast", 10) == {"wall": 30.0, "cpu": 40.0}
    assert timed.seconds("fast") == {"wall": 2.0, "cpu": 1.0}
    prior = GANPrior(tiny_generator, InversionSettings(codes=2, layer=2, steps=3))
    assert benchmark.seconds_a_step(prior, torch.rand(1, 3, 16, 16))["wall"] > 0
    assert benchmark.exponent({1: 2.0, 2: 4.0, 4: 8.0}) == pytest.approx(1.0)


def test_busy_cores_are_busy_while_each_way_is_timed_and_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    contention, started, asked = loaded("contention"), [], []
    start = contention.subprocess.Popen

    def popen(*args: object, **options: object) -> object:
        started.append(start(*args, **options))
        return started[-1]

    def seconds(photo: Path, folder: Path, environment: dict[str, str]) -> float:
        asked.append((environment, sum(process.poll() is None for process in started)))
        return 2.0 if environment else 3.0

    monkeypatch.setattr(contention.subprocess, "Popen", popen)
    monkeypatch.setattr(contention, "seconds", seconds)
    ways = {"as_it_comes": {}, "one_thread": {"OMP_NUM_THREADS": "1"}}
    assert contention.measure(2, "loop", 2, ways) == {"as_it_comes": [3.0, 3.0], "one_thread": [2.0, 2.0]}
    assert asked == [({}, 0), *[({}, 2), ({"OMP_NUM_THREADS": "1"}, 2)] * 2]
    assert len(started) == 8 and all(process.poll() is not None for process in started)
    asked.clear()
    contention.measure(1, None, 2, ways)
    assert [others for _, others in asked] == [0, 0, 0]


def test_a_training_is_measured_against_what_the_device_can_do(tmp_path: Path) -> None:
    training = loaded("training")
    settings = training.read_recipe("denoiser", DenoiserSettings, changes=["widths=[4, 8]", "blocks=1", "crop_px=16"])
    trainer = DenoiserTrainer(settings, training.photographs(tmp_path / "pictures"))
    result = training.measured(trainer, torch.device("cpu"), seconds=0.01, side=128)
    assert result["crops_per_second"] > 0 and result["steps"] >= 1
    assert result["gflop_per_second"] == pytest.approx(result["gflop_per_crop"] * result["crops_per_second"])
    assert result["share_of_peak"] == pytest.approx(result["gflop_per_second"] / result["peak_gflop_per_second"])
    json.dumps(result)


def test_a_batch_is_measured_beside_the_bare_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = loaded("batches")
    bare = Restorer(PrecomputedPrior(torch.rand(1, 3, 24, 24)), ConstantPhi(0.5))
    monkeypatch.setattr(batches, "load_restorer", lambda preset, task: bare)
    result = batches.measure("none", 12, 4, 2, tmp_path, side=24)
    assert result["pictures"] == 12 and len((tmp_path / "out" / "manifest.jsonl").read_text().splitlines()) == 12
    assert (
        result["of_bare"]["clock"] > 0
        and result["within"] > 0
        and set(result["stages"]) == {"read", "compute", "write"}
    )
    assert all(seconds > 0 for seconds in result["stages"].values())
    json.dumps(result)


def test_what_is_simulated_is_what_was_measured() -> None:
    scaling = loaded("scaling")
    one = {"bare": 0.5, "processor": 0.8, "engine": 0.4, "driver_ms": 3.0, "start_s": 10.0}
    inputs = scaling.inputs_of({"2": one | {"driver_ms": 4.0, "start_s": 12.0}, "1": one})
    assert inputs == {"seconds": 1.25, "driver_ms": 4.0, "start_s": 12.0}
    assert scaling.inputs_of({"1": {"bare": 0.5, "processor": 0.8}}) == {"seconds": 1.25}
    ten, busy = (
        scaling.simulate(10, 2000, **(scaling.ASSUMED | inputs | more)) for more in ({}, {"driver_ms": 5000.0})
    )
    assert ten["efficiency"] > 0.9 and busy["efficiency"] < 0.3

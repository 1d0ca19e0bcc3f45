"""The supervised competitor: that it learns, that a kill costs nothing but time, and what it does to known pixels."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from bigprior.degradations import DEGRADATIONS
from bigprior.degradations.simulation import simulate
from bigprior.errors import SettingsError, UnknownNameError, WeightsError
from bigprior.evaluation.metrics import psnr
from bigprior.io.folders import load_set
from bigprior.io.weights import save_weights
from bigprior.training.dncnn import DnCNNSettings, DnCNNTrainer, load_dncnn, restore_with
from bigprior.training.loop import fit


def settings_of(task: str, steps: int, **more: object) -> DnCNNSettings:
    small = {"depth": 3, "batch": 2, "crop_px": 9, "validation_px": 12, "validate_every": 2}
    small |= {"index": (0, 2), "validation": (3, 3)}
    return DnCNNSettings(task=task, steps=steps, **(small | more))


def train(data: Path, out: Path, settings: DnCNNSettings) -> Path:
    return fit(DnCNNTrainer(settings, data), out, quiet=True)


@pytest.mark.slow
def test_a_killed_run_ends_like_one_that_was_not(
    smooth_pictures: Path, tmp_path: Path, run_until_killed, assert_equal_states
) -> None:
    whole = train(smooth_pictures, tmp_path / "whole", settings_of("inpainting", 6))
    call = "train(*sys.argv[1:], test_dncnn.settings_of('inpainting', 6))"
    run_until_killed("dncnn", call, 3, smooth_pictures, tmp_path / "killed")
    resumed = train(smooth_pictures, tmp_path / "killed", settings_of("inpainting", 6))
    assert resumed.read_bytes() == whole.read_bytes()
    assert_equal_states(tmp_path / "whole", tmp_path / "killed")


def test_it_learns_to_denoise(smooth_pictures: Path, tmp_path: Path) -> None:
    settings = settings_of("denoising", 80, crop_px=20, batch=4, validate_every=40, lr=5e-3)
    network, recipe = load_dncnn(train(smooth_pictures, tmp_path / "run", settings))
    assert recipe["steps"] == 80
    truth = load_set(smooth_pictures, (3, 3))
    y, physics = simulate("denoising-25", truth.images, truth.names)
    assert psnr(restore_with(network, y, physics), truth.images) > psnr(y, truth.images) + 2


@pytest.mark.parametrize("task", sorted(DEGRADATIONS))
def test_every_task_trains_and_restores(smooth_pictures: Path, tmp_path: Path, task: str, measure) -> None:
    path = train(smooth_pictures, tmp_path / "run", settings_of(task, 3))
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 3]
    y, physics = measure(task)
    image = restore_with(load_dncnn(path)[0], y, physics)
    assert image.shape == (1, 3, 16, 16) and image.min() >= 0 and image.max() <= 1
    if task == "inpainting":
        assert torch.equal(image * physics.mask, y * physics.mask)


@pytest.mark.parametrize("validation", [None, (1, 2)])
def test_weights_are_chosen_on_other_pictures(smooth_pictures: Path, tmp_path: Path, validation: Any) -> None:
    with pytest.raises(SettingsError, match="validation"):
        train(smooth_pictures, tmp_path / "run", settings_of("denoising", 1, index=(0, 1), validation=validation))
    assert not (tmp_path / "run").exists()


def test_what_it_cannot_use_is_refused(smooth_pictures: Path, tmp_path: Path) -> None:
    train(smooth_pictures, tmp_path / "run", settings_of("denoising", 1))
    with pytest.raises(SettingsError, match="other settings"):
        train(smooth_pictures, tmp_path / "run", settings_of("denoising", 2))
    with pytest.raises(UnknownNameError, match="denoising"):
        train(smooth_pictures, tmp_path / "other", settings_of("deblurring", 1))
    save_weights(tmp_path / "phi.safetensors", {}, {"kind": "constant"})
    with pytest.raises(WeightsError, match="train dncnn"):
        load_dncnn(tmp_path / "phi.safetensors")
    save_weights(tmp_path / "empty.safetensors", {}, {"kind": "dncnn-restorer", "depth": 3, "recipe": {}})
    with pytest.raises(WeightsError, match="does not fit"):
        load_dncnn(tmp_path / "empty.safetensors")

"""The supervised competitor: that it learns, that a kill costs nothing but time, and what it does to known pixels."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from bigprior.degradations import DEGRADATIONS
from bigprior.errors import SettingsError, UnknownNameError, WeightsError
from bigprior.folders import load_set
from bigprior.metrics import psnr
from bigprior.simulation import simulate
from bigprior.training.dncnn import DnCNNSettings, load_dncnn, restore_with, train_dncnn
from bigprior.weights import save_weights


def pictures(folder: Path, n: int = 4) -> Path:
    """Smooth colours, 20x20."""
    folder.mkdir(exist_ok=True)
    rng = torch.Generator().manual_seed(0)
    for i in range(n):
        small = torch.randint(256, (3, 3, 3), generator=rng, dtype=torch.uint8)
        Image.frombytes("RGB", (3, 3), bytes(small.flatten().tolist())).resize((20, 20)).save(folder / f"{i}.png")
    return folder


def settings_of(task: str, steps: int, **more: object) -> DnCNNSettings:
    small = {"depth": 3, "batch": 2, "crop_px": 9, "validation_px": 12, "validate_every": 2}
    return DnCNNSettings(task=task, steps=steps, **(small | more))


def train(data: Path, out: Path, settings: DnCNNSettings) -> Path:
    return train_dncnn(data, (0, 2), (3, 3), out, settings, quiet=True)


def test_a_killed_run_ends_like_one_that_was_not(tmp_path: Path, run_until_killed, assert_equal_states) -> None:
    data = pictures(tmp_path / "data")
    whole = train(data, tmp_path / "whole", settings_of("inpainting", 6))
    call = "from pathlib import Path\n"
    call += "test_dncnn.train(*map(Path, sys.argv[1:]), test_dncnn.settings_of('inpainting', 6))"
    run_until_killed("dncnn", call, 3, data, tmp_path / "killed")
    assert not (tmp_path / "killed" / "dncnn.safetensors").exists()
    resumed = train(data, tmp_path / "killed", settings_of("inpainting", 6))
    assert resumed.read_bytes() == whole.read_bytes()
    assert_equal_states(tmp_path / "whole", tmp_path / "killed")


def test_it_learns_to_denoise(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data")
    settings = settings_of("denoising", 80, crop_px=20, batch=4, validate_every=40, lr=5e-3)
    network, recipe = load_dncnn(train(data, tmp_path / "run", settings))
    assert recipe["steps"] == 80
    truth = load_set(data, (3, 3))
    y, physics = simulate("denoising-25", truth.images, truth.names)
    assert psnr(restore_with(network, y, physics), truth.images) > psnr(y, truth.images) + 2


@pytest.mark.parametrize("task", sorted(DEGRADATIONS))
def test_every_task_trains_and_restores(tmp_path: Path, task: str, measure) -> None:
    path = train(pictures(tmp_path / "data"), tmp_path / "run", settings_of(task, 3))
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 3]
    y, physics = measure(task)
    image = restore_with(load_dncnn(path)[0], y, physics)
    assert image.shape == (1, 3, 16, 16) and image.min() >= 0 and image.max() <= 1
    if task == "inpainting":
        assert torch.equal(image * physics.mask, y * physics.mask)


def test_what_it_cannot_use_is_refused(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data")
    train(data, tmp_path / "run", settings_of("denoising", 1))
    with pytest.raises(SettingsError, match="other settings"):
        train(data, tmp_path / "run", settings_of("denoising", 2))
    with pytest.raises(UnknownNameError, match="denoising"):
        train(data, tmp_path / "other", settings_of("deblurring", 1))
    save_weights(tmp_path / "phi.safetensors", {}, {"kind": "constant"})
    with pytest.raises(WeightsError, match="train dncnn"):
        load_dncnn(tmp_path / "phi.safetensors")
    save_weights(tmp_path / "empty.safetensors", {}, {"kind": "dncnn-restorer", "depth": 3, "recipe": {}})
    with pytest.raises(WeightsError, match="does not fit"):
        load_dncnn(tmp_path / "empty.safetensors")

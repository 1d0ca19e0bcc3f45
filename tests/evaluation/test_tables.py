"""Tables: the same pixels for every method, resumable, with whatever baselines are installed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bigprior.errors import SettingsError
from bigprior.evaluation import tables
from bigprior.evaluation.baselines import BASELINES, Baseline
from bigprior.evaluation.tables import Lines, task_table
from bigprior.folders import load_set
from bigprior.masks import centre_hole
from bigprior.metrics import psnr
from bigprior.simulation import noise_level, simulate
from bigprior.weights import save_weights


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder, rng = tmp_path / "pictures", np.random.default_rng(0)
    folder.mkdir()
    for i in range(3):
        smooth = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize((40, 40))
        smooth.save(folder / f"{i}.png")
    return folder


@pytest.fixture
def table(pictures: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    """``table(task, protocol, ...)`` with priors that are the truth, half of which is taken."""
    phi = tmp_path / "phi.safetensors"
    save_weights(phi, {}, {"kind": "constant", "network": {"value": 0.5}})

    def make(task: str, protocol: str, **options: object) -> dict:
        given = {"data": pictures, "index": None, "preset_name": "rooms", "prior_dir": pictures, "phi": phi}
        progress = options.pop("progress", lambda done, total: None)
        return task_table(task, protocol, ("psnr", "ssim"), **(given | options), progress=progress)

    return make


def test_rows_are_what_they_say(table, pictures: Path) -> None:
    results = table("denoising", "denoising", baselines=("tv",))
    truth = load_set(pictures)
    y, _ = simulate("denoising", truth.images, truth.names)
    assert set(results) == {"input", "prior", "ours", "tv"}
    assert results["input"]["psnr"] == pytest.approx(float(psnr(y, truth.images).mean()))
    half = 0.5 * y + 0.5 * truth.images
    assert results["ours"]["psnr"] == pytest.approx(float(psnr(half, truth.images).mean()), abs=1e-4)
    assert results["ours"]["mean_phi"] == 0.5 and results["ours"]["phi_outside"] == 0
    assert results["tv"]["psnr"] > results["input"]["psnr"]


def test_every_baseline_of_a_task_improves_on_what_was_measured(pictures: Path) -> None:
    truth = load_set(pictures)
    for name, baseline in BASELINES.items():
        if not baseline.installed:
            continue
        x = truth.images[:1]
        protocol = {"denoising": "denoising-25", "inpainting": "inpainting-centre"}[baseline.task]
        y, physics = simulate(protocol, x, ["0"])
        sigma = noise_level(protocol, "0") if baseline.task == "denoising" else None
        image = baseline.restore(y, sigma, getattr(physics, "mask", None))
        assert image.shape == x.shape and image.dtype == torch.float32, name
        assert psnr(image, x) > psnr(y, x) + 1, name


def test_fillers_keep_what_is_known(pictures: Path) -> None:
    pytest.importorskip("cv2")
    x, mask = load_set(pictures).images[:1], centre_hole(40, 40)
    filled = BASELINES["telea"].restore(x * mask, None, mask)
    assert torch.equal(filled * mask, x * mask)


def test_a_missing_package_leaves_its_row_out_with_a_note(table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BASELINES, "absent", Baseline("denoising", "no_such_package", lambda y, s, m: y))
    results = table("denoising", "denoising", baselines=("absent",))
    assert "absent" not in results and "no_such_package" in results["missing"]["absent"]


def test_an_interrupted_table_goes_on(table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, options = tmp_path / "t.jsonl", {"baselines": ("tv",)}
    whole = table("denoising", "denoising", **options)

    class KilledError(Exception):
        pass

    def kill(done: int, total: int) -> None:
        if done == 3:
            raise KilledError

    with pytest.raises(KilledError):
        table("denoising", "denoising", lines=lines, progress=kill, **options)
    with open(lines, "a") as file:
        file.write('{"method": "tv", "cut')  # as a kill in the middle of a line leaves it
    count = 0
    restore = tables._our_scores

    def counting(*args: object) -> dict:
        nonlocal count
        count += 1
        return restore(*args)

    monkeypatch.setattr(tables, "_our_scores", counting)
    resumed = table("denoising", "denoising", lines=lines, **options)
    assert count == 1  # two of the three pictures were done
    for row, figures in whole.items():
        assert {k: v for k, v in resumed[row].items() if k != "seconds"} == {
            k: v for k, v in figures.items() if k != "seconds"
        }
    assert all(json.loads(line) for line in lines.read_text().splitlines())


def test_scores_of_other_weights_are_not_taken(table, tmp_path: Path) -> None:
    lines = tmp_path / "t.jsonl"
    table("colorization", "colorization", lines=lines)
    other = tmp_path / "other.safetensors"
    save_weights(other, {}, {"kind": "constant", "network": {"value": 0.25}})
    assert table("colorization", "colorization", lines=lines, phi=other)["ours"]["mean_phi"] == 0.25
    assert len(Lines(lines).known) == 2 * 3 * 3


def test_priors_of_other_pictures_are_refused(table, tmp_path: Path) -> None:
    folder = tmp_path / "others"
    folder.mkdir()
    for name in "abc":
        Image.new("RGB", (40, 40)).save(folder / f"{name}.png")
    with pytest.raises(SettingsError, match="same name"):
        table("colorization", "colorization", prior_dir=folder)
    with pytest.raises(SettingsError, match="--phi"):
        table("colorization", "colorization", phi=None)


def test_noise_levels_are_those_that_were_added() -> None:
    x = torch.full((1, 3, 200, 200), 0.5)
    for name in ("a", "b"):
        y, _ = simulate("denoising", x, [name])
        assert float((y - x).std()) == pytest.approx(noise_level("denoising", name), rel=0.02)
    with pytest.raises(Exception, match="noisy protocol"):
        noise_level("colorization", "a")

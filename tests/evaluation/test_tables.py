"""Tables: the same pixels for every method, resumable, with whatever baselines are installed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from deepinv.models import DnCNN
from PIL import Image

from bigprior.degradations import DEGRADATIONS, Inpainting
from bigprior.degradations.simulation import noise_level, simulate
from bigprior.errors import SettingsError
from bigprior.evaluation import baselines, tables
from bigprior.evaluation.baselines import BASELINES, Baseline, choose
from bigprior.evaluation.cases import simulated
from bigprior.evaluation.metrics import psnr
from bigprior.evaluation.tables import Lines, means, picture_rows
from bigprior.io.folders import load_set
from bigprior.io.weights import save_weights
from bigprior.networks.generators.pggan import PGGAN
from bigprior.ops.masks import centre_hole
from bigprior.phi import ConstantPhi
from bigprior.presets.loaded import LoadedPrior
from bigprior.priors import deepimage
from bigprior.priors.gan import GANPrior
from bigprior.priors.inversion import InversionSettings
from bigprior.priors.named import PRIORS
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.restorer import Restorer


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
        given = {"preset_name": "rooms", "prior_dir": pictures, "phi": phi, "progress": lambda done, total: None}
        given["baselines"] = ()
        cases = simulated(protocol, pictures)
        return means(picture_rows(task, cases, metrics=("psnr", "ssim"), **(given | options)))

    return make


def test_pictures_may_have_any_sizes(table, pictures: Path) -> None:
    Image.new("RGB", (50, 30), (90, 40, 120)).save(pictures / "3.png")
    results = table("denoising", "denoising", baselines=("tv",))
    assert results["pictures"] == 4 and results["ours"]["psnr"] > results["input"]["psnr"]


def test_rows_are_what_they_say(table, pictures: Path) -> None:
    results = table("denoising", "denoising", baselines=("tv",))
    truth = load_set(pictures)
    y, _ = simulate("denoising", truth.images, truth.names)
    assert set(results) == {"input", "prior", "ours", "tv", "pictures"}
    assert results["pictures"] == 3
    assert results["input"]["psnr"] == pytest.approx(float(psnr(y, truth.images).mean()))
    half = 0.5 * y + 0.5 * truth.images
    assert results["ours"]["psnr"] == pytest.approx(float(psnr(half, truth.images).mean()), abs=1e-4)
    assert results["ours"]["mean_phi"] == 0.5 and results["ours"]["phi_outside"] == 0
    assert results["tv"]["psnr"] > results["input"]["psnr"]


def test_every_baseline_of_a_task_improves_on_what_was_measured(pictures: Path) -> None:
    truth = load_set(pictures)
    for name, baseline in BASELINES.items():
        if baseline.missing or baseline.slow or name == "tint":  # a guess that has nothing to do with the picture
            continue
        x = truth.images[:1]
        task = next((name for name, physics in DEGRADATIONS.items() if baseline.treats(physics)), None)
        if task is None:  # of small and blurred pictures: see test_deconvolution
            continue
        protocol = {"denoising": "denoising-25", "inpainting": "inpainting-centre"}[task]
        y, physics = simulate(protocol, x, ["0"])
        sigma = noise_level(protocol, "0") if baseline.knows_sigma else None
        image = baseline.restore(y, physics, sigma)
        assert image.shape == x.shape and image.dtype == torch.float32, name
        assert psnr(image, x) > psnr(y, x) + 1, name


def test_fillers_keep_what_is_known(pictures: Path) -> None:
    pytest.importorskip("cv2")
    x, mask = load_set(pictures).images[:1], centre_hole(40, 40)
    filled = BASELINES["telea"].restore(x * mask, Inpainting(mask), None)
    assert torch.equal(filled * mask, x * mask)


@pytest.mark.parametrize("task", ["denoising", "inpainting", "colorization"])
@pytest.mark.slow
def test_slow_methods_run_when_they_are_named_alone(task: str, monkeypatch: pytest.MonkeyPatch, measure) -> None:
    every = {name for name, baseline in BASELINES.items() if baseline.slow}
    assert not every & set(choose(task)[0])
    slow = {name for name in every if name not in PRIORS or name == "deep-image-prior"}  # the others have tests there
    assert slow == {"deep-image-prior", "single-code", "multi-code", "feature-map"}
    able, _ = choose(task, tuple(slow))
    assert set(able) == slow
    settings = InversionSettings(codes=3, layer=2, steps=2)
    torch.manual_seed(0)
    prior = GANPrior(PGGAN(16, z_dim=16, fmap_base=256, fmap_max=16).requires_grad_(False), settings)
    monkeypatch.setattr(baselines, "load_prior", lambda name, task: LoadedPrior(prior, {}, {}))
    monkeypatch.setattr(deepimage, "STEPS", 2)
    monkeypatch.setattr(deepimage, "CHANNELS", 4)
    y, physics = measure(task, 1, 40, 40)
    baselines._inverted.cache_clear()
    for name, baseline in able.items():
        image = baseline.restore(y, physics, None)
        assert image.shape == (1, 3, 40, 40) and image.min() >= 0 and image.max() <= 1, name
        assert torch.equal(image, baseline.restore(y, physics, None)), name
        if task == "inpainting" and name == "deep-image-prior":  # inversions are scored as they are
            assert torch.equal(image * physics.mask, y * physics.mask), name
    assert baselines._inverted(task, InversionSettings(codes=1)).settings.codes == 1
    assert baselines._inverted(task, None).settings.codes == 3
    baselines._inverted.cache_clear()


def test_a_missing_package_leaves_its_row_out_with_a_note(table, monkeypatch: pytest.MonkeyPatch) -> None:
    BASELINES.register("absent")(Baseline(lambda physics: physics.noisy, "no_such_package", lambda y, p, s: y))
    try:
        results = table("denoising", "denoising", baselines=("absent",))
    finally:
        BASELINES.remove("absent")
    assert "absent" not in results and "no_such_package" in results["missing"]["absent"]


def test_the_trained_network_has_a_row_where_its_weights_are(table, tmp_path: Path) -> None:
    network = DnCNN(depth=3, pretrained=None)
    with torch.no_grad():
        for parameter in network.out_conv.parameters():
            parameter.zero_()
    recipe = {"steps": 7, "batch": 2, "crop_px": 5}
    header = {"kind": "dncnn-restorer", "depth": 3, "recipe": recipe}
    save_weights(tmp_path / "dncnn-denoising.safetensors", network.state_dict(), header)
    results = table("denoising", "denoising", baselines=("dncnn",), dncnn=tmp_path)
    assert results["dncnn"]["psnr"] == pytest.approx(results["input"]["psnr"])  # it starts as the identity
    assert "7 steps of 2 crops of 5 pixels" in results["notes"]["dncnn"]
    assert "missing" not in results
    for options in ({"dncnn": None}, {"dncnn": tmp_path / "nowhere"}):
        results = table("denoising", "denoising", baselines=("dncnn",), **options)
        assert "dncnn" not in results and "--dncnn" in results["missing"]["dncnn"]


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
        if row != "pictures":
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


def test_scores_of_other_priors_are_not_taken(table, pictures: Path, tmp_path: Path) -> None:
    lines, priors = tmp_path / "t.jsonl", tmp_path / "priors"
    priors.mkdir()
    for path in pictures.iterdir():
        Image.open(path).save(priors / path.name)
    first = table("colorization", "colorization", lines=lines, prior_dir=priors)
    moved = priors.rename(tmp_path / "moved")
    table("colorization", "colorization", lines=lines, prior_dir=moved)
    assert len(Lines(lines).known) == 3 * 3  # the same pixels in another place
    Image.new("RGB", (40, 40), "red").save(moved / "1.png")
    second = table("colorization", "colorization", lines=lines, prior_dir=moved)
    assert len(Lines(lines).known) == 4 * 3
    assert second["prior"]["ssim"] < first["prior"]["ssim"] == 1


def test_scores_of_another_borrowed_network_are_not_taken(pictures: Path) -> None:
    """A preset without phi networks borrows them: its own description does not say which."""
    made: list[dict] = []
    for borrowed in ("a", "b"):
        restorer = Restorer(PrecomputedPrior(torch.zeros(1, 3, 40, 40)), ConstantPhi(0.5))
        restorer.provenance["weights"] = {"generator": "g", "phi": borrowed}
        around = tables._restorers(lambda restorer=restorer: restorer, load_set(pictures).names, None, None)
        made.append(around(0)[1])
    assert made[0] != made[1]


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

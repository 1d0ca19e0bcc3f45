"""``bigprior calibrate``, the bounds of results, and limits of what is made up, as a person asks for them."""

import json

import numpy as np
import pytest
import tifffile
import torch

from bigprior.degradations import DEGRADATIONS
from bigprior.evaluation.calibrating import calibrate
from bigprior.io.pictures import read_picture, write_picture
from bigprior.presets.calibrations import calibration_path, read_calibration, write_calibration
from bigprior.presets.importing import import_preset

TINY, QUICK = ("--preset", "tiny", "--steps", 2), ("--preset", "quick")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of small pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(30):
        rng = torch.Generator().manual_seed(i)
        coarse = torch.rand(1, 3, 4, 4, generator=rng)
        write_picture(folder / f"{i:02}.png", torch.nn.functional.interpolate(coarse, size=(16, 16), mode="bilinear"))
    return folder


@pytest.fixture(scope="module")
def calibrations(home, pictures, tmp_path_factory):
    """What the command wrote for one task of the tiny preset, whose pictures are few."""
    folder = tmp_path_factory.mktemp("calibrations")
    phi = dict.fromkeys(DEGRADATIONS, home / "phi.safetensors")
    import_preset("quick", home / "g.safetensors", phi=phi, into=home, steps=dict.fromkeys(DEGRADATIONS, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIGPRIOR_HOME", str(home))
        made = calibrate("quick", "denoising", [pictures], alpha=0.3, delta=0.3, progress=lambda done, total: None)
    write_calibration(made, calibration_path("quick", "denoising", folder))
    return folder


def test_a_chain_has_a_bound_of_its_own_calibration_alone(
    run, photo, pictures, calibrations, home, tmp_path, monkeypatch
):
    """A later step takes for known what an earlier one restored, so that its own bound says nothing."""
    mask = torch.ones(1, 1, 30, 40)
    mask[..., 9:15, 9:20] = 0
    write_picture(tmp_path / "mask.png", mask)
    asked = ("inpaint", photo, "--sigma", 9, "--mask", tmp_path / "mask.png", *QUICK, "-o")
    code, out, err = run(*asked, tmp_path / "without")
    assert code == 0, err
    assert "no bound: quick was not calibrated for denoising+inpainting; `bigprior calibrate --preset quick" in out
    levels = {"alpha": 0.3, "delta": 0.3}
    made = calibrate("quick", "denoise+inpaint", [pictures], (0, 23), **levels, progress=lambda done, total: None)
    assert made.task == "denoising+inpainting" and "inpainting steps" in made.settings
    assert made.protocols == ["denoising", "inpainting-boxes", "inpainting-centre"]
    path = calibration_path("quick", made.task)
    write_calibration(made, path)
    try:
        code, out, err = run(*asked, tmp_path / "with")
    finally:
        path.unlink()
    assert code == 0, err
    assert "70% of what is not known lies within" in out
    record = json.loads((tmp_path / "with" / "restoration.json").read_text())
    assert record["bound"]["half_width"][0] > 0
    assert json.loads((tmp_path / "with" / "2-inpainting" / "restoration.json").read_text())["bound"] is None


def test_calibrate_refuses_before_it_works(run, pictures, calibrations, tmp_path):
    asked = ("calibrate", "--preset", "quick", "--task", "denoise", "--data", pictures)
    code, _, err = run(*asked, "-o", calibrations)
    assert code == 2 and "is there already: pass --overwrite" in err
    code, _, err = run(*asked, "--index", "0-9", "--fit-index", "5-12", "-o", tmp_path)
    assert code == 2 and "would be fitted on and certify too" in err
    code, _, err = run(*asked, "--index", "0-2", "-o", tmp_path)
    assert code == 2 and "2 pictures cannot certify alpha 0.1 and delta 0.1" in err
    code, _, err = run(*asked, "--alpha", "2", "-o", tmp_path)
    assert code == 2 and "alpha is 2.0" in err
    assert not list(tmp_path.iterdir())


def test_a_calibration_says_what_it_is_of(calibrations):
    made = read_calibration(calibrations / "calibration-denoising.json")
    assert (made.preset, made.task, made.pictures, made.fitted) == ("quick", "denoising", 20, 10)
    assert set(made.weights) == {"generator", "phi"}
    assert made.data.endswith("all")


def test_a_result_says_how_sure_it_is(run, photo, calibrations, tmp_path):
    file = calibrations / "calibration-denoising.json"
    options = (*QUICK, "--calibration", file, "-o", tmp_path / "out")
    code, out, err = run("denoise", photo, *options)
    assert code == 0, err
    assert "70% of what is not known lies within" in out
    bound = json.loads((tmp_path / "out" / "restoration.json").read_text())["bound"]
    assert bound["alpha"] == bound["delta"] == 0.3
    assert bound["half_width"][0] > 0


def test_a_calibration_of_something_else_is_refused_by_name(run, photo, calibrations, tmp_path):
    file = calibrations / "calibration-denoising.json"
    code, _, err = run("colorize", photo, *QUICK, "--calibration", file, "-o", tmp_path / "out", "--force")
    assert code == 2 and "it is of the task denoising, not colorization; `bigprior calibrate" in err
    code, _, err = run("denoise", photo, *QUICK, "--steps", 3, "--calibration", file, "-o", tmp_path / "out")
    assert code == 2 and "it was made with another steps" in err
    other = json.loads(file.read_text()) | {"weights": {"generator": "0" * 64, "phi": "0" * 64}}
    (tmp_path / "other.json").write_text(json.dumps(other))
    code, _, err = run("denoise", photo, *QUICK, "--calibration", tmp_path / "other.json")
    assert code == 2 and "it was made with another generator, phi" in err
    assert "`bigprior calibrate --preset quick --task denoising --data DIR` makes one" in err
    code, _, err = run("denoise", photo, *QUICK, "--calibration", photo)
    assert code == 2 and "is no calibration" in err
    assert not (tmp_path / "out").exists()


def test_a_preset_that_was_not_calibrated_says_so(run, photo, tmp_path):
    code, out, _ = run("denoise", photo, *TINY, "-o", tmp_path / "out")
    assert code == 0 and "no bound: tiny was not calibrated for denoising; `bigprior calibrate" in out


def test_limits_are_kept_and_recorded(run, photo, tmp_path):
    keep, paint = torch.zeros(1, 1, 30, 40), torch.zeros(1, 1, 30, 40)
    keep[..., 2:9, 3:20], paint[..., 20:] = 1, 1
    write_picture(tmp_path / "keep.png", keep)
    write_picture(tmp_path / "paint.png", paint)
    code, out, err = run("denoise", photo, *TINY, "--keep", tmp_path / "keep.png", "-o", tmp_path / "a")
    assert code == 0, err
    assert "would have been made up without your limits" in out
    before, after = (read_picture(path).image for path in (photo, tmp_path / "a" / "restored.png"))
    assert torch.equal(before[..., 2:9, 3:20], after[..., 2:9, 3:20])
    code, _, err = run("denoise", photo, *TINY, "--paint", tmp_path / "paint.png", "-o", tmp_path / "b")
    assert code == 0, err
    assert torch.equal(read_picture(tmp_path / "b" / "phi.png").image[:, :1], paint)
    assert json.loads((tmp_path / "b" / "restoration.json").read_text())["capped"] == {
        "painted_phi": [pytest.approx(float(paint.mean()), abs=1e-5)]
    }


def test_limits_that_are_none_are_refused_by_name(run, photo, tmp_path):
    for name, values in (("beyond", np.full((30, 40), 1.5)), ("nan", np.full((30, 40), np.nan))):
        tifffile.imwrite(tmp_path / f"{name}.tif", values.astype(np.float32))
    write_picture(tmp_path / "small.png", torch.zeros(1, 1, 8, 8))
    write_picture(tmp_path / "colours.png", torch.rand(1, 3, 30, 40))
    for option, value, said in (
        ("--paint", tmp_path / "beyond.tif", "beyond.tif has values 1.5 to 1.5: expected floats in [0, 1]"),
        ("--paint", tmp_path / "nan.tif", "nan.tif has values NaN"),
        ("--paint", tmp_path / "small.png", "small.png is 8x8 but"),
        ("--paint", tmp_path / "colours.png", "colours.png has colours"),
        ("--keep", tmp_path / "small.png", "small.png is 8x8 but"),
        ("--max-hallucination", "1.5", "the share that may be made up is 1.5"),
    ):
        code, _, err = run("denoise", photo, *TINY, option, value, "-o", tmp_path / "out")
        assert code == 2 and said in err and err.count("\n") == 1, err
    assert not (tmp_path / "out").exists()

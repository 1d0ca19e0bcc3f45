"""Coverage, the warning, and the truth of phi, on small pictures."""

import sys
from pathlib import Path

import pytest
import torch

from bigprior.errors import SettingsError
from bigprior.evaluation.protocols.coverage import auroc, coverage, warning
from bigprior.evaluation.protocols.request import Request
from bigprior.evaluation.protocols.truth import truth
from bigprior.io.pictures import write_picture
from bigprior.presets import calibrations


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for i in range(4):
        coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(i))
        write_picture(tmp_path / f"{i}.png", torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bilinear"))
    return tmp_path


def quiet(done: int, total: int) -> None:
    assert done <= total


def test_area_under_the_curve_is_how_probably_one_is_above_the_other() -> None:
    assert auroc([1, 2, 3], [4, 5]) == 1
    assert auroc([4, 5], [1, 2, 3]) == 0
    assert auroc([1, 1], [1, 1]) == 0.5
    assert auroc([1, 3], [2]) == 0.5


def test_a_preset_that_was_not_calibrated_has_no_coverage(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrations, "calibration_path", lambda name, task, into=None: pictures / "none.json")
    for measure in (coverage, warning):
        with pytest.raises(SettingsError, match="rooms was not calibrated for denoising; `bigprior calibrate"):
            measure(Request(pictures, preset="rooms"), quiet)


def test_bounds_that_were_looked_at_are_not_made_again(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[coverage.__module__]  # the package calls the function as the module is called
    monkeypatch.setattr(module, "_TASKS", ("denoising",))
    monkeypatch.setattr(module, "_also_calibrated", lambda request: [])
    request = Request(pictures, (1, 2), lines=pictures / "lines.jsonl")
    found = [measure(request, quiet) for measure in (coverage, warning)]
    assert found[0]["denoising"]["pictures"] == 2 and 0 <= found[0]["denoising"]["risk"] <= 1
    assert found[1]["denoising"].keys() == {"photographs", "drawings", "other_noise"}
    assert found[1]["denoising"]["photographs"]["risk"] == found[0]["denoising"]["risk"]
    assert (pictures / "lines.jsonl").read_text().count("\n") == 2 + 2 * 2  # what both look at is there once

    def made_again(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(module, "restored_as", made_again)
    assert [measure(request, quiet) for measure in (coverage, warning)] == found


@pytest.mark.slow
def test_every_map_is_measured_in_and_out_of_domain(pictures: Path) -> None:
    request = Request(pictures, (2, 3), steps=1, side=32, lines=pictures / "lines.jsonl")
    found = truth(request, quiet)
    assert found["pictures"] == 2
    for task in ("denoising", "colorization", "inpainting"):
        for kind in ("photographs", "drawings"):
            assert found[task][kind].keys() >= {"made_up", "phi", "spread", "chem"}
            assert found[task][kind]["chem"]["excess"] >= 0
            assert all(row["area"] >= -1e-9 for row in found[task][kind].values())
    lines = (pictures / "lines.jsonl").read_text()
    assert lines.count("\n") == 3 * 2 * 2
    assert truth(request, quiet) == found
    assert (pictures / "lines.jsonl").read_text() == lines  # all of it was kept

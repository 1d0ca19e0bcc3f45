"""The page of results: every row, the published ones beside ours, what is missing, and the plots."""

import json
from pathlib import Path

import pytest
from PIL import Image

from bigprior.errors import ImageError
from bigprior.evaluation.protocols.results import write_results


def figure7() -> dict:
    points = {"mean_phi": [0.2, 0.5, 0.4, 0.9], "sigma": [5.0, 20.0, 25.0, 50.0], "psnr": [30.0, 28.0, 29.0, 22.0]}
    found = {
        "phi_sigma": {"r": 0.934, "low": 0.1, "high": 0.995},
        "phi_psnr": {"note": "not defined"},
        "map_sigma": {"r": 0.5},
    }
    return {"pictures": 4, **found, "points": points}


def test_a_page_shows_every_row(tmp_path: Path) -> None:
    ours = {"psnr": 30.5, "ssim": 0.9, "lpips": 0.05, "mean_phi": 0.5, "phi_outside": 0.0, "seconds": 1.25}
    missing = {"bm3d": "needs the package bm3d"}
    figures = {"input": {"psnr": 20.0}, "ours": ours, "missing": missing, "notes": {"ours": "rather slow"}}
    (tmp_path / "table5-bedroom.json").write_text(json.dumps(figures | {"pictures": 50}))
    (tmp_path / "other.json").write_text("{}")
    assert write_results(tmp_path, tmp_path / "page.md") == ["table5-bedroom.json"]
    page = (tmp_path / "page.md").read_text()
    assert "| **ours** | 30.50 | 0.9000 | 0.0500 | 0.500 | 1.25 |" in page
    assert "| *BIGPrior* | 26.80 | 0.7279 | 0.0998 |  |  |" in page
    assert "| input | 20.00 |  |  |  |  |" in page
    assert "Means of 50 pictures." in page
    assert "bm3d needs the package bm3d" in page and "ours: rather slow." in page
    assert "](images/table5.png)" in page
    with Image.open(tmp_path / "images" / "table5.png") as plot:
        assert plot.width > 500


def test_the_rest_of_the_page(tmp_path: Path) -> None:
    row = {"auc": 89.1, "psnr": 23.0, "mean_phi": 0.4, "phi_outside": 0.057, "parameters": 557443}
    ablations = {"DnCNN": row | {"gflop": 72.9, "seconds": 0.5}, "training": {"steps": 7}}
    slow = {"deep-image-prior": {"psnr": 17.0, "seconds": 321.0}, "pictures": 4, "made": "long ago"}
    files = {"ablations": ablations, "figure7-church": figure7(), "slow-table3-bedroom": slow}
    for name, results in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(results))
    (tmp_path / "images" / "gallery").mkdir(parents=True)
    (tmp_path / "images" / "gallery" / "denoising.png").touch()
    assert set(write_results(tmp_path, tmp_path / "page.md")) == {f"{name}.json" for name in files}
    page = (tmp_path / "page.md").read_text()
    assert "| church | 4 | 0.93 (0.10 to 0.99); *0.60* | not defined; *0.56* | 0.50 |" in page
    assert "| DnCNN | 89.10 | 23.00 | 0.400 | 5.7% | 557,443 | 72.9 | 0.50 |" in page
    assert "7 steps" in page
    assert "bedroom, slow methods" in page and "Means of 4 pictures. Made long ago." in page
    assert "images/table3.png" not in page  # four pictures are not the table
    assert "](images/gallery/denoising.png)" in page and "colorization.png" not in page
    with Image.open(tmp_path / "images" / "figure7.png") as plot:
        assert plot.width > 500


def test_the_page_shows_what_is_made_up_in_each_frame(tmp_path: Path) -> None:
    curve = {"0": {"psnr": 31.0, "share": 1.0}, "0.1": {"psnr": 25.0, "share": 0.1}}
    rows = {name: {"psnr": 31.0, "share": share, "curve": curve} for name, share in (("pixel", 0.9), ("wavelet", 0.1))}
    colours = {"pixel": {"auc": 90.0, "inconsistency": 2e-7}}
    (tmp_path / "frames-bedroom.json").write_text(json.dumps(rows | {"colorization": colours}))
    write_results(tmp_path, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert "| wavelet | 31.00 | 10.0% |" in page
    assert "| pixel | 90.00 | 2.0e-07 |" in page
    with Image.open(tmp_path / "images" / "frames-bedroom.png") as plot:
        assert plot.width > 400


def test_the_page_shows_where_pictures_are_wrong(tmp_path: Path) -> None:
    rows = {
        name: {"area": area, "rank_correlation": 0.5, "curve": [1.0]} for name, area in (("phi", 0.25), ("chem", 0.5))
    }
    found = {"photographs": rows, "drawings": {name: row | {"area": 0.125} for name, row in rows.items()}}
    figures = {"pictures": 7, "left_out": [0.0], "denoising": found, "missing": {"spread": "draws nothing"}}
    (tmp_path / "truth-bedroom.json").write_text(json.dumps(figures))
    assert write_results(tmp_path, tmp_path / "page.md") == ["truth-bedroom.json"]
    page = (tmp_path / "page.md").read_text()
    assert "7 photographs a task" in page and "spread draws nothing." in page
    assert "| denoising | chem | 0.500 | 0.500 | 0.125 | 0.500 |" in page


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "figure7-bedroom.json").write_text(json.dumps(figure7()))
    (tmp_path / "table2-bedroom.json").write_text(json.dumps({"ours": {"auc": 90.0}}))
    files = []
    for name in "ab":
        write_results(tmp_path, tmp_path / name / "page.md")
        files.append([path.read_bytes() for path in sorted((tmp_path / name).rglob("*.*"))])
    assert len(files[0]) == 3 and files[0] == files[1]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no results"):
        write_results(tmp_path, tmp_path / "page.md")

"""The page of results: every row, the published ones beside ours, and what is missing."""

import json
from pathlib import Path

import pytest

from bigprior.errors import ImageError
from bigprior.evaluation.results import write_results


def test_a_page_shows_every_row(tmp_path: Path) -> None:
    ours = {"psnr": 30.5, "ssim": 0.9, "lpips": 0.05, "mean_phi": 0.5, "seconds": 1.25}
    figures = {"input": {"psnr": 20.0}, "ours": ours, "missing": {"bm3d": "needs the package bm3d"}}
    (tmp_path / "table5-bedroom.json").write_text(json.dumps(figures))
    (tmp_path / "other.json").write_text("{}")
    assert write_results(tmp_path, tmp_path / "page.md") == ["table5-bedroom.json"]
    page = (tmp_path / "page.md").read_text()
    assert "| **ours** | 30.50 | 0.9000 | 0.0500 | 0.500 | 1.25 |" in page
    assert "| *BIGPrior* | 26.80 | 0.7279 | 0.0998 |  |  |" in page
    assert "| input | 20.00 |  |  |  |  |" in page
    assert "bm3d needs the package bm3d" in page


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no results"):
        write_results(tmp_path, tmp_path / "page.md")

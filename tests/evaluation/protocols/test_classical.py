"""The classical priors by themselves, beside what was published of them."""

import json
from pathlib import Path

import pytest
import skimage.data
from skimage.io import imsave

from bigprior.errors import SettingsError
from bigprior.evaluation.protocols import EVALUATIONS
from bigprior.evaluation.protocols.request import Request
from bigprior.evaluation.protocols.results import write_results


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    for i in range(2):
        imsave(tmp_path / "pictures" / f"{i}.png", skimage.data.coffee()[100 * i : 100 * i + 32, 200:232])
    return tmp_path / "pictures"


def request(data: Path, lines: Path | None = None, **more: object) -> Request:
    return Request(**({"data": data, "sigma": 25.0, "baselines": ("tv", "nlm"), "lines": lines} | more))


def test_priors_stand_beside_what_was_published(pictures: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    results = EVALUATIONS["classical"](request(pictures, tmp_path / "a.jsonl"), lambda *at: steps.append(at))
    assert results["pictures"] == 2 and steps[-1] == (4, 4)
    assert results["tv"]["psnr"] > 24 and results["tv"]["published"] == 27.48
    # Of fewer pictures than were published of, the figures themselves do not compare.
    assert "difference" not in results["tv"] and "published" not in results["nlm"]
    lines = (tmp_path / "a.jsonl").read_text()
    assert EVALUATIONS["classical"](request(pictures, tmp_path / "a.jsonl"), lambda *at: None) == results
    assert (tmp_path / "a.jsonl").read_text() == lines
    with pytest.raises(SettingsError, match="needs --sigma"):
        EVALUATIONS["classical"](request(pictures, sigma=None), lambda *at: None)


def test_the_page_says_how_far_above_bm3d_each_is(tmp_path: Path) -> None:
    rows = {
        "bm3d": {"psnr": 28.5, "above_bm3d": 0.0, "published": 28.57, "published_above_bm3d": 0.0},
        "tv": {"psnr": 27.4, "above_bm3d": -1.1, "published": 27.48, "published_above_bm3d": -1.09, "seconds": 2.0},
        "pictures": 3,
    }
    (tmp_path / "classical25-CBSD68.json").write_text(json.dumps(rows))
    write_results(tmp_path, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert "## White noise of sigma 25, grey, told: CBSD68" in page and "Means of 3 pictures" in page
    assert "| tv | 27.40 | -1.10 | 27.48 | -1.09 | 2.00 |" in page

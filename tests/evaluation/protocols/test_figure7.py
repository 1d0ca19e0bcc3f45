"""Figure 7: the correlations are Pearson's, with an interval that covers, and costs nothing after Table V."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bigprior.degradations.simulation import noise_level
from bigprior.errors import SettingsError
from bigprior.evaluation.protocols import Request, evaluation, figures
from bigprior.evaluation.protocols.figure7 import correlations
from bigprior.evaluation.tables import Rows
from bigprior.io.weights import save_weights
from bigprior.phi import UNetPhi
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.restorer import Restorer

NAMES = [str(i) for i in range(12)]


def rows(phi: list[float], psnr: list[float]) -> Rows:
    scores = {"ours": [{"mean_phi": p, "map_phi": 1 - p} for p in phi], "prior": [{"psnr": p} for p in psnr]}
    return Rows(NAMES[: len(phi)], scores, {}, {})


def test_what_follows_the_noise_correlates_with_it() -> None:
    sigmas = [255 * noise_level("denoising", name) for name in NAMES]
    rng = np.random.default_rng(0)
    phi, psnr = [0.01 * s + 0.05 * rng.normal() for s in sigmas], (30 - rng.normal(size=12)).tolist()
    results = correlations(rows(phi, psnr), "denoising")
    assert results["pictures"] == 12
    for other, values in (("sigma", sigmas), ("psnr", psnr)):
        found, r = results[f"phi_{other}"], np.corrcoef(phi, values)[0, 1]
        assert found["r"] == pytest.approx(r)
        ends = np.tanh(np.arctanh(r) + np.array([-1, 1]) * 1.959964 / 3)  # Fisher's z, 12 - 3 = 3 * 3
        assert [found["low"], found["high"]] == pytest.approx(ends)
        assert results["points"][other] == pytest.approx(values)
    assert results["phi_sigma"]["r"] > 0.9
    assert results["map_sigma"]["r"] == pytest.approx(-results["phi_sigma"]["r"])


def test_what_does_not_vary_has_no_correlation() -> None:
    results = correlations(rows([1.0, 1.0, 1.0 - 1e-9], [20.0, 30.0, 25.0]), "denoising")
    assert set(results["phi_sigma"]) == set(results["phi_psnr"]) == {"note"}
    few = correlations(rows([0.1, 0.2, 0.4], [20.0, 30.0, np.inf]), "denoising")
    assert set(few["phi_sigma"]) == {"r"} and set(few["phi_psnr"]) == {"note"}


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    """Four pictures, whose priors are others, weighed by a network that was not trained."""
    rng = np.random.default_rng(0)
    for folder in ("data", "priors"):
        (tmp_path / folder).mkdir()
        for i in range(4):
            pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{i}.png")
    network = UNetPhi((4, 6))
    save_weights(tmp_path / "phi.safetensors", network.state_dict(), {"kind": "unet", "network": network.settings})
    where = {"data": tmp_path / "data", "prior_dir": tmp_path / "priors", "phi": tmp_path / "phi.safetensors"}
    return Request(**where, lines=tmp_path / "table5.jsonl", baselines=())


def test_it_costs_nothing_after_table_v(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation("table5")(request_, lambda done, total: None)
    monkeypatch.setattr("bigprior.evaluation.tables._our_scores", None)
    results = evaluation("figure7")(replace(request_, baselines=None), lambda done, total: None)
    assert -1 <= results["phi_sigma"]["low"] < results["phi_sigma"]["r"] < results["phi_sigma"]["high"] <= 1


def test_the_gallery_is_a_picture_a_task(request_: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="-o"):
        evaluation("gallery")(request_, lambda done, total: None)
    pytest.importorskip("jpeglib", reason="the extra [jpeg] is not installed")
    monkeypatch.setattr(figures, "load_restorer", lambda name, task, steps: _restorer())
    results = evaluation("gallery")(replace(request_, index=(0, 1), folder=tmp_path / "g"), lambda done, total: None)
    assert {p.stem for p in (tmp_path / "g").iterdir()} == set(results)
    assert all(set(row) == {"0", "1"} for row in results.values())
    for path in (tmp_path / "g").iterdir():
        with Image.open(path) as picture:
            assert picture.width > 2 * picture.height and picture.height > 200


def _restorer() -> Restorer:
    return Restorer(PrecomputedPrior(torch.rand(1, 3, 40, 40)), UNetPhi((4, 6)))

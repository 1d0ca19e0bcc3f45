"""Results as napari's layers, by what npe2 would call; napari itself is not needed."""

import importlib
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from bigprior import Denoising
from bigprior.errors import ImageError
from bigprior.phi import ConstantPhi
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.report.folder import save_restoration
from bigprior.report.napari import layers, reader
from bigprior.restorer import Restorer

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def result():
    """A restoration of 30x20 pixels, a quarter of it made up."""
    y = torch.rand(1, 3, 20, 30)
    restorer = Restorer(PrecomputedPrior(torch.rand_like(y)), ConstantPhi(0.25), provenance={"preset": "none"})
    return restorer.restore(y, Denoising(), seed=7)


def as_array(result):
    """The restored picture (H, W, 3), float32."""
    return result.restored[0].permute(1, 2, 0).numpy()


def test_kept_layers_are_read_exactly(tmp_path, result):
    save_restoration(result, tmp_path / "out", layers="float")
    found = {
        options["name"]: (data, options) for data, options, kind in reader(str(tmp_path / "out"))(str(tmp_path / "out"))
    }
    assert list(found) == [
        f"out: {name}" for name in ("fidelity", "prior", "measured", "hallucinated", "restored", "phi")
    ]
    data, options = found["out: restored"]
    assert np.array_equal(data, as_array(result)) and options["rgb"] and options["visible"]
    assert np.array_equal(found["out: measured"][0] + found["out: hallucinated"][0], data)
    assert found["out: phi"][0].shape == (20, 30) and found["out: phi"][0] == pytest.approx(0.25)
    assert options["metadata"]["bigprior"]["task"] == result.task


def test_without_layers_the_pictures_are_read_and_several_folders_at_once(tmp_path, result):
    for name in ("a", "b"):
        save_restoration(result, tmp_path / name, only=("restored", "phi"))
    found = layers([str(tmp_path / "a"), str(tmp_path / "b" / "restoration.json")])
    assert [options["name"] for _, options, _ in found] == ["a: restored", "a: phi", "b: restored", "b: phi"]
    assert np.abs(found[0][0] - as_array(result)).max() < 1 / 255


def test_what_is_no_folder_of_results_is_left_to_others(tmp_path):
    (tmp_path / "photo.png").touch()
    for path in (str(tmp_path), str(tmp_path / "photo.png"), [str(tmp_path)], "nowhere"):
        assert reader(path) is None
    with pytest.raises(ImageError, match="expected JSON"):
        (tmp_path / "restoration.json").write_text("{")
        layers(str(tmp_path))


def test_the_manifest_names_what_is_there():
    offered = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    package, _, name = offered["napari.manifest"]["bigprior"].partition(":")
    path = REPOSITORY / "src" / package / name
    (line,) = [line for line in path.read_text("utf-8").splitlines() if "python_name" in line]
    module, _, function = line.partition("python_name:")[2].strip().partition(":")
    assert getattr(importlib.import_module(module), function) is reader
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        npe2 = pytest.importorskip("npe2", reason="npe2 is not installed: its own check of the manifest is left out")
        manifest = npe2.PluginManifest.from_file(path)
    assert manifest.name == "bigprior" and manifest.contributions.readers[0].accepts_directories

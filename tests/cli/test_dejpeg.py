"""``bigprior dejpeg``, and its evaluation."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from bigprior import load, read_picture
from bigprior.cli import main
from bigprior.errors import SettingsError
from bigprior.evaluation.protocols import Request, evaluation

pytest.importorskip("jpeglib", reason="the extra [jpeg] is not installed")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    exif = Image.Exif()
    exif[271], exif[274] = "Camera", 6
    picture = Image.fromarray(np.ascontiguousarray(data.astronaut()[30:64, 180:229]))
    picture.save(tmp_path / "photo.jpg", quality=20, exif=exif, icc_profile=None)
    return tmp_path / "photo.jpg"


def exit_code(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["bigprior", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_a_photograph_is_restored_upright_and_its_measurement_kept(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert exit_code(monkeypatch, "dejpeg", photo, "-o", out, "--layers", "float", "--steps", 1) == 0
    restored = read_picture(out / "restored.png")
    assert restored.image.shape == read_picture(photo).image.shape == (1, 3, 49, 34)
    assert restored.metadata.exif is not None and b"Camera" in restored.metadata.exif
    result = load(out)
    assert result.measurement.shape[1] == 384 and bool((result.measurement.round() == result.measurement).all())
    assert exit_code(monkeypatch, "verify", out, "--measurement", photo) == 0


def test_a_file_that_is_no_jpeg_is_refused_by_name_in_one_line(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.open(photo).save(tmp_path / "photo.png")
    assert exit_code(monkeypatch, "dejpeg", tmp_path / "photo.png", "-o", tmp_path / "out") == 2
    said = capsys.readouterr().err.strip()
    assert "photo.png is not a JPEG file" in said.replace("\n", " ") and not (tmp_path / "out").exists()


def test_it_is_measured_beside_the_decoded_file_and_goes_on_from_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.ascontiguousarray(data.astronaut()[30:94, 180:244])).save(tmp_path / "truth.png")
    request = Request(tmp_path, baselines=("tv",), qualities=(10,), steps=2, lines=tmp_path / "lines.jsonl")
    results = evaluation("dejpeg")(request, lambda done, total: None)
    with monkeypatch.context() as patched:
        patched.setattr(import_module("bigprior.evaluation.protocols.dejpeg"), "_scored", None)
        assert evaluation("dejpeg")(request, lambda done, total: None) == results
    scores = results["quality-10"]
    assert set(scores) == {"input", "ours", "tv"} and results["pictures"] == 1
    assert scores["ours"]["psnr"] > scores["input"]["psnr"] + 0.3
    assert scores["ours"]["unchanged"] > 0.95 and 0 < scores["ours"]["share"] < 0.5
    with pytest.raises(SettingsError, match="dejpeg needs --quality"):
        evaluation("dejpeg")(Request(tmp_path), lambda done, total: None)

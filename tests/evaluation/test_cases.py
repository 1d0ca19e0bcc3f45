"""What tables are measured on."""

import math
from pathlib import Path

import pytest
import skimage.data
import torch

from bigprior.degradations import Denoising
from bigprior.errors import ImageError, SettingsError
from bigprior.evaluation.cases import digest_of, jpeg, real_pairs, simulated, white_noise
from bigprior.evaluation.protocols import Request, evaluation
from bigprior.evaluation.protocols.field import awgn
from bigprior.io.arrays import as_picture
from bigprior.io.pictures import write_picture


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    coffee = as_picture(skimage.data.coffee())
    for i in range(2):
        write_picture(tmp_path / f"{i}.png", coffee[..., 100 + i : 164 + i, 200:264])
    return tmp_path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    coffee = as_picture(skimage.data.coffee())[..., :64, :64]
    noise = 0.03 * torch.randn(coffee.shape, generator=torch.Generator().manual_seed(0))
    write_picture(tmp_path / "a_mean.png", coffee)
    write_picture(tmp_path / "a_real.png", coffee + noise)
    return tmp_path


def test_white_noise_is_of_its_level_not_clipped_and_the_same_for_a_name(photos: Path) -> None:
    cases = white_noise(Denoising(), 25 / 255, photos)
    case = cases[1]
    noise = case.y - case.truth
    assert float(noise.std()) == pytest.approx(25 / 255, rel=0.03)
    assert float(case.y.min()) < 0
    assert case.physics.sigma is None and case.sigma == 25 / 255
    assert digest_of(case) == digest_of(white_noise(Denoising(), 25 / 255, photos)[1])
    assert digest_of(case) != digest_of(cases[0])
    assert cases.eight_bits and not simulated("denoising", photos).eight_bits


def test_a_camera_s_pairs_are_found_by_name(pairs: Path) -> None:
    cases = real_pairs(Denoising(), pairs)
    assert (len(cases), cases.names) == (1, ["a"])
    assert cases[0].sigma == pytest.approx(0.03, rel=0.1)
    (pairs / "a_mean.png").unlink()
    with pytest.raises(ImageError, match="holds a_real but no a_mean"):
        real_pairs(Denoising(), pairs)
    (pairs / "a_real.png").rename(pairs / "b.png")
    with pytest.raises(ImageError, match="expected NAME_real and NAME_mean"):
        real_pairs(Denoising(), pairs)


def test_a_worse_jpeg_is_further_from_the_truth(photos: Path) -> None:
    errors = [jpeg(Denoising(), quality, photos)[0].sigma for quality in (10, 50, 95)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("table", ["awgn", "real", "jpeg"])
def test_the_field_s_tables_score_ours_beside_its_parts(table: str, pairs: Path) -> None:
    index = None if table == "real" else (0, 0)
    request = Request(pairs, index, baselines=(), sigma=25, qualities=(10,))
    results = evaluation(table)(request, lambda done, total: None)
    assert set(results) == {"input", "prior", "ours", "pictures"}
    assert results["pictures"] == 1
    assert results["ours"]["psnr"] > results["input"]["psnr"] - 0.01  # nobody learned JPEG
    assert math.isfinite(results["ours"]["seconds"]) and 0 <= results["ours"]["share"] <= 1


@pytest.mark.parametrize(
    ("name", "given"), [("sigma", {}), ("sigma", {"sigma": 300.0}), ("qualities", {"qualities": (0,)})]
)
def test_what_is_missing_or_out_of_range_is_said(name: str, given: dict, photos: Path) -> None:
    table = evaluation("jpeg") if name == "qualities" else awgn
    with pytest.raises(SettingsError, match=name):
        table(Request(photos, **given), lambda done, total: None)

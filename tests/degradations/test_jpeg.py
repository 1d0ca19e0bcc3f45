"""JPEG files: their numbers, the bijection, intervals, and what is made up within them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from bigprior import ImageError, Jpeg, Restorer, SettingsError, read_picture
from bigprior.degradations import OPERATORS
from bigprior.io.arrays import as_picture, to_pil
from bigprior.phi import phi_network
from bigprior.priors.precomputed import PrecomputedPrior

pytest.importorskip("jpeglib", reason="the extra [jpeg] is not installed")

FORMS = {
    "4:2:0": {},
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "progressive": {"progressive": True},
    "grey": {"grey": True},
}


def photo(height: int = 45, width: int = 61) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(data.astronaut()[30 : 30 + height, 180 : 180 + width]))


def stored(file: Path, picture: Image.Image, quality: int = 20, grey: bool = False, **how: object) -> Path:
    (picture.convert("L") if grey else picture).save(file, "JPEG", quality=quality, **how)
    return file


def measured(file: Path) -> tuple[Tensor, Jpeg]:
    return Jpeg().of_file(file, read_picture(file))


def eight_bits(x: Tensor) -> Tensor:
    return (x.clamp(0, 1) * 255).round() / 255


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (16, 32), (45, 61), (17, 8)], ids=str)
@pytest.mark.parametrize("quality", [1, 50, 100])
def test_the_numbers_come_back_from_the_middles_bit_for_bit(
    form: str, size: tuple[int, int], quality: int, tmp_path: Path
) -> None:
    y, physics = measured(stored(tmp_path / "a.jpg", photo(*size), quality, **FORMS[form]))
    fidelity = physics.g_inv(y)
    assert fidelity.shape == (1, 3, *size)
    assert physics.check(y) is y
    assert torch.equal(physics.g(fidelity).view(torch.int32), y.contiguous().view(torch.int32))


@pytest.mark.parametrize("form", FORMS)
def test_the_middles_are_what_a_decoder_shows(form: str, tmp_path: Path) -> None:
    file = stored(tmp_path / "a.jpg", photo(), 50, **FORMS[form])
    y, physics = measured(file)
    off = (physics.g_inv(y).clamp(0, 1) - read_picture(file).image).abs()
    whole = form in ("4:4:4", "grey")  # elsewhere decoders smooth the colours
    assert float(off.max()) < (2.1 / 255 if whole else 0.5)
    assert float(off.mean()) < (0.5 / 255 if whole else 4 / 255)


@pytest.mark.parametrize("form", FORMS)
def test_f_is_what_an_encoder_stores(form: str, tmp_path: Path) -> None:
    picture = photo(48, 64)
    y, physics = measured(stored(tmp_path / "a.jpg", picture, 50, **FORMS[form]))
    x = as_picture((picture.convert("L") if form == "grey" else picture).convert("RGB"))
    assert float((physics.f(x) == y).float().mean()) > 0.99


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_photographs_are_restored_upright(orientation: int, tmp_path: Path) -> None:
    picture, exif = photo(), Image.Exif()
    exif[274] = orientation
    file = stored(tmp_path / "a.jpg", picture, 60, exif=exif)
    y, physics = measured(file)
    assert torch.equal(physics.g(physics.g_inv(y)), y)
    shown = read_picture(file).image
    assert physics.picture_size(y) == shown.shape[2:]
    assert float((physics.g_inv(y) - shown).abs().mean()) < 4 / 255


@pytest.mark.parametrize("form", FORMS)
def test_any_prior_is_brought_into_the_intervals_and_the_parts_sum(form: str, tmp_path: Path) -> None:
    y, physics = measured(stored(tmp_path / "a.jpg", photo(48, 64), 10, **FORMS[form]))
    prior = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    if form == "grey":
        prior = prior[:, :1].expand(-1, 3, -1, -1)
    x = physics.consistent(prior, y)
    assert torch.equal(physics.f(x), y)
    torch.testing.assert_close(physics.consistent(x, y), x, atol=1e-5, rtol=0)
    fused = physics.terms(y, prior, None, 0.0)
    assert torch.equal(fused.measured, physics.g_inv(y))
    torch.testing.assert_close(fused.measured + fused.hallucinated, x)
    for band, numbers in zip(fused.bands, physics.blocks.unpacked(y), strict=True):
        assert (band[numbers == 0] == 1).all() and float(band.min()) >= 0 and float(band.max()) <= 1
    assert float(fused.phi.min()) >= 0 and float(fused.phi.max()) <= 1 and 0 < float(fused.share) < 1


def test_a_prior_that_is_the_middles_makes_nothing_up_but_where_the_numbers_are_0(tmp_path: Path) -> None:
    y, physics = measured(stored(tmp_path / "a.jpg", photo(48, 64), 10))
    fused = physics.terms(y, physics.g_inv(y), None, 0.0)
    assert float(fused.hallucinated.abs().max()) < 1e-5
    assert float(fused.share) < 1e-5


def test_the_truth_is_left_as_it_is_where_it_lies_well_inside(tmp_path: Path) -> None:
    picture = photo(48, 64)
    y, physics = measured(stored(tmp_path / "a.jpg", picture, 10))
    truth = as_picture(picture)
    before, after = ((image - truth).square().mean() for image in (physics.g_inv(y), physics.consistent(truth, y)))
    assert float(after) < 0.1 * float(before)


@pytest.mark.parametrize("quality", [10, 40, 80])
def test_the_error_of_the_middles_is_foreseen(quality: int, tmp_path: Path) -> None:
    picture = photo(192, 192)
    y, physics = measured(stored(tmp_path / "a.jpg", picture, quality))
    error = float((physics.g_inv(y) - as_picture(picture)).square().mean().sqrt())
    assert 0.6 * error < float(physics.noise_in(y).sigma) < 1.6 * error


def test_windows_are_those_of_the_picture(tmp_path: Path) -> None:
    y, physics = measured(stored(tmp_path / "a.jpg", photo(), 30))
    m = physics.measure(y)
    part = m.crop(16, 5, 20, 40)
    assert part.size == (20, 40)
    torch.testing.assert_close(part.fidelity, m.fidelity[:, :, 16:36, 5:45])
    assert torch.equal(part.degradation.g(part.fidelity), part.y)
    assert m.padded(64, 80).size == (64, 80) and m.resized(20, 30).size == (20, 30)
    assert m[0:1].size == m.size


def test_a_restoration_stores_as_the_same_numbers(tmp_path: Path) -> None:
    file = stored(tmp_path / "a.jpg", photo(48, 64), 20)
    y, physics = measured(file)
    prior = PrecomputedPrior(torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(2)) * 0.2 + 0.4)
    result = Restorer(prior, phi_network("constant")).restore(y, physics)
    assert torch.equal(result.restored, result.measured + result.hallucinated)
    tables = [table.flatten().int().tolist() for table in physics.tables[:2]]
    to_pil(eight_bits(result.restored)).save(tmp_path / "b.jpg", qtables=tables)
    assert float((measured(tmp_path / "b.jpg")[0] == y).float().mean()) > 0.95


def test_what_is_no_jpeg_of_grey_or_ycbcr_is_refused_by_name(tmp_path: Path) -> None:
    photo().save(tmp_path / "a.png")
    photo().convert("CMYK").save(tmp_path / "cmyk.jpg")
    photo().save(tmp_path / "rgb.jpg", keep_rgb=True)
    whole = stored(tmp_path / "cut.jpg", photo()).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    said = {"a.png": "not a JPEG", "cmyk.jpg": "of CMYK", "rgb.jpg": "of RGB", "cut.jpg": "truncated or damaged"}
    for name, expected in said.items():
        with pytest.raises(ImageError, match=f"{name}.*{expected}"):
            Jpeg().of_file(tmp_path / name, None)


def test_other_tables_and_numbers_are_refused() -> None:
    for tables in (torch.ones(2, 8, 8), torch.zeros(1, 8, 8)):
        with pytest.raises(SettingsError, match="tables"):
            Jpeg(tables)
    with pytest.raises(SettingsError, match="sampling"):
        Jpeg(sampling=((3, 1), (2, 1), (1, 1)))
    with pytest.raises(ImageError, match="whole numbers"):
        Jpeg().check(torch.full((1, 192, 1, 1), 0.5))
    with pytest.raises(ImageError, match="the picture is 40x40"):
        Jpeg(size=(40, 40)).check(torch.zeros(1, 192, 1, 1))
    with pytest.raises(SettingsError, match="no setting"):
        OPERATORS["jpeg-compression"].from_settings({"quality": 10})

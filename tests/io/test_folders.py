"""Folders of pictures as one tensor."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bigprior.errors import ImageError, SettingsError
from bigprior.io.decoding import SUFFIXES
from bigprior.io.folders import list_pictures, load_set, load_square


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures of 12x10, and what is no picture."""
    rng = np.random.default_rng(0)
    for name in ("b.png", "a.PNG", "d.webp", "c.bmp"):
        picture = Image.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8))
        picture.save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder").mkdir()
    return tmp_path


def test_pictures_come_in_the_order_of_their_names(folder: Path) -> None:
    assert [p.name for p in list_pictures(folder)] == ["a.PNG", "b.png", "c.bmp", "d.webp"]
    assert [p.name for p in list_pictures(folder, (1, 2))] == ["b.png", "c.bmp"]
    assert all(p.suffix.lower() in SUFFIXES for p in list_pictures(folder))


@pytest.mark.parametrize("index", [(0, 4), (4, 5), (3, 1), (-1, 2)])
def test_an_index_that_is_not_there_is_refused(folder: Path, index: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match=f"index is {index[0]}-{index[1]}"):
        list_pictures(folder, index)


def test_what_is_no_folder_of_pictures_is_refused(folder: Path) -> None:
    for wrong in (folder / "absent", folder / "a.PNG"):
        with pytest.raises(ImageError, match="is not a folder"):
            list_pictures(wrong)
    with pytest.raises(ImageError, match=r"no pictures in .*png"):
        list_pictures(folder / "folder")


def test_the_centre_square_at_its_own_size_is_a_crop(folder: Path) -> None:
    squares = load_square(list_pictures(folder), 10)
    assert squares.dtype == torch.uint8
    assert squares.shape == (4, 3, 10, 10)
    with Image.open(folder / "b.png") as picture:
        whole = np.asarray(picture)
    np.testing.assert_array_equal(squares[1].permute(1, 2, 0), whole[:, 1:11])


@pytest.mark.parametrize("resolution", [1, 4, 16])
def test_a_square_of_any_side_keeps_one_colour(tmp_path: Path, resolution: int) -> None:
    Image.new("RGB", (9, 14), (10, 200, 77)).save(tmp_path / "x.png")
    Image.new("L", (9, 9), 33).save(tmp_path / "y.png")
    squares = load_square(list_pictures(tmp_path), resolution)
    for square, colour in zip(squares, ((10, 200, 77), (33, 33, 33)), strict=True):
        assert torch.equal(
            square, torch.tensor(colour, dtype=torch.uint8)[:, None, None].expand(3, resolution, resolution)
        )


def test_a_set_has_its_pictures_and_their_names(folder: Path) -> None:
    pictures = load_set(folder, (1, 3))
    assert pictures.names == ["b", "c", "d"]
    assert len(pictures) == 3
    with Image.open(folder / "b.png") as picture:
        wanted = np.asarray(picture).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(pictures.images[0], wanted, atol=1e-7)
    assert load_set(folder, resolution=4).images.shape == (4, 3, 4, 4)


def test_pictures_of_several_sizes_need_a_resolution(folder: Path) -> None:
    Image.new("RGB", (5, 5)).save(folder / "e.png")
    with pytest.raises(ImageError, match="2 sizes"):
        load_set(folder)
    assert len(load_set(folder, resolution=6)) == 5

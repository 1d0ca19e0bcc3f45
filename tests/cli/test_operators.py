"""``bigprior upscale``, ``deblur`` and ``demosaic``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import coffee

from bigprior.degradations import Demosaicing
from bigprior.io.pictures import read_picture, write_picture


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(coffee()[100:124, 200:220]).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_photo_is_made_larger(program, photo: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, err = program("upscale", photo, "--factor", 3, "--kernel", "box", "--steps", 2, "--sigma", 1)
    folder = photo.parent / "photo-upscaling"
    assert code == 0, err
    assert "made up" in out and read_picture(folder / "restored.png").image.shape[2:] == (72, 60)
    record = json.loads((folder / "restoration.json").read_text())
    assert (record["task"], record["factor"], record["kernel"], record["seed"]) == ("upscaling", 3, "box", 0)
    assert record["agreement"]["rms"] < 2 / 255  # made smaller again it is the photo


def test_a_photo_is_sharpened(program, photo: Path) -> None:  # type: ignore[no-untyped-def]
    np.save(photo.parent / "k.npy", np.ones((3, 3)))
    code, _, err = program("deblur", photo, "--kernel", photo.parent / "k.npy", "--steps", 2)
    folder = photo.parent / "photo-deblurring"
    assert code == 0, err
    assert read_picture(folder / "restored.png").image.shape[2:] == (24, 20)
    assert json.loads((folder / "restoration.json").read_text())["kernel"]["size"] == [3, 3]


@pytest.mark.parametrize("bits", [8, 16])
def test_a_mosaic_is_given_colours_and_can_be_verified(program, photo: Path, bits: int) -> None:  # type: ignore[no-untyped-def]
    x = read_picture(photo).image
    raw, out = photo.parent / "raw.png", photo.parent / "out"
    write_picture(raw, Demosaicing("gbrg").f(x), bits=bits)
    code, said, err = program("demosaic", raw, "--pattern", "gbrg", "--steps", 2, "-o", out, "--layers", "float")
    assert code == 0, err
    restored = read_picture(out / "restored.png")
    assert (restored.bits, restored.is_grey) == (bits, False) and "made up" in said
    assert (restored.image - x).abs().mean() < 0.05
    record = json.loads((out / "restoration.json").read_text())
    assert (record["pattern"], record["noise"]) == ("gbrg", "found") and record["agreement"]["rms"] < 3 / 255
    assert program("verify", out, "--measurement", raw)[0] == 0
    audited = ("audit", "--input", raw, "--restored", out / "restored.png", "--task", "demosaic")
    code, said, err = program(*audited, "--set", "pattern=gbrg", "-o", photo.parent / "audit")
    assert code == 0, err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("deblur",), "deblur needs to know the blur, and none says what it is"),
        (("deblur", "--gauss", 1, "--motion", "5,0"), "--gauss and --motion both say what it is"),
        (("deblur", "--gauss", -1), "gauss is -1.0: expected a standard deviation in pixels"),
        (("deblur", "--motion", "far"), "motion is 'far': expected LENGTH,ANGLE"),
        (("deblur", "--kernel", "none.npy"), "kernel none.npy cannot be read"),
        (("upscale", "--factor", 1), "factor is 1: expected a whole number"),
        (("upscale", "--kernel", "sinc"), "kernel is 'sinc': expected bicubic, box, gauss, or a file"),
        (("upscale", "--sigma", 300), "sigma is 300.0: expected a noise level of 0 to 255"),
        (("upscale", "--seed", 3), "so --seed says nothing"),
        (("demosaic",), "photo.png: it has colours, so it is no mosaic"),
        (("demosaic", "--pattern", "rgb"), "pattern is 'rgb': expected one of rggb, grbg, gbrg, bggr"),
        (("demosaic", "--sigma", "much"), "--sigma is 'much': expected a noise level on the 0..255 scale, or auto"),
    ],
    ids=str,
)
def test_what_says_nothing_is_one_line(program, photo: Path, arguments, said: str) -> None:  # type: ignore[no-untyped-def]
    code, _, err = program(arguments[0], photo, *arguments[1:])
    assert code == 2 and said in " ".join(err.split()) and list(photo.parent.iterdir()) == [photo]

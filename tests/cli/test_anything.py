"""Any picture and any options: results and exit code 0, or one line and exit code 2; nothing else, and nothing lost.

Some cases run always; two thousand do where tests may take minutes.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bigprior.io.pictures import read_picture
from bigprior.report.output import PARTS

SIDES = st.integers(1, 24) | st.just(12)
#: Of Pillow's modes, those that a format can hold.
MODES = {
    "png": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "jpg": ("L", "RGB", "CMYK"),
    "webp": ("RGB", "RGBA"),
    "avif": ("L", "RGB", "RGBA"),
    "bmp": ("1", "L", "P", "RGB"),
    "gif": ("L", "P", "RGB"),
    "tif": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"),
}
SUFFIXES = st.sampled_from(["", "", ".png", ".jpg", ".TIF", ".webp", ".txt"])


@st.composite
def pictures(draw: st.DrawFn) -> tuple[str, bytes]:
    """The name and the bytes of a file that is a picture, or was one."""
    kind = draw(st.sampled_from([*MODES, "deep.png", "deep.tif", "channels.tif"]))
    height, width, seed = draw(SIDES), draw(SIDES), draw(st.integers(0, 99))
    rng, file = np.random.default_rng(seed), io.BytesIO()
    if kind == "deep.png":
        data = imagecodecs.png_encode(rng.integers(0, 2**16, (height, width, draw(st.integers(1, 4))), dtype=np.uint16))
        file.write(bytes(data))
    elif kind.endswith(".tif"):
        channels = draw(st.integers(1, 7) if kind == "channels.tif" else st.integers(3, 4))
        dtype = draw(st.sampled_from([np.uint8, np.uint16, np.float32, np.int16, np.uint32]))
        values = (rng.random((height, width, channels)) * draw(st.sampled_from([1, 255]))).astype(dtype)
        rgb: dict[str, Any] = {"photometric": "rgb"} if channels > 2 else {"photometric": "minisblack"}
        tifffile.imwrite(file, values, planarconfig="contig" if channels > 1 else None, metadata=None, **rgb)
    else:
        mode = draw(st.sampled_from(MODES[kind]))
        base = Image.fromarray(rng.integers(0, 256, (height, width, 4), dtype=np.uint8), "RGBA")
        image = base.convert("RGB").convert("L").convert(mode) if mode in ("I;16", "F", "LA") else base.convert(mode)
        more: dict[str, Any] = {}
        if draw(st.booleans()) and kind in ("png", "webp", "gif", "tif") and mode not in ("I;16", "F"):
            more = {"save_all": True, "append_images": [image.rotate(180)]}
        if draw(st.booleans()) and kind in ("png", "jpg", "webp"):
            exif = Image.Exif()
            exif[274] = draw(st.integers(0, 9))
            more["exif"] = exif
        image.save(file, {"jpg": "JPEG", "tif": "TIFF"}.get(kind, kind.upper()), **more)
    data = bytearray(file.getvalue())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):  # a damaged one now and then
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    if draw(st.integers(0, 9)) == 0:
        del data[draw(st.integers(0, len(data))) :]
    name = draw(st.sampled_from(["photo", "a photo [1]", ":smile:", "-x", "ü"]))
    return name + (draw(SUFFIXES) or "." + kind), bytes(data)


@st.composite
def options(draw: st.DrawFn) -> list[str]:
    """Some that say something, and some that do not."""
    words: list[str] = []
    for option, values in (
        ("--only", ["restored", "phi", "restored,fidelity,prior", "panel", "", "nonesuch", ",".join(PARTS)]),
        ("--format", ["png", "tiff", "jpg", "webp", "gif", ""]),
        ("--layers", ["none", "half", "float", "all"]),
        ("--page", ["1", "2", "0", "-1", "x"]),
        ("--seed", ["0", "7", "-1", str(2**64)]),
        ("--samples", ["2", "0"]),
        ("--rho", ["0", "inf", "-1"]),
        ("--steps", ["2", "0", "-3"]),
        ("--budget", ["1s", "0s", "soon", "1e9min"]),
        ("--frame", ["pixel", "wavelet", "none"]),
        ("--device", ["cpu", "abacus"]),
    ):
        if draw(st.integers(0, 4)) == 0:
            words += [option, draw(st.sampled_from(values))]
    return words + draw(st.sampled_from([[], [], ["--overwrite"]]))


@st.composite
def tasks(draw: st.DrawFn) -> list[str]:
    """A command, with what it needs, or without."""
    task = draw(st.sampled_from(["denoise", "denoise", "colorize", "inpaint", "restore"]))
    more = {
        "denoise": [
            [],
            ["--sigma", "20"],
            ["--sigma", "nan"],
            ["--strength", "3"],
            ["--linear"],
            ["--no-impulses", "--no-banding"],
        ],
        "colorize": [[], ["--force"], ["--hints", "mask.png"]],
        "inpaint": [
            ["--find-hole"],
            ["--mask", "mask.png"],
            ["--mask", "none.png"],
            ["--mask", "mask.png", "--grow", "2"],
            ["--mask", "mask.png", "--invert-mask"],
            ["--mask", "alpha"],
            ["--find", "dust"],
            ["--find", "text"],
            [],
        ],
        "restore": [
            ["--degradation", "denoise", "--set", "sigma=9"],
            ["--degradation", "denoise", "--set", "linear=true", "--strength", "0.5"],
            ["--degradation", "colorize", "--strength", "2"],
            ["--degradation", "denoise", "--grain", "coarse"],
            ["--degradation", "x"],
            ["--degradation", "denoise", "--set", "sigma"],
        ],
    }
    return [task, *draw(st.sampled_from(more[task]))]


def held(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in folder.rglob("*")
    }


def check(run: Any, here: Path, photo: tuple[str, bytes], task: list[str], words: list[str], place: str) -> None:
    (here / photo[0]).write_bytes(photo[1])
    mask = np.full((12, 12), 255, np.uint8)
    mask[3:6, 3:6] = 0
    Image.fromarray(mask).save(here / "mask.png")
    if "full" in place:
        (here / "full").mkdir()
        (here / "full" / "restored.png").write_bytes(photo[1])
    before = held(here)
    words = [str(here / word) if word.endswith("mask.png") else word for word in [*task, *words]]
    words += ["--preset", "tiny", "-o", str(here / place)] + ([] if "--steps" in words else ["--steps", "1"])
    code, out, err = run(words[0], here / photo[0], *words[1:])
    after = held(here)
    assert {name: after.get(name) for name in before} == before, "something was changed"
    new = after.keys() - before.keys()
    assert not any(".bigprior" in name for name in new)
    assert "Traceback" not in out + err
    if code == 0:
        assert err == "" and f"{place}/restoration.json" in new and out.count("made up") == 1
        for name in new:
            if name.endswith(("restored.png", "restored.tif", "restored.jpg", "restored.webp")):
                read_picture(here / name)
    else:
        assert (code, out) == (2, "") and err.startswith("bigprior: ") and err.count("\n") == 1, (code, out, err)
        assert "not foreseen" not in err and not new


EVERY = given(pictures(), tasks(), options(), st.sampled_from(["out", "deep/er/out", "full"]))


@settings(max_examples=12)
@EVERY
def test_some_pictures_and_options(run, tmp_path_factory, picture, task, words, place):
    check(run, tmp_path_factory.mktemp("any"), picture, task, words, place)


@pytest.mark.slow
@settings(max_examples=2000, derandomize=False)
@EVERY
def test_any_pictures_and_options(run, tmp_path_factory, picture, task, words, place):
    check(run, tmp_path_factory.mktemp("any"), picture, task, words, place)

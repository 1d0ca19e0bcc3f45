"""What the commands of the tasks write, and that nothing they meet is lost."""

import errno
import json
import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from PIL import ExifTags, Image

from bigprior.degradations import DEGRADATIONS, Degradation
from bigprior.io.layers import read_layers
from bigprior.io.pictures import read_picture, write_picture

QUICK = ["--preset", "tiny", "--steps", 1]
BRIEF = [*QUICK, "--only", "restored"]


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_photo_among_results_is_not_overwritten(run, tmp_path):
    same = tmp_path / "same"
    write_picture(same / "restored.png", torch.rand(1, 3, 30, 40))
    before = (same / "restored.png").read_bytes()
    for more in ([], ["--overwrite"]):
        code, _, err = run("denoise", same / "restored.png", *QUICK, "-o", same, *more)
        assert code == 2 and "restored.png is in" in err and err.count("\n") == 1
        assert files(same) == {"restored.png"} and (same / "restored.png").read_bytes() == before
    assert run("denoise", same / "restored.png", *BRIEF)[0] == 0  # beside it, named by the task
    assert files(same) == {f"{n}" for n in ("restored.png", "restored-denoising/restored.png")} | {
        "restored-denoising/restoration.json"
    }


def test_results_are_replaced_only_if_they_can_go(run, photo, tmp_path):
    assert run("denoise", photo, *BRIEF)[0] == 0
    assert run("colorize", photo, *BRIEF)[0] == 0  # another task, another folder
    restored = tmp_path / "photo-denoising" / "restored.png"
    old = restored.read_bytes()
    code, _, err = run("denoise", photo, *BRIEF, "--sigma", 50)
    assert code == 2 and "photo-denoising holds results already" in err and restored.read_bytes() == old
    assert run("denoise", photo, *QUICK, "--only", "phi", "--overwrite")[0] == 0
    assert files(restored.parent) == {"phi.png", "restoration.json"}
    (restored.parent / "notes.txt").touch()
    code, _, err = run("denoise", photo, *BRIEF, "--overwrite")
    assert code == 2 and "notes.txt, which is no result of ours" in err
    assert files(restored.parent) == {"phi.png", "restoration.json", "notes.txt"}


def test_of_several_photos_none_is_begun_if_one_has_results(run, photo, tmp_path):
    write_picture(tmp_path / "other.png", torch.rand(1, 3, 30, 40))
    assert run("denoise", tmp_path / "other.png", *BRIEF, "-o", tmp_path / "out" / "other")[0] == 0
    before = files(tmp_path)
    code, _, err = run("denoise", photo, tmp_path / "other.png", *BRIEF, "-o", tmp_path / "out")
    assert code == 2 and "holds results already" in err and files(tmp_path) == before


def test_only_what_was_asked_for_is_written(run, photo, tmp_path):
    assert run("denoise", photo, *QUICK, "--only", "restored, phi", "--layers", "half", "-o", tmp_path / "a")[0] == 0
    assert files(tmp_path / "a") == {"restored.png", "phi.png", "layers.tif", "restoration.json"}
    assert run("denoise", photo, *QUICK, "-o", tmp_path / "b")[0] == 0
    assert "layers.tif" not in files(tmp_path / "b")
    for option, value, said in (
        ("--only", "restored,ph", "only is 'ph': expected restored"),
        ("--only", ",", "nothing to write"),
        ("--format", "gif", "format is 'gif': expected png"),
        ("--layers", "double", "layers is 'double': expected none"),
    ):
        code, _, err = run("denoise", photo, *QUICK, option, value, "-o", tmp_path / "c")
        assert code == 2 and said in err and err.count("\n") == 1 and not (tmp_path / "c").exists()


def test_layers_sum_to_the_restored_picture(run, photo, tmp_path):
    for name in ("float", "half"):
        assert run("denoise", photo, *QUICK, "--only", "restored", "--layers", name, "-o", tmp_path / name)[0] == 0
    exact, half = (read_layers(tmp_path / name / "layers.tif") for name in ("float", "half"))
    assert torch.equal(exact["measured"] + exact["hallucinated"], exact["restored"])
    assert ((half["measured"] + half["hallucinated"]) - exact["restored"]).abs().max() <= 2**-11
    assert torch.equal(half["phi"], exact["phi"].half().float())
    sizes = [(tmp_path / name / "layers.tif").stat().st_size for name in ("half", "float")]
    assert sizes[0] < 0.6 * sizes[1]


def test_phi_is_a_picture_that_can_be_laid_over_the_restored_one(run, photo, mask, tmp_path):
    assert run("inpaint", photo, "--mask", mask, *QUICK, "-o", tmp_path / "out")[0] == 0
    phi, restored, known = (
        read_picture(p).image for p in (*(tmp_path / "out" / f"{n}.png" for n in ("phi", "restored")), mask)
    )
    assert torch.equal(phi, 1 - known) and phi.shape == restored.shape  # white = made up


def test_the_format_is_chosen(run, photo, tmp_path):
    for name, suffix, kind in (
        ("png", "png", "PNG"),
        ("tiff", "tif", "TIFF"),
        ("jpg", "jpg", "JPEG"),
        ("webp",) * 2 + ("WEBP",),
    ):
        assert run("denoise", photo, *QUICK, "--format", name, "-o", tmp_path / name)[0] == 0
        with Image.open(tmp_path / name / f"restored.{suffix}") as picture:
            assert picture.format == kind and picture.size == (40, 30)
        assert {f"{part}.{suffix}" for part in ("restored", "fidelity", "prior")} < files(tmp_path / name)
        assert {"phi.png", "heatmap.png", "panel.png"} < files(tmp_path / name)


def test_what_a_format_does_not_hold_is_said(run, tmp_path):
    write_picture(tmp_path / "deep.png", torch.rand(1, 3, 20, 17), bits=16)
    code, out, _ = run("denoise", tmp_path / "deep.png", *BRIEF, "--format", "webp", "-o", tmp_path / "out")
    assert code == 0 and "8 bits a channel; the photo has 16" in out
    write_picture(tmp_path / "clear.png", torch.rand(1, 3, 20, 17), alpha=torch.rand(1, 1, 20, 17))
    code, _, err = run("denoise", tmp_path / "clear.png", *BRIEF, "--format", "jpg", "-o", tmp_path / "clear")
    assert code == 2 and "has alpha, which jpg does not hold" in err and not (tmp_path / "clear").exists()


@pytest.mark.parametrize("part", ["restored", "heatmap", "layers"])
def test_a_full_disk_leaves_nothing(run, photo, tmp_path, monkeypatch, part):
    before = files(tmp_path)
    place = {"restored": "write_picture", "heatmap": "save_figure", "layers": "write_layers"}[part]

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    from bigprior.io import pictures
    from bigprior.report import folder

    if part == "restored":
        monkeypatch.setattr(pictures.imagecodecs, "png_encode", full)
    elif part == "heatmap":
        monkeypatch.setattr(folder.FigureCanvasAgg, "print_png", full)
    else:
        monkeypatch.setattr("tifffile.TiffWriter.write", full)
    code, _, err = run("denoise", photo, *QUICK, "--layers", "float", "-o", tmp_path / "new" / "out")
    assert code == 2 and "No space left on device" in err and err.count("\n") == 1, place
    assert files(tmp_path) == before and not (tmp_path / "new").exists()


def test_what_the_photo_says_is_said_of_the_restored_picture(run, tmp_path):
    said = Image.Exif()
    said[ExifTags.Base.Make], said[ExifTags.Base.Orientation] = "Maker", 6
    Image.new("RGB", (40, 30), (90, 60, 30)).save(tmp_path / "a.jpg", exif=said, dpi=(300, 300))
    for name in ("png", "tiff", "jpg", "webp"):
        assert run("denoise", tmp_path / "a.jpg", *BRIEF, "--format", name, "-o", tmp_path / name)[0] == 0
        with Image.open(next((tmp_path / name).glob("restored.*"))) as restored:
            again = restored.getexif()
            assert restored.size == (30, 40) and again[ExifTags.Base.Make] == "Maker"
            assert again.get(ExifTags.Base.Orientation, 1) == 1
            assert name == "webp" or tuple(map(round, restored.info["dpi"])) == (300, 300)


def test_a_page_is_chosen_or_the_file_refused(run, tmp_path):
    pages = [Image.new("RGB", (40, 30), (grey, grey, grey)) for grey in (50, 150)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    code, _, err = run("denoise", tmp_path / "a.tif", *BRIEF, "-o", tmp_path / "out")
    assert code == 2 and "holds 2 pages" in err and "--page 1 to 2" in err and err.count("\n") == 1
    code, _, err = run("denoise", tmp_path / "a.tif", *BRIEF, "-o", tmp_path / "out", "--page", 3)
    assert code == 2 and "page is 3" in err and not (tmp_path / "out").exists()
    code, *_ = run("denoise", tmp_path / "a.tif", *QUICK, "--only", "fidelity", "-o", tmp_path / "out", "--page", 2)
    assert code == 0 and (255 * read_picture(tmp_path / "out" / "fidelity.tif").image).round().unique() == 150


def test_several_answers_are_saved_side_by_side(run, photo, tmp_path):
    options = [*QUICK, "--seed", 5, "--only", "restored,panel"]
    assert run("denoise", photo, *options, "--samples", 3, "-o", tmp_path / "out")[0] == 0
    names = {"restored.png", "restored-2.png", "restored-3.png", "panel.png", "samples.png", "restoration.json"}
    assert files(tmp_path / "out") == names
    made = json.loads((tmp_path / "out" / "restoration.json").read_text())
    assert set(made["files"]) == names - {"restoration.json"} and [one["seed"] for one in made["samples"]] == [5, 6, 7]
    assert made["seed"] == 5 and made["made_up"] == made["samples"][0]["made_up"]
    first, second = (read_picture(tmp_path / "out" / f"restored{n}.png").image for n in ("", "-2"))
    assert not torch.equal(first, second)
    assert run("denoise", photo, *BRIEF, "--seed", 6, "-o", tmp_path / "alone")[0] == 0
    assert torch.equal(second, read_picture(tmp_path / "alone" / "restored.png").image)


def test_the_embedded_denoiser_draws_samples_of_what_it_answers_else_at_once(run, photo, mask, tmp_path):
    sampled = ["--samples", 2, "--steps", 2, "--only", "restored"]
    assert run("inpaint", photo, "--mask", mask, *sampled, "-o", tmp_path / "out")[0] == 0
    first, second = (read_picture(tmp_path / "out" / f"restored{n}.png").image for n in ("", "-2"))
    known = (read_picture(mask).image == 1).expand_as(first)
    assert torch.equal(first[known], second[known]) and not torch.equal(first, second)
    inpaint = ("inpaint", photo, "--mask", mask)
    for task, option, value in ((("denoise", photo), "--seed", 3), (inpaint, "--steps", 3)):
        code, _, err = run(*task, option, value, "-o", tmp_path / "none")
        assert code == 2 and f"{option}" in err and "leave" in err and not (tmp_path / "none").exists()
    drawn = []
    for i, seed in enumerate((3, 3, 4)):  # a wide hole is filled from one draw
        assert run(*inpaint, "--seed", seed, "--only", "restored", "-o", tmp_path / f"drawn{i}")[0] == 0
        drawn.append(read_picture(tmp_path / f"drawn{i}" / "restored.png").image)
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn[0][known], drawn[2][known])


STOPPED = """
import os, signal, sys, threading
from bigprior import jobs
from bigprior.cli import main
from bigprior.io import pictures
number = getattr(signal, sys.argv.pop(1))
def stop(*_, **__):
    os.kill(os.getpid(), number)
    threading.Event().wait(60)
if sys.argv.pop(1) == "writing":
    pictures.imagecodecs.png_encode = stop
else:
    jobs.check = stop
sys.argv[0] = "bigprior"
main()
"""


@pytest.mark.parametrize(("number", "code", "when"), [("SIGINT", 130, "writing"), ("SIGTERM", 143, "reading")])
def test_a_signal_is_one_line_and_leaves_nothing_half(photo, home, tmp_path, number, code, when):
    before = files(tmp_path)
    words = ["denoise", str(photo), *map(str, QUICK), "-o", str(tmp_path / "new" / "out")]
    env = os.environ | {"BIGPRIOR_HOME": str(home)}
    command = [sys.executable, "-c", STOPPED, number, when, *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "bigprior: interrupted\n")
    assert files(tmp_path) == before and not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["denoise", "--seed", "-1"], "seed is -1: expected 0 or more"),
        (["denoise", "--seed", str(2**63)], "seed is 9223372036854775808"),
        (["denoise", "--samples", "0"], "samples is 0: expected at least 1"),
        (["colorize", "--rho", "inf", "--preset", "photographs"], "rho is inf: expected a number"),
        (["colorize", "--rho", "nan", "--preset", "photographs"], "rho is nan: expected a number"),
        (["denoise", "--rho", "0.1"], "rho says nothing to the unet network"),
        (["denoise", "--sigma", "nan"], "sigma is nan"),
        (["denoise", "--strength", "inf"], "strength is inf"),
        (["denoise", "--page", "2"], "page is 2 but"),
        (["restore", "--degradation", "inpainting", "--set", "mask=mask.png", "--rho", "0"], "rho says nothing"),
    ],
)
def test_numbers_that_say_nothing_are_refused_by_name(run, photo, mask, tmp_path, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    task, *more = options
    own = more if "--preset" in more else [*more, *map(str, QUICK)]
    code, out, err = run(task, photo, *own, "-o", tmp_path / "out")
    assert (code, out) == (2, "") and said in err and err.count("\n") == 1 and not (tmp_path / "out").exists()


class Larger(Degradation):
    """Another package's, which believes what it is told, and fails later."""

    name = "larger"
    verb = "enlarge"
    placement = "tiles"

    def __init__(self, size: Any = None) -> None:
        super().__init__()
        if size == "odd":
            raise ValueError("two\nlines")
        self.size = size

    def picture_size(self, y):
        height, width = self.size or y.shape[2:]
        return height, width


@pytest.mark.parametrize(
    ("value", "said"),
    [("3", "larger with size=3 cannot take"), ("odd", "larger does not take size=odd (two lines)")],
)
def test_a_bad_setting_of_another_packages_degradation_is_one_clear_line(
    run, home, photo, tmp_path, request, value, said
):
    DEGRADATIONS.register("larger")(Larger)
    request.addfinalizer(lambda: DEGRADATIONS.remove("larger"))
    options = ["--phi", home / "phi.safetensors", *QUICK, "-o", tmp_path / "out"]
    code, _, err = run("restore", photo, "--degradation", "enlarge", "--set", f"size={value}", *options)
    assert code == 2 and said in err and err.count("\n") == 1 and "not foreseen" not in err
    assert not (tmp_path / "out").exists()

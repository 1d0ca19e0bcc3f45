"""What the commands of the tasks write, and that nothing they meet is lost."""

import errno

import pytest
import torch
from PIL import ExifTags, Image

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

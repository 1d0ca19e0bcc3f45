"""Batches as a person runs them: folders, lists, shares, masks by name, failures, and what comes of a killed one."""

import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from bigprior.io.pictures import read_picture, write_picture
from bigprior.report.record import sha256_of

#: What takes no time: no noise is looked for, and the prior is a picture.
BRIEF = ["--frame", "pixel", "--sigma", 20, "--no-impulses", "--no-banding", "--prior"]


@pytest.fixture
def quick(tmp_path):
    """Options of a batch of pictures that are 24 wide and 20 high."""
    write_picture(tmp_path / "prior.png", torch.rand(1, 3, 20, 24))
    return [*BRIEF, tmp_path / "prior.png"]


@pytest.fixture(autouse=True)
def _same_time(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.fixture
def photos(tmp_path):
    """Six photographs of several formats in folders, with a file and a folder that are none of them."""
    rng = torch.Generator().manual_seed(7)
    for name in ("a.png", "b.jpg", "c.webp", "old/a.tif", "old/d.png", "old/deep/e.jpg"):
        write_picture(tmp_path / "photos" / name, torch.rand(1, 3, 20, 24, generator=rng))
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    write_picture(tmp_path / "photos" / ".hidden" / "f.png", torch.rand(1, 3, 20, 24))
    return tmp_path / "photos"


def files(folder, *but):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - set(but)


def hashes(folder):
    return {name: sha256_of(folder / name) for name in files(folder) if not name.startswith("manifest")}


def rows(folder):
    paths = sorted(folder.glob("manifest*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def test_a_folder_is_restored_into_one_like_it(run, photos, quick, tmp_path):
    code, out, err = run("denoise", photos, *quick)
    assert (code, err) == (0, "") and "6 restored, 0 failed" in out and "photos-denoising" in out
    made = tmp_path / "photos-denoising"
    names = {"a.png", "b.jpg", "c.webp", "old/a.tif", "old/d.png", "old/deep/e.jpg"}
    records = {name.rpartition(".")[0] + ".json" for name in names}
    assert files(made, "manifest.parquet") == names | records | {"manifest.jsonl"}
    for name, kind in (("b.jpg", "JPEG"), ("c.webp", "WEBP")):
        with Image.open(made / name) as picture:
            assert picture.format == kind
    listed = {row["name"]: row for row in rows(made)}
    assert len(rows(made)) == 6 and set(listed) == {name.rpartition(".")[0] for name in names}
    row = listed["old/a"]
    assert row["input"] == str(photos / "old" / "a.tif") and row["sha256"] == sha256_of(photos / "old" / "a.tif")
    assert row["output"] == "old/a.tif" and row["output_sha256"] == sha256_of(made / "old" / "a.tif")
    record = json.loads((made / "old" / "a.json").read_text())
    assert row["share"] == pytest.approx(record["made_up"], abs=1e-6) and row["seconds"] > 0 and row["error"] is None
    alone = ["--only", "restored", "-o", tmp_path / "alone"]
    assert run("denoise", photos / "old" / "a.tif", *quick, *alone)[0] == 0
    assert (tmp_path / "alone" / "restored.tif").read_bytes() == (made / "old" / "a.tif").read_bytes()


def test_parts_lie_beside_or_in_folders(run, photos, quick, tmp_path):
    more = ["--only", "restored,phi", "-o"]
    assert run("denoise", photos / "old", *quick, *more, tmp_path / "beside")[0] == 0
    assert {"a.tif", "a.phi.png", "a.json", "deep/e.jpg", "deep/e.phi.png"} <= files(tmp_path / "beside")
    assert run("denoise", photos / "old", *quick, "--folders", *more, tmp_path / "each")[0] == 0
    assert {"a/restored.tif", "a/phi.png", "a/restoration.json", "deep/e/restored.jpg"} <= files(tmp_path / "each")
    assert run("verify", tmp_path / "each" / "a", "--measurement", photos / "old" / "a.tif")[0] == 0
    assert (tmp_path / "each/a/phi.png").read_bytes() == (tmp_path / "beside/a.phi.png").read_bytes()


def test_patterns_lists_and_shares(run, photos, quick, tmp_path, monkeypatch):
    assert run("denoise", f"{photos}/*/*.png", f"{photos}/[bc].*", *quick, "-o", tmp_path / "glob")[0] == 0
    assert {row["name"] for row in rows(tmp_path / "glob")} == {"b", "c", "old/d"}
    listed = "\n".join(str(photos / name) for name in ("old/a.tif", "a.png", "old/a.tif"))
    (tmp_path / "list").write_text(listed + "\n\n")
    assert run("denoise", *quick, "--from-file", tmp_path / "list", "-o", tmp_path / "list-out")[0] == 0
    assert [row["name"] for row in rows(tmp_path / "list-out")] == ["a", "old/a"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(listed.replace("\n", "\0").encode())))
    assert run("denoise", *quick, "--from-file", "-", "-o", tmp_path / "zero")[0] == 0
    assert hashes(tmp_path / "zero") == hashes(tmp_path / "list-out")

    for share in ("1/2", "2/2"):
        assert run("denoise", photos, *quick, "-o", tmp_path / "shares", "--shard", share)[0] == 0
    assert run("denoise", photos, *quick, "-o", tmp_path / "whole")[0] == 0
    assert hashes(tmp_path / "shares") == hashes(tmp_path / "whole")
    assert {path.name for path in (tmp_path / "shares").glob("*.jsonl")} == {
        "manifest-1-of-2.jsonl",
        "manifest-2-of-2.jsonl",
    }
    assert len(rows(tmp_path / "shares")) == 6
    for name, value in (("ID", 8), ("MIN", 2), ("MAX", 8), ("COUNT", 3)):  # sbatch --array=2-8:3
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
    assert run("denoise", photos, *quick, "-o", tmp_path / "slurm", "--shard", "slurm")[0] == 0
    assert [row["name"] for row in rows(tmp_path / "slurm")] == ["c", "old/deep/e"]


def test_masks_by_name(run, photos, quick, tmp_path):
    for i, name in enumerate(("a", "b", "c", "old/a", "old/d", "old/deep/e")):
        lost = torch.zeros(1, 1, 20, 24)
        lost[..., 2 * i : 2 * i + 3, 5:9] = 1
        write_picture(tmp_path / "masks" / f"{name}.png", lost)
    options = ["--mask", tmp_path / "masks", "--invert-mask", "--only", "restored,phi", "-o", tmp_path / "out"]
    quick = quick[-2:]  # the prior alone
    assert run("inpaint", photos, *quick, *options)[0] == 0
    for name in ("a", "old/a", "old/deep/e"):
        phi, mask = (read_picture(tmp_path / f"{at}.png").image for at in (f"out/{name}.phi", f"masks/{name}"))
        assert torch.equal(phi, mask), name
    (tmp_path / "masks" / "old" / "a.png").unlink()  # then that of the other a, whose folder is no other's
    (tmp_path / "masks" / "old" / "d.png").unlink()
    code, _, err = run("inpaint", photos, *quick, *options, "--overwrite", "--keep-going")
    assert code == 1 and "old/d.png: " in err and "holds 0 pictures called d: expected one, the mask of d.png" in err
    assert err.count("\n") == 1


def broken(folder: Path) -> set[str]:
    """Files that are no usable pictures, of every kind."""
    whole = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 60, 30)).save(whole, "PNG")
    pages = [Image.new("RGB", (40, 30), (grey,) * 3) for grey in (50, 150)]
    folder.mkdir(exist_ok=True)
    (folder / "x1.png").write_text("no picture")
    (folder / "x2.png").write_bytes(whole.getvalue()[:90])
    (folder / "x3.jpg").touch()
    (folder / "x4.png").mkdir()
    pages[0].save(folder / "x5.tif", save_all=True, append_images=pages[1:])
    (folder / "x6.png").symlink_to("nowhere.png")
    (folder / "x7.webp").write_bytes(b"RIFF\0\0\0\0WEBPVP8 ")
    huge = bytearray(whole.getvalue())
    huge[16:24] = (200_000).to_bytes(4) * 2
    (folder / "x8.png").write_bytes(huge)
    os.mkfifo(folder / "x9.png")
    return {f"x{i}" for i in (1, 2, 3, 5, 6, 7, 8, 9)}  # a folder is looked into, and holds nothing


def test_a_hostile_batch(run, photos, quick, tmp_path):
    for i in range(66):
        shutil.copy(photos / "a.png", photos / f"copy-{i:02d}.png")
    bad = broken(photos)
    code, out, err = run("denoise", photos, *quick, "-o", tmp_path / "out", "--keep-going")
    assert code == 1 and f"72 restored, {len(bad)} failed" in out
    assert err.count("\n") == len(bad) and all(
        line.startswith("bigprior: ") and f"{photos}/x" in line for line in err.splitlines()
    )
    failed = [row for row in rows(tmp_path / "out") if row["error"] is not None]
    assert sorted(row["name"] for row in failed) == sorted(bad) and len(rows(tmp_path / "out")) == 72 + len(bad)
    assert all("\n" not in row["error"] and "not foreseen" not in row["error"] for row in failed)
    assert not {name.split(".")[0] for name in files(tmp_path / "out")} & bad

    code, _, err = run("denoise", photos, *quick, "-o", tmp_path / "first")  # no one said to go on
    assert code == 2 and "--keep-going" in err and err.count("\n") == 1
    Image.new("RGB", (24, 20)).save(photos / "x1.png")
    code, out, _ = run("denoise", photos, *quick, "-o", tmp_path / "out", "--keep-going", "--resume")
    assert code == 1 and f"73 restored, 72 of them before, {len(bad) - 1} failed" in out
    assert len(rows(tmp_path / "out")) == 72 + len(bad)  # still a line each


def test_what_there_is_is_not_replaced_unasked(run, photos, quick, tmp_path):
    out = ["-o", tmp_path / "out"]
    assert run("denoise", photos, *quick, *out)[0] == 0
    code, _, err = run("denoise", photos, *quick, *out)
    assert code == 2 and "holds a batch already: --resume" in err
    code, _, err = run("denoise", photos, *quick, *out, "--resume", "--sigma", 30)
    assert code == 2 and "made with other options" in err
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")}
    (tmp_path / "out" / "a.png").unlink()  # what is gone is made again
    write_picture(photos / "b.jpg", torch.rand(1, 3, 20, 24))  # what has changed too
    code, said, _ = run("denoise", photos, *quick, *out, "--resume")
    assert code == 0 and "6 restored, 4 of them before" in said and len(rows(tmp_path / "out")) == 6
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")}
    assert {path for path in before if before[path] != after[path]} == {tmp_path / "out" / "a.png"}
    assert run("denoise", photos, *quick, *out, "--overwrite", "--sigma", 30)[0] == 0
    for place in (photos, photos / "old"):
        code, _, err = run("denoise", photos, *quick, "-o", place)
        assert code == 2 and "which is of no batch" in err
    write_picture(photos / "a.tif", torch.rand(1, 3, 20, 24))
    code, _, err = run("denoise", photos, *quick, "-o", tmp_path / "new")
    assert code == 2 and "would both be written to a" in err and not (tmp_path / "new").exists()


def test_bad_options_of_batches_are_one_line(run, photos, quick, tmp_path, monkeypatch):
    monkeypatch.setattr("bigprior.cli.batches.find_spec", lambda name: None)
    for words, said in (
        (["denoise"], "no pictures"),
        (["denoise", photos, "--shard", "0/3"], "--shard is '0/3'"),
        (["denoise", photos, "--shard", "slurm"], "outside an array job"),
        (["denoise", photos / "a.png", photos / "b.jpg", "--keep-going"], "need a folder"),
        (["denoise", "--from-file", tmp_path / "nowhere"], "cannot read the list"),
        (["denoise", f"{photos}/*.gif", "-o", tmp_path / "out"], "no pictures in"),
        (["batch", "denoise", photos, "--engine", "abacus"], "--engine is 'abacus'"),
        (["batch", "denoise", photos, "--workers", "0"], "--workers is 0"),
        (["batch", "denoise", photos, "--engine", "ray", "-o", tmp_path / "out"], "pip install 'bigprior[ray]'"),
        (["batch", "nonesuch", photos], "unknown task"),
        (["denoise", photos, "--preset", "nonesuch", "-o", tmp_path / "out"], "unknown preset"),
    ):
        more = quick if words[0] == "denoise" and "--preset" not in words else []
        code, out, err = run(*words, *more)
        assert code == 2 and said in err and err.count("\n") == 1 and out == "", words
    assert not (tmp_path / "out").exists() and files(tmp_path) == files(tmp_path)


def test_an_option_that_is_wrong_for_all_is_said_once(run, photos, quick, tmp_path):
    """Before the first picture; not of each, as what is wrong with one is."""
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "masks").mkdir()
    write_picture(tmp_path / "masks" / "d.png", torch.ones(1, 1, 20, 24))
    out = [photos, "-o", tmp_path / "out", "--keep-going"]
    for words, said in (
        (["denoise", *out, *quick, "--sigma", 300], "sigma is 300"),
        (["denoise", *out, *quick, "--max-hallucination", 2], "share that may be made up is 2"),
        (["denoise", *out, *quick, "--keep", tmp_path / "text.png"], "text.png"),
        (["denoise", *out, *quick, "--keep", tmp_path / "nowhere.png"], "nowhere.png"),
        (["inpaint", *out, *quick[-2:], "--mask", tmp_path / "text.png"], "text.png"),
        (["inpaint", *out, *quick[-2:], "--mask", tmp_path / "masks", "--grow", -1], "grow is -1"),
        (["deblur", *out, "--gauss", 0], "gauss is 0"),
        (["deblur", *out, "--kernel", tmp_path / "nowhere.npy"], "nowhere.npy"),
        (["upscale", *out, "--factor", 1], "factor is 1"),
        (["batch", "denoise", *out, "--set", "sgima=3"], "sgima"),
    ):
        code, _, err = run(*words)
        assert code == 2 and said in err and err.count("\n") == 1, (words, err)
        assert not (tmp_path / "out").exists(), words


@pytest.mark.slow
def test_killed_three_times_and_resumed_each_picture_is_there_once(home, run, quick, tmp_path):
    for i in range(120):
        write_picture(tmp_path / "photos" / f"{i % 3}" / f"{i:03d}.png", torch.rand(1, 3, 20, 24))
    assert run("denoise", tmp_path / "photos", *quick, "-o", tmp_path / "whole")[0] == 0
    words = ["denoise", tmp_path / "photos", *quick, "-o", tmp_path / "out", "--resume"]
    manifest = tmp_path / "out" / "manifest.jsonl"
    rng = random.Random()  # at other moments each time: there is none at which it may not be killed

    def lines():
        return manifest.read_bytes().count(b"\n") if manifest.exists() else 0

    for _ in range(3):
        when, later = lines() + rng.randint(1, 35), rng.uniform(0, 0.05)
        with (tmp_path / "said").open("w") as said:
            process = subprocess.Popen([sys.executable, "-m", "bigprior", *map(str, words)], stderr=said)
        while process.poll() is None and lines() < when:
            time.sleep(0.002)
        time.sleep(later)  # while one is read, computed, written, moved or listed
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, (when, later, (tmp_path / "said").read_text())
        assert lines() >= when
        with manifest.open("a") as file:
            file.write('{"input": "half of a li')
    code, out, _ = run(*words)
    assert code == 0 and "120 restored, " in out and "of them before" in out
    assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")
    names = [f"{i}/{n:03d}" for i in range(3) for n in range(i, 120, 3)]
    assert sorted(row["name"] for row in rows(tmp_path / "out")) == names
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_a_table_of_the_manifest(run, photos, quick, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="no pyarrow here: pip install 'bigprior[parquet]'")
    (photos / "bad.png").write_text("no picture")
    assert run("denoise", photos, *quick, "-o", tmp_path / "out", "--keep-going", "--parquet")[0] == 1
    table = parquet.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
    assert sorted(table, key=lambda row: row["name"]) == sorted(rows(tmp_path / "out"), key=lambda row: row["name"])


def test_a_table_is_left_out_or_missed(run, photos, quick, tmp_path, monkeypatch):
    assert run("denoise", photos, *quick, "-o", tmp_path / "out", "--no-parquet")[0] == 0
    assert not list((tmp_path / "out").glob("*.parquet"))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr("bigprior.cli.batches.find_spec", lambda name: None)
    code, _, err = run("denoise", photos, *quick, "-o", tmp_path / "new", "--parquet")
    assert code == 2 and "pip install 'bigprior[parquet]'" in err and err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_urls_in_and_out(run, photos, quick, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.put(str(photos), "/bucket/photos", recursive=True)
    code, _, err = run("denoise", "memory://bucket/photos", *quick, "-o", "memory://bucket/out")
    assert (code, err) == (0, "")
    assert run("denoise", photos, *quick, "-o", tmp_path / "out")[0] == 0
    for name, digest in hashes(tmp_path / "out").items():
        if not name.endswith(".json"):
            assert hashlib.sha256(memory.cat(f"/bucket/out/{name}")).hexdigest() == digest
    memory.rm("/bucket/out/a.png")
    memory.pipe("/bucket/photos/z.png", b"no picture")
    again = ["denoise", "memory://bucket/photos", *quick, "-o", "memory://bucket/out", "--resume", "--keep-going"]
    code, out, err = run(*again)
    assert code == 1 and "6 restored, 6 of them before, 1 failed" in out
    assert err.startswith("bigprior: memory://bucket/photos/z.png is not a picture")

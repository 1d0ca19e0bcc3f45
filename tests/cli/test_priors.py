"""Priors by name on the command line: listed, compared, and taken in place of a preset."""

import json

import torch

from bigprior.io.pictures import read_picture, write_picture


def test_kinds_are_listed_and_written(run, tmp_path):
    code, out, _ = run("priors", "kinds", "--json", tmp_path / "kinds.json")
    rows = {row["kind"]: row for row in json.loads((tmp_path / "kinds.json").read_text())}
    assert code == 0 and "wnnm" in out
    assert rows["fsr"]["tasks"] == ["inpainting"] and rows["bm3d"]["use"] == "--prior bm3d"


def test_priors_are_compared_on_a_picture(run, tmp_path):
    write_picture(tmp_path / "photo.png", torch.rand(1, 3, 80, 90) * 0.2 + 0.4)
    options = ["--prior", "nlm", "--prior", "biharmonic", "--prior", "tint", "-o", tmp_path / "out"]
    code, out, _ = run("priors", "compare", tmp_path / "photo.png", *options)
    assert code == 0
    assert "inpainting: nlm removes noise: it cannot inpaint" in out
    rows = json.loads((tmp_path / "out" / "table.json").read_text())
    assert len(rows) == 9 and sum(not row["refused"] for row in rows) == 3
    assert {row["name"] for row in rows} == {"nlm", "biharmonic", "tint"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "table.json",
        *(f"{task}.png" for task in ("denoising", "inpainting", "colorization")),
    }


def test_a_named_prior_and_pictures_restore(run, tmp_path):
    photos = [tmp_path / f"{name}.png" for name in "ab"]
    for i, photo in enumerate(photos):
        write_picture(photo, torch.rand(1, 3, 30, 40))
        write_picture(tmp_path / "priors" / f"{'ab'[i]}.webp", torch.full((1, 3, 30, 40), 0.25 * (i + 1)))
    code, _, _ = run("denoise", photos[0], "--prior", "gaussian-map", "--sigma", 25, "-o", tmp_path / "named")
    made = json.loads((tmp_path / "named" / "restoration.json").read_text())
    assert code == 0 and made["prior"]["name"] == "gaussian-map" and made["weights"] == {"phi": "the prior's own"}

    prior = ["--prior", tmp_path / "priors"]
    assert run("denoise", *photos, *prior, "--sigma", 25, "-o", tmp_path / "folder")[0] == 0
    for i, photo in enumerate(photos):
        found = read_picture(tmp_path / "folder" / photo.stem / "prior.png").image
        assert torch.allclose(found, torch.full_like(found, 0.25 * (i + 1)), atol=3e-2)
    write_picture(tmp_path / "c.png", torch.rand(1, 3, 30, 40))
    code, _, err = run("denoise", tmp_path / "c.png", *prior, "-o", tmp_path / "new")
    assert code == 2 and "holds 0 pictures called c" in err
    code, _, err = run("colorize", photos[0], "--force", "--prior", "bm3d", "-o", tmp_path / "new")
    assert code == 2 and "bm3d removes noise: it cannot colorize" in err and err.count("\n") == 1
    assert not (tmp_path / "new").exists()

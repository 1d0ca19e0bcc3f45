"""Photographs that have noise beside what else is wrong with them, and recipes, from the command line."""

import json

import pytest
import torch

from bigprior.io.layers import read_layers


@pytest.mark.parametrize(("task", "extra"), [("inpaint", ["--mask"]), ("colorize", ["--force"])])
def test_noise_is_removed_first_and_both_steps_are_kept(run, photo, mask, tmp_path, task, extra):
    extra = [*extra, mask] if task == "inpaint" else extra
    out = tmp_path / "out"
    code, said, err = run(task, photo, *extra, "--sigma", 15, "--layers", "float", "-o", out)
    assert (code, err) == (0, "") and "with what was before" in said
    layers = read_layers(out / "layers.tif")
    assert torch.equal(layers["restored"], layers["measured"] + layers["hallucinated"])
    steps = json.loads((out / "restoration.json").read_text())["chain"]
    assert steps[0]["task"] == "denoising" and steps[0]["settings"]["sigma"] == 15
    assert all((out / step["folder"] / "restoration.json").is_file() for step in steps)
    assert 0 <= steps[0]["total"] <= steps[1]["total"] <= 1 or steps[1]["made_up"] > 0


def test_a_level_that_is_none_is_one_line_and_nothing_is_written(run, photo, mask, tmp_path):
    code, _, err = run("inpaint", photo, "--mask", mask, "--sigma", "much", "-o", tmp_path / "out")
    assert code == 2 and "--sigma is 'much': expected a noise level on the 0..255 scale, or auto" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "step"),
        ('[[step]]\ntask = "melt"\n', "melt"),
        ('[[step]]\ntask = "denoise"\nsettings = { sigma = -1 }\n', "sigma is -1"),
        ("[[step", "recipe.toml"),
    ],
)
def test_a_recipe_that_is_none_is_one_line(run, photo, tmp_path, text, said):
    (tmp_path / "recipe.toml").write_text(text)
    code, _, err = run("restore", photo, "--recipe", tmp_path / "recipe.toml", "-o", tmp_path / "out")
    assert code == 2 and said in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("extra", [["--from-file", "photo"], ["--resume"], ["--shard", "1/2"]])
def test_a_chain_is_of_photographs_one_by_one(run, photo, mask, tmp_path, extra):
    given = [photo if word == "photo" else word for word in extra]
    code, _, err = run("inpaint", photo, "--mask", mask, "--sigma", "auto", *given, "-o", tmp_path / "out")
    assert code == 2 and "a chain is of photographs that are named one by one" in err
    assert not (tmp_path / "out").exists()

"""The program as a person meets it: what it writes, and one clear line for what it cannot do."""

import json
import subprocess
import sys

import torch

from bigprior.io.pictures import write_picture
from bigprior.networks.generators import PGGAN
from bigprior.presets.schema import Preset

TASKS = ("denoising", "colorization", "inpainting")


def test_weights_that_carry_code_are_refused(run, home, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"layer0.conv.weight": Evil()}, tmp_path / "evil.pth")
    code, _, err = run("priors", "import", "evil", tmp_path / "evil.pth")
    assert code == 2
    assert err.startswith("bigprior: ")
    assert not (tmp_path / "owned").exists()
    assert not (home / "evil").exists()


def test_a_generators_file_alone_is_a_preset_of_its_name(run, tmp_path, tiny_generator):
    torch.save(tiny_generator.state_dict(), tmp_path / "my rooms-1.0.pth")
    file, into = tmp_path / "my rooms-1.0.pth", tmp_path / "home"
    code, _, err = run(
        "priors", "import", file, "--as", "pggan", "--into", into, "--set", "codes=2", "--set", "steps=3"
    )
    assert code == 0, err
    described = Preset.model_validate_json((into / "my-rooms-1-0" / "preset.json").read_text("utf-8"))
    assert described.architecture == "pggan" and described.settings["denoising"] == {"codes": 2, "steps": 3}
    assert run("priors", "import", file, "--as", "pggan", "--into", into, "--set", "latent=v")[0] == 2


def test_priors_are_listed_shown_and_imported(run, tmp_path):
    torch.save(PGGAN(8, z_dim=8, fmap_base=64, fmap_max=8).state_dict(), tmp_path / "own.pth")
    code, _, _ = run("priors", "import", "own", tmp_path / "own.pth", "--summary", "mine")
    assert code == 0
    assert "own" in run("priors", "list")[1]
    assert json.loads(run("priors", "show", "own")[1])["summary"] == "mine"


def test_evaluate_writes_what_it_prints(run, tmp_path):
    data = tmp_path / "data"
    for i in range(3):
        write_picture(data / f"{i}.png", torch.rand(1, 3, 48, 48))
    file = tmp_path / "figures.json"
    options = ["--data", data, "--index", "1-2", "--preset", "tiny", "--steps", 2, "--json", file]
    code, out, _ = run("evaluate", "tasks", *options)
    assert code == 0
    figures = json.loads(file.read_text())
    assert set(figures) == set(TASKS)
    for rows in figures.values():
        assert set(rows) == {"input", "prior", "ours"}
        assert 0 <= rows["ours"]["mean_phi"] <= 1
    assert f"denoising.ours.psnr = {figures['denoising']['ours']['psnr']:.4f}" in out
    assert run("evaluate", "inversion", *options)[0] == 0
    assert set(json.loads(file.read_text())) == {"prior"}
    assert run("evaluate", "tasks", "--data", data, "--index", "1-9", "--preset", "tiny")[0] == 2


def test_a_table_is_resumed_and_refuses_what_it_does_not_know(run, tmp_path):
    for i in range(2):
        write_picture(tmp_path / "data" / f"{i}.png", torch.rand(1, 3, 48, 48))
    file = tmp_path / "table.json"
    options = ["--data", tmp_path / "data", "--preset", "tiny", "--steps", 2, "--json", file]
    assert run("evaluate", "table5", *options, "--baselines", "tv")[0] == 0
    lines = (tmp_path / "table.jsonl").read_text()
    assert set(json.loads(file.read_text())) == {"input", "prior", "ours", "tv", "pictures"}
    assert run("evaluate", "table5", *options, "--baselines", "tv")[0] == 0
    assert (tmp_path / "table.jsonl").read_text() == lines
    assert run("evaluate", "table5", *options, "--baselines", "none")[0] == 0
    assert set(json.loads(file.read_text())) == {"input", "prior", "ours", "pictures"}
    code, _, err = run("evaluate", "table5", *options, "--baselines", "bm4d")
    assert code == 2 and "bm3d" in err


def test_figure_7_takes_the_scores_of_a_table_and_the_page_shows_it(run, tmp_path):
    for i in range(4):
        write_picture(tmp_path / "data" / f"{i}.png", torch.rand(1, 3, 48, 48))
    options = ["--data", tmp_path / "data", "--preset", "tiny", "--steps", 1, "--set", "mine"]
    table, lines = tmp_path / "table5-mine.json", tmp_path / "table5-mine.jsonl"
    assert run("evaluate", "table5", *options, "--json", table, "--baselines", "none")[0] == 0
    known = lines.read_text()
    code, out, _ = run("evaluate", "figure7", *options, "--lines", lines, "--json", tmp_path / "figure7-mine.json")
    assert code == 0 and lines.read_text() == known
    assert "phi_sigma.r = " in out and "phi_psnr.low = " in out and "points" not in out
    code, out, _ = run("results", tmp_path, "-o", tmp_path / "page.md")
    assert code == 0 and "figure7-mine.json" in out
    assert "Figure 7" in (tmp_path / "page.md").read_text()
    assert (tmp_path / "images" / "figure7.png").is_file()


def test_what_makes_files_needs_a_folder(run, tmp_path):
    write_picture(tmp_path / "data" / "0.png", torch.rand(1, 3, 48, 48))
    options = ["--data", tmp_path / "data", "--preset", "tiny", "--steps", 1]
    code, _, err = run("evaluate", "gallery", *options)
    assert code == 2 and "-o" in err
    code, out, _ = run("evaluate", "gallery", *options, "-o", tmp_path / "out")
    assert code == 0 and "missing.dejpeg" in out  # a generator of 16 pixels sees no block of 16 and its neighbours
    assert (tmp_path / "out" / "denoising.png").is_file()
    code, _, err = run("evaluate", "ablations", *options, "-o", tmp_path / "out")
    assert code == 2 and "--prior-dir" in err


def changed(**settings):
    return [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]


def test_a_phi_network_is_trained_on_priors_made_elsewhere(run, tmp_path):
    for folder in ("data", "priors"):
        for i in range(3):
            write_picture(tmp_path / folder / f"{i}.png", torch.rand(1, 3, 48, 48))
    where = ["--data", tmp_path / "data", "--out", tmp_path / "run", "--settings", "authors-phi-colour"]
    small = changed(prior_dir=tmp_path / "priors", index="0-1", validation="2-2", steps=1, batch=1, crop_px=8)
    small += ["--set", "network_settings.widths=[4, 4]"]
    code, out, _ = run("train", "phi", *where, *small)
    assert code == 0 and "phi.safetensors" in out
    trained = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert trained["error"] == "ab+rms" and trained["weights"] == "he" and trained["index"] == [0, 1]
    assert trained["network_settings"] == {"widths": [4, 4], "shuffle": 2, "channels": 3}
    code, _, err = run("train", "phi", *where, *small, "--set", "task=denoising")
    assert code == 2 and "prior_dir goes with tasks whose measurements are not drawn" in err
    code, _, err = run("train", "phi", *where, *small, "--set", "weights=zero")
    assert code == 2 and "--set weights=zero: weights is 'zero'" in err


def test_a_phi_network_is_trained_on_pictures_of_any_sizes(run, tmp_path):
    for i, size in enumerate([(16, 16), (40, 30), (20, 50), (30, 40)]):
        write_picture(tmp_path / "data" / f"{i}.png", torch.rand(1, 3, *size))
    where = ["--data", tmp_path / "data", "--out", tmp_path / "run", "--settings", "phi-bands"]
    small = changed(task="denoising", preset="tiny", inversion_steps=1, index="0-2", validation="3-3", steps=1)
    small += changed(batch=1, crop_px=16)
    code, _, err = run("train", "phi", *where, *small, "--set", "network=unet", "--set", "network_settings.channels=2")
    assert code == 2 and "channels is 2" in err
    assert not (tmp_path / "run").exists()  # nothing was inverted
    assert run("train", "phi", *where, *small)[0] == 0
    learned = json.loads((tmp_path / "run" / "sources.json").read_text())
    assert learned["preset"] == "tiny" and learned["pictures"].startswith("5,")  # two have a tile as well


def test_a_supervised_network_is_trained_for_the_tables(run, tmp_path):
    for i in range(3):
        write_picture(tmp_path / "data" / f"{i}.png", torch.rand(1, 3, 48, 48))
    small = changed(task="denoising", index="0-1", validation="2-2", steps=1, batch=1, crop_px=8)
    out = tmp_path / "run"
    assert run("train", "dncnn", "--data", tmp_path / "data", "--out", out, *small)[0] == 0
    (out / "dncnn.safetensors").rename(out / "dncnn-denoising.safetensors")
    options = ["--data", tmp_path / "data", "--index", "2-2", "--preset", "tiny", "--steps", 1, "--baselines", "dncnn"]
    code, shown, _ = run("evaluate", "table5", *options, "--dncnn", out)
    assert code == 0 and "dncnn.psnr = " in shown and "1 steps of 1 crops of 8 pixels" in shown


def test_a_denoiser_is_trained_and_becomes_a_preset(run, tmp_path, monkeypatch):
    for i in range(3):
        write_picture(tmp_path / "data" / f"{i}.png", torch.rand(1, 3, 130, 130))
    common = ["--data", tmp_path / "data", "--out", tmp_path / "run"]
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('kind = "denoiser"\nresolution = 128\ntotal_kimg = 0.002\nbatch = 1\nconditional = 0.9\n')
    code, out, _ = run("train", "denoiser", *common, "--settings", recipe, *changed(lr="1e-4", alone=7), "--seed", 3)
    assert code == 0
    trained = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert [trained[name] for name in ("conditional", "lr", "alone", "seed")] == [0.9, 1e-4, 7, 3]
    for kind in ("denoiser", "gan", "filler", "colorizer", "encoder"):
        more = ["--data", tmp_path / "data", "--out", tmp_path / "new", "--set", "index=1-3"]
        code, _, err = run("train", kind, *more)
        assert code == 2 and "index is 1-3 but" in err and "holds 3 pictures" in err
    assert not (tmp_path / "new").exists()
    code, _, err = run("train", "gan", *common, "--settings", recipe)
    assert code == 2 and "recipe.toml is for `bigprior train denoiser`, not gan" in err
    assert "denoiser.safetensors" in out
    imported = ["priors", "import", "mine", tmp_path / "run" / "denoiser.safetensors", "--into", tmp_path / "home"]
    colours = ["--data", tmp_path / "data", "--out", tmp_path / "colours", "--set", "total_kimg=0.016"]
    assert run("train", "colorizer", *colours)[0] == 0
    beside = ["--part", f"colorizer={tmp_path / 'colours' / 'colorizer.safetensors'}"]
    assert run(*imported)[0] == 0
    monkeypatch.setenv("BIGPRIOR_HOME", str(tmp_path / "home"))
    holes = ["--data", tmp_path / "data", "--out", tmp_path / "holes"]
    holes += changed(preset="mine", rank=1, resolution=64, batch=1, total_kimg=0.001, lr="1e-4")
    assert run("train", "filler", *holes)[0] == 0
    trained = json.loads((tmp_path / "holes" / "settings.json").read_text())
    assert trained["preset"] == "mine" and trained["rank"] == 1
    beside += ["--part", f"filler={tmp_path / 'holes' / 'filler.safetensors'}"]
    assert run(*imported, "--steps", "inpaint=7", *beside)[0] == 2  # it is there already
    imported.append("--overwrite")
    assert run(*imported, "--steps", "inpaint=7", *beside)[0] == 0
    described = json.loads((tmp_path / "home" / "mine" / "preset.json").read_text())
    assert {"denoiser", "colorizer", "filler"} == described["sha256"].keys()
    assert described["kind"] == "diffusion" and described["settings"]["inpainting"]["steps"] == 7
    for wrong in ("inpaint=0", "inpaint", "melt=3"):
        code, _, err = run(*imported, "--steps", wrong)
        assert code == 2 and err.count("\n") == 1
    code, _, err = run("train", "denoiser", *common, "--set", "precision=fp8")
    assert code == 2 and "fp8" in err


def test_a_gan_is_not_trained_by_several_processes(run, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    write_picture(tmp_path / "0.png", torch.rand(1, 3, 64, 64))
    code, _, err = run("train", "gan", "--data", tmp_path, "--out", tmp_path / "run")
    assert code == 2 and err.count("\n") == 1 and "without torchrun" in err
    assert not (tmp_path / "run").exists()


def test_an_unknown_kind_of_training_or_a_device_that_is_not_there_is_refused(run, tmp_path):
    write_picture(tmp_path / "0.png", torch.rand(1, 3, 64, 64))
    where = ["--data", tmp_path, "--out", tmp_path / "run"]
    code, _, err = run("train", "upscaler", *where)
    assert code == 2 and "unknown training 'upscaler'" in err and "denoiser" in err
    code, _, err = run("train", "colorizer", *where, "--device", "abacus")
    assert code == 2 and err.count("\n") == 1 and "device is 'abacus'" in err
    assert not (tmp_path / "run").exists()


def test_figures_and_pages_replace_nothing_else(run, tmp_path):
    write_picture(tmp_path / "photo.png", torch.rand(1, 3, 8, 8))
    (tmp_path / "notes.json").write_text("[1, 2]")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for name in before:
        code, _, err = run("evaluate", "tasks", "--data", tmp_path, "--json", tmp_path / name)
        assert code == 2 and f"{name} is there and holds no figures" in err and err.count("\n") == 1
    code, _, err = run("results", tmp_path, "-o", tmp_path / "photo.png")
    assert code == 2 and "photo.png is no Markdown page" in err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_help_needs_no_torch():
    code = (
        "import sys, bigprior.cli; sys.argv = ['bigprior', '--help']\ntry: bigprior.cli.main()\nexcept SystemExit: pass"
    )
    code += "\nsys.exit(bool({'torch', 'numpy', 'bigprior.settings'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0

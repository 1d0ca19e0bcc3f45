"""The program as a person meets it: what it writes, and one clear line for what it cannot do."""

import json
import subprocess
import sys

import pytest
import torch

from bigprior.fusion import fuse
from bigprior.io.layers import read_layers
from bigprior.io.pictures import read_picture, write_picture
from bigprior.networks.generators import PGGAN

TASKS = ("denoising", "colorization", "inpainting")
FILES = {"restored.png", "fidelity.png", "prior.png", "phi.png", "panel.png", "layers.tif", "restoration.json"}


@pytest.mark.parametrize("task", ["denoise", "colorize", "inpaint"])
def test_restore_writes_layers_that_recompose(run, photo, mask, tmp_path, task):
    extra = ["--mask", mask] if task == "inpaint" else []
    options = ["--preset", "tiny", "--steps", 3, "-o", tmp_path / "out"]
    code, out, _ = run("restore", photo, "--task", task, *options, *extra)
    assert code == 0
    assert "mean phi" in out
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES
    layers = read_layers(tmp_path / "out" / "layers.tif")
    assert torch.equal(fuse(layers["fidelity"], layers["prior"], layers["phi"]), layers["restored"])
    assert torch.equal(layers["measured"] + layers["hallucinated"], layers["restored"])
    assert layers["phi"].min() >= 0
    assert layers["phi"].max() <= 1
    made = json.loads((tmp_path / "out" / "restoration.json").read_text())
    assert made["preset"] == "tiny"
    assert made["seed"] == 0
    assert set(made["weights"]) == {"generator", "phi"}
    assert made["mean_phi"] == pytest.approx(float(layers["phi"].mean()), abs=1e-5)


def test_several_pictures_are_restored_by_one_call(run, mask, tmp_path):
    photos, masks = [tmp_path / "a.png", tmp_path / "b.tif"], tmp_path / "masks"
    for i, photo in enumerate(photos):
        write_picture(photo, torch.rand(1, 3, 30, 40))
        known = torch.ones(1, 1, 30, 40)
        known[:, :, 5 * i : 5 * i + 4, 7:11] = 0
        write_picture(masks / f"{photo.stem}.png", known)
    options = ["--task", "inpaint", "--preset", "tiny", "--steps", 2]
    assert run("restore", *photos, *options, "--mask", masks, "-o", tmp_path / "out")[0] == 0
    for photo in photos:
        layers = read_layers(tmp_path / "out" / photo.stem / "layers.tif")
        assert torch.equal(1 - layers["phi"], read_picture(masks / f"{photo.stem}.png").image[:, :1])
        assert (tmp_path / "out" / photo.stem / f"restored{photo.suffix}").is_file()
    assert run("restore", *photos, *options, "--mask", mask)[0] == 0
    assert {p.name for p in tmp_path.glob("*-restored")} == {"a-restored", "b-restored"}

    write_picture(tmp_path / "a.tif", torch.rand(1, 3, 30, 40))
    (tmp_path / "b.png").write_text("no picture")
    for wrong, said in (("a.tif", "would both be written to"), ("b.png", "b.png"), ("photo.png", "photo")):
        code, _, err = run("restore", photos[0], tmp_path / wrong, *options, "--mask", masks, "-o", tmp_path / "new")
        assert code == 2 and said in err and err.count("\n") == 1
    write_picture(tmp_path / "c.png", torch.rand(1, 3, 30, 40))
    code, _, err = run("restore", photos[0], tmp_path / "c.png", *options, "--mask", masks, "-o", tmp_path / "new")
    assert code == 2 and "holds 0 masks called c: expected one for c.png" in err
    assert not (tmp_path / "new").exists()


def test_known_pixels_come_back_as_they_were(run, photo, mask, tmp_path):
    run("restore", photo, "--task", "inpaint", "--mask", mask, "--preset", "tiny", "--steps", 3, "-o", tmp_path / "out")
    before, after = read_picture(photo).image, read_picture(tmp_path / "out" / "restored.png").image
    known = (read_picture(mask).image[:, :1] == 1).expand_as(before)
    assert torch.equal(before[known], after[known])
    assert not torch.equal(before, after)


def test_sixteen_bits_alpha_and_profile_stay(run, tmp_path):
    path, alpha, profile = tmp_path / "deep.png", torch.rand(1, 1, 20, 17), bytes(16) + b"RGB " + bytes(108)
    write_picture(path, torch.rand(1, 3, 20, 17), bits=16, alpha=alpha, profile=profile)
    code, _, _ = run("restore", path, "--task", "denoise", "--preset", "tiny", "--steps", 2, "-o", tmp_path / "out")
    restored = read_picture(tmp_path / "out" / "restored.png")
    assert code == 0
    assert restored.bits == 16 and restored.profile == profile
    assert torch.equal(restored.alpha, read_picture(path).alpha)


def test_grey_stays_grey(run, mask, tmp_path):
    path = tmp_path / "grey.png"
    write_picture(path, torch.rand(1, 1, 30, 40))
    options = ["--preset", "tiny", "--steps", 2]
    for task, extra, grey in (("denoise", [], True), ("inpaint", ["--mask", mask], True), ("colorize", [], False)):
        code, _, err = run("restore", path, "--task", task, *options, *extra, "-o", tmp_path / task)
        assert (code, err) == (0, "")
        assert all(read_picture(tmp_path / task / f"{n}.png").is_grey == grey for n in ("restored", "prior"))


def test_noise_that_was_found_is_said(run, tmp_path):
    options = ["--task", "denoise", "-o", tmp_path / "out"]
    for sigma, hint in ((0.2, False), (0.0, True)):
        write_picture(tmp_path / "flat.png", 0.5 + sigma * torch.randn(1, 3, 100, 100))
        code, out, _ = run("restore", tmp_path / "flat.png", *options)
        assert code == 0 and "noise found: sigma" in out and ("pass --sigma" in out) == hint
        made = json.loads((tmp_path / "out" / "restoration.json").read_text())
        assert made["noise"] == "found" and made["sigma"] == [pytest.approx(sigma, rel=0.1, abs=1e-3)]
    _, out, _ = run("restore", tmp_path / "flat.png", *options, "--sigma", 10)
    assert "noise found" not in out


def test_the_same_seed_writes_the_same_bytes(run, photo, tmp_path):
    options = ["--task", "denoise", "--preset", "tiny", "--steps", 3, "--seed", 5]
    for name in ("a", "b"):
        run("restore", photo, *options, "-o", tmp_path / name)
    assert (tmp_path / "a" / "layers.tif").read_bytes() == (tmp_path / "b" / "layers.tif").read_bytes()


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3)])
def test_odd_sizes_work(run, tmp_path, size):
    path = tmp_path / "odd.png"
    write_picture(path, torch.rand(1, 3, *size))
    for task in ("denoise", "colorize"):
        code, _, err = run("restore", path, "--task", task, "--preset", "tiny", "--steps", 1, "-o", tmp_path / task)
        assert (code, err) == (0, "")
        assert read_picture(tmp_path / task / "restored.png").image.shape[2:] == size


def bad(name):
    """Mark a case of bad input with its name."""
    return lambda function: pytest.param(function, id=name)


@bad("not an image")
def _text(photo, mask, tmp_path):
    (tmp_path / "a.png").write_text("hello")
    return [tmp_path / "a.png", "--task", "denoise"]


@bad("truncated")
def _truncated(photo, mask, tmp_path):
    photo.write_bytes(photo.read_bytes()[:200])
    return [photo, "--task", "denoise"]


@bad("empty file")
def _empty(photo, mask, tmp_path):
    photo.write_bytes(b"")
    return [photo, "--task", "denoise"]


@bad("folder for a file")
def _folder(photo, mask, tmp_path):
    (tmp_path / "folder").mkdir()
    return [tmp_path / "folder", "--task", "denoise"]


@bad("a folder without a name")
def _nameless(photo, mask, tmp_path):
    return [".", "--task", "denoise"]


@bad("no such file")
def _missing(photo, mask, tmp_path):
    return [tmp_path / "nowhere.png", "--task", "denoise"]


@bad("mask of another size")
def _mask_size(photo, mask, tmp_path):
    wrong = torch.ones(1, 1, 8, 8)
    wrong[:, :, 2:4] = 0
    write_picture(mask, wrong)
    return [photo, "--task", "inpaint", "--mask", mask]


@bad("mask all hole")
def _mask_hole(photo, mask, tmp_path):
    write_picture(mask, torch.zeros(1, 1, 30, 40))
    return [photo, "--task", "inpaint", "--mask", mask]


@bad("mask all known")
def _mask_known(photo, mask, tmp_path):
    write_picture(mask, torch.ones(1, 1, 30, 40))
    return [photo, "--task", "inpaint", "--mask", mask]


@bad("no mask")
def _no_mask(photo, mask, tmp_path):
    return [photo, "--task", "inpaint"]


@bad("mask for another task")
def _mask_denoise(photo, mask, tmp_path):
    return [photo, "--task", "denoise", "--mask", mask]


@bad("no hole to find")
def _no_hole(photo, mask, tmp_path):
    write_picture(photo, torch.full((1, 3, 30, 40), 0.5))
    return [photo, "--task", "inpaint", "--find-hole"]


@bad("unknown preset")
def _preset(photo, mask, tmp_path):
    return [photo, "--task", "denoise", "--preset", "nonesuch"]


@bad("sigma too large")
def _sigma(photo, mask, tmp_path):
    return [photo, "--task", "denoise", "--sigma", 300]


@bad("sigma negative")
def _sigma_negative(photo, mask, tmp_path):
    return [photo, "--task", "denoise", "--sigma=-1"]


@bad("steps")
def _steps(photo, mask, tmp_path):
    return [photo, "--task", "denoise", "--steps", 0]


@bad("steps of what answers at once")
def _steps_at_once(photo, mask, tmp_path):
    return [photo, "--task", "denoise", "--preset", "rooms-diffusion", "--steps", 3]


@bad("a hole to find beside a mask")
def _find_and_mask(photo, mask, tmp_path):
    return [photo, "--task", "inpaint", "--find-hole", "--mask", mask]


@bad("a weight of what is known")
def _rho_and_mask(photo, mask, tmp_path):
    return [photo, "--task", "inpaint", "--mask", mask, "--rho", 0.1]


@bad("device")
def _device(photo, mask, tmp_path):
    return [photo, "--task", "denoise", "--device", "warp"]


@bad("unknown task")
def _task(photo, mask, tmp_path):
    return [photo, "--task", "sharpen"]


@pytest.mark.parametrize(
    "case",
    [
        *(
            _text,
            _truncated,
            _empty,
            _folder,
            _nameless,
            _missing,
            _mask_size,
            _mask_hole,
            _mask_known,
            _no_mask,
            _mask_denoise,
        ),
        *(_mask_known, _no_mask, _mask_denoise, _no_hole, _preset, _sigma, _sigma_negative, _steps, _device, _task),
        *(_steps_at_once, _find_and_mask, _rho_and_mask),
    ],
)
def test_bad_input_is_one_line_exit_2_and_nothing_written(run, photo, mask, tmp_path, case):
    arguments = case(photo, mask, tmp_path)
    if "--preset" not in arguments:
        arguments += ["--preset", "tiny"]
    if "--steps" not in arguments:
        arguments += ["--steps", 1]
    code, out, err = run("restore", *arguments, "-o", tmp_path / "out")
    assert code == 2
    assert not (tmp_path / "out").exists()
    assert "Traceback" not in out + err
    assert err.startswith("bigprior: ")
    assert err.count("\n") == 1
    assert len(err) > 40


def test_unknown_names_list_the_known_ones(run, photo, tmp_path):
    *_, err = run("restore", photo, "--task", "denoise", "--preset", "nonesuch")
    assert "tiny" in err
    *_, err = run("evaluate", "nonesuch", "--data", tmp_path)
    assert "inversion" in err


def test_a_place_that_cannot_be_written(run, photo, tmp_path):
    (tmp_path / "file").write_text("in the way")
    options = ["--task", "denoise", "--preset", "tiny", "--steps", 1]
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        code, _, err = run("restore", photo, *options, "-o", place)
        assert code == 2
        assert err.startswith("bigprior: ")
        assert (tmp_path / "file").read_text() == "in the way"


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
    assert run("evaluate", "gallery", *options, "-o", tmp_path / "out")[0] == 0
    assert (tmp_path / "out" / "denoising.png").is_file()
    code, _, err = run("evaluate", "ablations", *options, "-o", tmp_path / "out")
    assert code == 2 and "--prior-dir" in err


def test_a_phi_network_is_trained_on_priors_made_elsewhere(run, tmp_path):
    for folder in ("data", "priors"):
        for i in range(3):
            write_picture(tmp_path / folder / f"{i}.png", torch.rand(1, 3, 48, 48))
    parts = ["--index", "0-1", "--validation", "2-2", "--steps", 1, "--batch", 1, "--crop", 8, "--widths", "4,4"]
    where = ["--data", tmp_path / "data", "--prior-dir", tmp_path / "priors", "--out", tmp_path / "run"]
    how = ["--network", "unet", "--error", "ab+rms", "--init", "he", "--channels", 3, "--shuffle", 2]
    code, out, _ = run("train", "phi", "--task", "colorize", *where, *parts, *how)
    assert code == 0 and "phi.safetensors" in out
    trained = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert trained["error"] == "ab+rms" and trained["init"] == "he"
    code, _, err = run("train", "phi", "--task", "denoise", *where, *parts)
    assert code == 2 and "--prior-dir goes with --task colorize" in err
    code, _, err = run("train", "phi", "--task", "colorize", *where, *parts, "--init", "zero")
    assert code == 2 and "init is 'zero'" in err


def test_a_phi_network_is_trained_on_pictures_of_any_sizes(run, tmp_path):
    for i, size in enumerate([(16, 16), (40, 30), (20, 50), (30, 40)]):
        write_picture(tmp_path / "data" / f"{i}.png", torch.rand(1, 3, *size))
    where = ["--data", tmp_path / "data", "--out", tmp_path / "run", "--preset", "tiny", "--inversion-steps", 1]
    parts = ["--index", "0-2", "--validation", "3-3", "--steps", 1, "--batch", 1, "--crop", 16]
    code, _, err = run("train", "phi", "--task", "denoise", *where, *parts, "--network", "unet", "--channels", 2)
    assert code == 2 and "channels is 2" in err
    assert not (tmp_path / "run").exists()  # nothing was inverted
    assert run("train", "phi", "--task", "denoise", *where, *parts)[0] == 0
    learned = json.loads((tmp_path / "run" / "sources.json").read_text())
    assert learned["preset"] == "tiny" and learned["pictures"].startswith("5,")  # two have a tile as well


def test_a_supervised_network_is_trained_for_the_tables(run, tmp_path):
    for i in range(3):
        write_picture(tmp_path / "data" / f"{i}.png", torch.rand(1, 3, 48, 48))
    parts = ["--index", "0-1", "--validation", "2-2", "--steps", 1, "--batch", 1, "--crop", 8]
    out = tmp_path / "run"
    assert run("train", "dncnn", "--task", "denoise", "--data", tmp_path / "data", "--out", out, *parts)[0] == 0
    (out / "dncnn.safetensors").rename(out / "dncnn-denoising.safetensors")
    options = ["--data", tmp_path / "data", "--index", "2-2", "--preset", "tiny", "--steps", 1, "--baselines", "dncnn"]
    code, shown, _ = run("evaluate", "table5", *options, "--dncnn", out)
    assert code == 0 and "dncnn.psnr = " in shown and "1 steps of 1 crops of 8 pixels" in shown


def test_a_denoiser_is_trained_and_becomes_a_preset(run, tmp_path, monkeypatch):
    for i in range(3):
        write_picture(tmp_path / "data" / f"{i}.png", torch.rand(1, 3, 130, 130))
    common = ["--data", tmp_path / "data", "--out", tmp_path / "run"]
    small = ["--resolution", 128, "--kimg", 0.002, "--batch", 1, "--told", 0.9, "--luminance", 0.3, "--alone", 7]
    small += ["--native", 0.6, "--recoloured", 0.5]
    code, out, _ = run("train", "prior", "--kind", "diffusion", *common, *small, "--lr", 1e-4)
    assert code == 0
    trained = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert [trained[name] for name in ("told", "luminance", "lr", "alone")] == [0.9, 0.3, 1e-4, 7]
    assert [trained[name] for name in ("native", "recoloured")] == [0.6, 0.5]
    for command in (("prior", "--kind", "diffusion", *small), ("prior", *small[:4]), ("refiner",), ("colorizer",)):
        code, _, err = run("train", *command, "--data", tmp_path / "data", "--out", tmp_path / "new", "--index", "1-3")
        assert code == 2 and "index is 1-3 but" in err and "holds 3 pictures" in err
    assert not (tmp_path / "new").exists()
    code, _, err = run("train", "prior", *common, "--told", 0.5)
    assert code == 2 and "--told goes with --kind diffusion, not gan" in err
    code, _, err = run("train", "prior", "--kind", "diffusion", *common, "--vgg", tmp_path / "vgg.safetensors")
    assert code == 2 and "--vgg goes with --kind gan, not diffusion" in err
    assert "denoiser.safetensors" in out
    imported = ["priors", "import", "mine", tmp_path / "run" / "denoiser.safetensors", "--into", tmp_path / "home"]
    colours = ["--data", tmp_path / "data", "--out", tmp_path / "colours", "--kimg", 0.016]
    assert run("train", "colorizer", *colours)[0] == 0
    beside = ["--part", f"colorizer={tmp_path / 'colours' / 'colorizer.safetensors'}"]
    assert run(*imported)[0] == 0
    monkeypatch.setenv("BIGPRIOR_HOME", str(tmp_path / "home"))
    looks = ["--data", tmp_path / "data", "--out", tmp_path / "looks", "--preset", "mine"]
    looks += ["--pictures", 1, "--kimg", 0.016, "--lr", 1e-4, "--native", 0, "--recoloured", 1]
    assert run("train", "refiner", *looks)[0] == 0
    trained = json.loads((tmp_path / "looks" / "settings.json").read_text())
    assert trained["native"] == 0 and trained["recoloured"] == 1
    beside += ["--part", f"refiner={tmp_path / 'looks' / 'refiner.safetensors'}"]
    assert run(*imported, "--steps", "inpaint=7", *beside)[0] == 0
    described = json.loads((tmp_path / "home" / "mine" / "preset.json").read_text())
    assert {"denoiser", "colorizer", "refiner"} == described["sha256"].keys()
    assert described["kind"] == "diffusion" and described["settings"]["inpainting"]["steps"] == 7
    for wrong in ("inpaint=0", "inpaint", "deblur=3"):
        code, _, err = run(*imported, "--steps", wrong)
        assert code == 2 and err.count("\n") == 1
    code, _, err = run("train", "prior", "--kind", "diffusion", *common, "--precision", "fp8")
    assert code == 2 and "fp8" in err


def test_a_gan_is_not_trained_by_several_processes(run, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    write_picture(tmp_path / "0.png", torch.rand(1, 3, 64, 64))
    code, _, err = run("train", "prior", "--data", tmp_path, "--out", tmp_path / "run")
    assert code == 2 and err.count("\n") == 1 and "without torchrun" in err
    assert not (tmp_path / "run").exists()


def test_help_needs_no_torch():
    code = (
        "import sys, bigprior.cli; sys.argv = ['bigprior', '--help']\ntry: bigprior.cli.main()\nexcept SystemExit: pass"
    )
    code += "\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0

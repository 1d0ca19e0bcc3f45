"""The commands of the tasks: what they write, and one clear line for what they cannot do."""

import json
import subprocess
import sys

import pytest
import torch
from PIL import Image

from bigprior.degradations import DEGRADATIONS, Degradation
from bigprior.fusion import fuse
from bigprior.io.layers import read_layers
from bigprior.io.pictures import read_picture, write_picture

FILES = {f"{name}.png" for name in ("restored", "fidelity", "prior", "phi", "heatmap", "panel")}
FILES |= {"report.html", "restoration.json"}


@pytest.mark.parametrize("task", ["denoise", "colorize", "inpaint"])
def test_restore_writes_layers_that_recompose(run, photo, mask, tmp_path, task):
    extra = ["--mask", mask] if task == "inpaint" else []
    options = ["--preset", "tiny", "--steps", 3, "-o", tmp_path / "out", "--layers", "float"]
    code, out, _ = run(task, photo, *options, *extra)
    assert code == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES | {"layers.tif"}
    layers = read_layers(tmp_path / "out" / "layers.tif")
    assert torch.equal(fuse(layers["fidelity"], layers["prior"], layers["phi"]), layers["restored"])
    assert torch.equal(layers["measured"] + layers["hallucinated"], layers["restored"])
    assert layers["phi"].min() >= 0
    assert layers["phi"].max() <= 1
    made = json.loads((tmp_path / "out" / "restoration.json").read_text())
    assert made["preset"] == "tiny"
    assert made["seed"] == 0
    assert set(made["weights"]) == {"generator", "phi"}
    assert set(made["files"]) == (FILES | {"layers.tif"}) - {"restoration.json"}
    said, bound = out.splitlines()
    assert said == f"{photo}: {made['task']}, {made['made_up']:.0%} made up -> {tmp_path / 'out'}"
    assert bound.startswith("no bound: tiny was not calibrated")


def test_several_pictures_are_restored_by_one_call(run, mask, tmp_path):
    photos, masks = [tmp_path / "a.png", tmp_path / "b.tif"], tmp_path / "masks"
    for i, photo in enumerate(photos):
        write_picture(photo, torch.rand(1, 3, 30, 40))
        known = torch.ones(1, 1, 30, 40)
        known[:, :, 5 * i : 5 * i + 4, 7:11] = 0
        write_picture(masks / f"{photo.stem}.png", known)
    options = ["--preset", "tiny", "--steps", 2, "--layers", "float"]
    assert run("inpaint", *photos, *options, "--mask", masks, "-o", tmp_path / "out")[0] == 0
    for photo in photos:
        layers = read_layers(tmp_path / "out" / photo.stem / "layers.tif")
        assert torch.equal(1 - layers["phi"], read_picture(masks / f"{photo.stem}.png").image[:, :1])
        assert (tmp_path / "out" / photo.stem / f"restored{photo.suffix}").is_file()
    assert run("inpaint", *photos, *options, "--mask", mask)[0] == 0
    assert {p.name for p in tmp_path.glob("?-*")} == {"a-inpainting", "b-inpainting"}

    write_picture(tmp_path / "a.tif", torch.rand(1, 3, 30, 40))
    (tmp_path / "b.png").write_text("no picture")
    for wrong, said in (("a.tif", "would both be written to"), ("b.png", "b.png"), ("photo.png", "photo")):
        code, _, err = run("inpaint", photos[0], tmp_path / wrong, *options, "--mask", masks, "-o", tmp_path / "new")
        assert code == 2 and said in err and err.count("\n") == 1
    write_picture(tmp_path / "c.png", torch.rand(1, 3, 30, 40))
    code, _, err = run("inpaint", photos[0], tmp_path / "c.png", *options, "--mask", masks, "-o", tmp_path / "new")
    assert code == 2 and "holds 0 pictures called c: expected one, the mask of c.png" in err
    assert not (tmp_path / "new").exists()


def test_known_pixels_come_back_as_they_were(run, photo, mask, tmp_path):
    run("inpaint", photo, "--mask", mask, "--preset", "tiny", "--steps", 3, "-o", tmp_path / "out")
    before, after = read_picture(photo).image, read_picture(tmp_path / "out" / "restored.png").image
    known = (read_picture(mask).image[:, :1] == 1).expand_as(before)
    assert torch.equal(before[known], after[known])
    assert not torch.equal(before, after)


def test_a_mask_is_inverted_grown_and_read_from_the_photo(run, photo, mask, tmp_path):
    options, lost = ["--preset", "tiny", "--steps", 1], read_picture(mask).image[:, :1] == 0
    write_picture(tmp_path / "white-hole.png", lost.float())
    assert (
        run("inpaint", photo, "--mask", tmp_path / "white-hole.png", "--invert-mask", *options, "-o", tmp_path / "a")[0]
        == 0
    )
    assert run("inpaint", photo, "--mask", mask, "--grow", 1, *options, "-o", tmp_path / "b")[0] == 0
    write_picture(tmp_path / "own.png", read_picture(photo).image, alpha=1 - lost.float())
    assert run("inpaint", tmp_path / "own.png", "--mask", "alpha", *options, "-o", tmp_path / "c")[0] == 0
    same, grown, own = (read_picture(tmp_path / name / "phi.png").image[:, :1] > 0 for name in "abc")
    assert torch.equal(same, lost) and torch.equal(own, lost)
    assert grown.sum() == lost.sum() + 2 * (8 + 10) and (grown & lost).sum() == lost.sum()
    assert read_picture(tmp_path / "c" / "restored.png").alpha is None


def test_what_was_found_can_be_changed_and_passed_again(run, tmp_path):
    spots = torch.full((1, 3, 30, 40), 0.5)
    spots[..., 5:7, 7:9] = spots[..., 14:16, 20:22] = 1.0
    write_picture(tmp_path / "scan.png", spots)
    options = ["--preset", "tiny", "--steps", 1]
    assert run("inpaint", tmp_path / "scan.png", "--find", "dust", *options, "-o", tmp_path / "found")[0] == 0
    made = json.loads((tmp_path / "found" / "restoration.json").read_text())
    assert made["mask"] == "found: dust" and "mask.png" in made["files"]
    again = ["--mask", tmp_path / "found" / "mask.png", "-o", tmp_path / "again"]
    assert run("inpaint", tmp_path / "scan.png", *options, *again)[0] == 0
    assert (tmp_path / "found" / "restored.png").read_bytes() == (tmp_path / "again" / "restored.png").read_bytes()


def test_colours_that_are_known_stay(run, photo, tmp_path):
    alpha = torch.zeros(1, 1, 30, 40)
    alpha[..., 10:14, 5:20] = 1
    write_picture(
        tmp_path / "hints.png", torch.tensor([0.2, 0.5, 0.3]).view(1, 3, 1, 1).expand(1, 3, 30, 40), alpha=alpha
    )
    hints = ["--hints", tmp_path / "hints.png", "--layers", "float", "-o", tmp_path / "out"]
    assert run("colorize", photo, "--preset", "tiny", "--steps", 1, *hints)[0] == 0
    layers, where = read_layers(tmp_path / "out" / "layers.tif"), alpha[0, 0] > 0
    assert (layers["phi"][..., where] == 0).all() and (layers["phi"][..., ~where] > 0).any()
    assert torch.equal(layers["restored"][..., where], layers["fidelity"][..., where])
    assert (layers["restored"][:, 1] >= layers["restored"][:, 0])[:, where].all()


def test_sixteen_bits_alpha_and_profile_stay(run, tmp_path):
    path, alpha, profile = tmp_path / "deep.png", torch.rand(1, 1, 20, 17), bytes(16) + b"RGB " + bytes(108)
    write_picture(path, torch.rand(1, 3, 20, 17), bits=16, alpha=alpha, profile=profile)
    code, _, _ = run("denoise", path, "--preset", "tiny", "--steps", 2, "-o", tmp_path / "out")
    restored = read_picture(tmp_path / "out" / "restored.png")
    assert code == 0
    assert restored.bits == 16 and restored.profile == profile
    assert torch.equal(restored.alpha, read_picture(path).alpha)


def test_grey_stays_grey(run, mask, tmp_path):
    path = tmp_path / "grey.png"
    write_picture(path, torch.rand(1, 1, 30, 40))
    options = ["--preset", "tiny", "--steps", 2]
    for task, extra, grey in (("denoise", [], True), ("inpaint", ["--mask", mask], True), ("colorize", [], False)):
        code, _, err = run(task, path, *options, *extra, "-o", tmp_path / task)
        assert (code, err) == (0, "")
        assert all(read_picture(tmp_path / task / f"{n}.png").is_grey == grey for n in ("restored", "prior"))


def test_noise_that_was_found_is_said(run, tmp_path):
    options = ["-o", tmp_path / "out", "--overwrite", "--only", "restored"]
    for sigma, hint in ((0.2, False), (0.0, True)):
        write_picture(tmp_path / "flat.png", 0.5 + sigma * torch.randn(1, 3, 100, 100))
        code, out, _ = run("denoise", tmp_path / "flat.png", *options)
        assert code == 0 and "noise found: sigma" in out and ("pass --sigma" in out) == hint
        made = json.loads((tmp_path / "out" / "restoration.json").read_text())
        assert made["noise"] == "found" and made["sigma"] == [pytest.approx(sigma, rel=0.1, abs=5e-3)]
    _, out, _ = run("denoise", tmp_path / "flat.png", *options, "--sigma", 10)
    assert "noise found" not in out


def test_how_noise_grows_with_light_is_told(run, tmp_path):
    light = torch.linspace(0.1, 0.9, 64).expand(1, 3, 64, 64)
    write_picture(tmp_path / "a.png", (light + (0.01 * light).sqrt() * torch.randn(1, 3, 64, 64)).clamp(0, 1))
    options = ["-o", tmp_path / "out", "--overwrite", "--only", "restored"]
    code, out, err = run("denoise", tmp_path / "a.png", "--iso-gain", 2.55, *options)
    made = json.loads((tmp_path / "out" / "restoration.json").read_text())
    assert (code, err) == (0, "") and "noise found" not in out
    assert (made["noise"], made["sigma"], made["iso_gain"]) == ("told", [0.0], [2.55])
    assert (read_picture(tmp_path / "out" / "restored.png").image - light).square().mean().sqrt() < 0.02
    code, _, err = run("denoise", tmp_path / "a.png", "--iso-gain", 2, "--poisson", "auto", *options)
    assert code == 2 and "--iso-gain says nothing to noise that grows with light" in err


def test_impulses_bands_and_what_is_linear_are_said(run, tmp_path):
    smooth = torch.linspace(0.2, 0.8, 100).view(1, 1, 1, 100).expand(1, 3, 100, 100)
    struck = torch.where(torch.rand(1, 1, 100, 100) < 0.02, 1.0, smooth)
    write_picture(tmp_path / "a.png", (struck + 0.03 * torch.randn(1, 1, 100, 1)).clamp(0, 1) ** 2, bits=16)
    options = ["--preset", "tiny", "--steps", 1, "--only", "restored", "--overwrite", "-o", tmp_path / "out"]
    code, out, err = run("denoise", tmp_path / "a.png", "--linear", *options)
    made = json.loads((tmp_path / "out" / "restoration.json").read_text())
    said = " ".join(out.split())
    assert (code, err) == (0, "") and "impulses found" in said and "bands found" in said and "given back linear" in said
    assert made["impulses"] == pytest.approx(0.02, rel=0.3) and made["banding"] > 0.005 and made["linear"] is True
    assert "impulses.png" in made["files"] and read_picture(tmp_path / "out" / "restored.png").bits == 16
    _, out, _ = run("denoise", tmp_path / "a.png", "--no-impulses", "--no-banding", *options)
    made = json.loads((tmp_path / "out" / "restoration.json").read_text())
    assert "found" not in out.replace(str(tmp_path), "") and not {"impulses", "banding", "linear"} & made.keys()


def test_strength_says_nothing_where_there_is_no_noise(run, photo, tmp_path):
    code, _, err = run("restore", photo, "--degradation", "colorize", "--strength", 0.5, "-o", tmp_path / "out")
    assert code == 2 and "strength says nothing to colorization" in err
    options = ["--strength", 0.5, "--set", "sigma=20", "--only", "restored", "-o", tmp_path / "out"]
    assert run("restore", photo, "--degradation", "denoise", *options)[0] == 0
    assert json.loads((tmp_path / "out" / "restoration.json").read_text())["strength"] == 0.5


def test_the_transparent_hole_of_one_page(run, tmp_path):
    pages = [Image.new("RGBA", (20, 16), colour) for colour in ("red", "navy")]
    pages[1].putpixel((5, 6), (0, 0, 0, 0))
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    options = ["--preset", "tiny", "--steps", 1, "--mask", "alpha", "-o", tmp_path / "out"]
    assert "has no transparent pixels" in run("inpaint", tmp_path / "two.tif", "--page", 1, *options)[2]
    assert run("inpaint", tmp_path / "two.tif", "--page", 2, *options)[0] == 0
    assert read_picture(tmp_path / "out" / "phi.png").image.sum() == 3


def test_the_same_seed_writes_the_same_bytes(run, photo, tmp_path):
    options = ["--preset", "tiny", "--steps", 3, "--seed", 5, "--layers", "float"]
    for name in ("a", "b"):
        run("denoise", photo, *options, "-o", tmp_path / name)
    assert (tmp_path / "a" / "layers.tif").read_bytes() == (tmp_path / "b" / "layers.tif").read_bytes()


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3)])
def test_odd_sizes_work(run, tmp_path, size):
    path = tmp_path / "odd.png"
    write_picture(path, torch.rand(1, 1, *size).expand(1, 3, *size))
    for task in ("denoise", "colorize"):
        code, _, err = run(task, path, "--preset", "tiny", "--steps", 1, "-o", tmp_path / task)
        assert (code, err) == (0, "")
        assert read_picture(tmp_path / task / "restored.png").image.shape[2:] == size


def bad(name):
    """Mark a case of bad input with its name."""
    return lambda function: pytest.param(function, id=name)


@bad("not an image")
def _text(photo, mask, tmp_path):
    (tmp_path / "a.png").write_text("hello")
    return ["denoise", tmp_path / "a.png"]


@bad("truncated")
def _truncated(photo, mask, tmp_path):
    photo.write_bytes(photo.read_bytes()[:200])
    return ["denoise", photo]


@bad("empty file")
def _empty(photo, mask, tmp_path):
    photo.write_bytes(b"")
    return ["denoise", photo]


@bad("folder without pictures")
def _folder(photo, mask, tmp_path):
    (tmp_path / "folder").mkdir()
    return ["denoise", tmp_path / "folder"]


@bad("mask the other way")
def _mask_inverted(photo, mask, tmp_path):
    write_picture(mask, 1 - read_picture(mask).image[:, :1])
    return ["inpaint", photo, "--mask", mask]


@bad("mask that is a photo")
def _mask_photo(photo, mask, tmp_path):
    return ["inpaint", photo, "--mask", photo]


@bad("no transparent hole")
def _mask_alpha(photo, mask, tmp_path):
    return ["inpaint", photo, "--mask", "alpha"]


@bad("a transparent hole the other way")
def _alpha_inverted(photo, mask, tmp_path):
    return ["inpaint", photo, "--mask", "alpha", "--invert-mask"]


@bad("a defect that nobody knows")
def _find(photo, mask, tmp_path):
    return ["inpaint", photo, "--find", "ghosts"]


@bad("nothing to be found")
def _find_none(photo, mask, tmp_path):
    write_picture(photo, torch.full((1, 3, 30, 40), 0.5))
    return ["inpaint", photo, "--find", "dust"]


@bad("a defect to find beside a mask")
def _find_beside(photo, mask, tmp_path):
    return ["inpaint", photo, "--find", "dust", "--mask", mask]


@bad("a hole to find that grows")
def _find_hole_grows(photo, mask, tmp_path):
    return ["inpaint", photo, "--find-hole", "--grow", 2]


@bad("colours already")
def _colours(photo, mask, tmp_path):
    write_picture(photo, torch.rand(1, 3, 30, 40))
    return ["colorize", photo]


@bad("hints without any")
def _no_hints(photo, mask, tmp_path):
    return ["colorize", photo, "--hints", mask]


@bad("no such file")
def _missing(photo, mask, tmp_path):
    return ["denoise", tmp_path / "nowhere.png"]


@bad("mask of another size")
def _mask_size(photo, mask, tmp_path):
    wrong = torch.ones(1, 1, 8, 8)
    wrong[:, :, 2:4] = 0
    write_picture(mask, wrong)
    return ["inpaint", photo, "--mask", mask]


@bad("mask all hole")
def _mask_hole(photo, mask, tmp_path):
    write_picture(mask, torch.zeros(1, 1, 30, 40))
    return ["inpaint", photo, "--mask", mask]


@bad("mask all known")
def _mask_known(photo, mask, tmp_path):
    write_picture(mask, torch.ones(1, 1, 30, 40))
    return ["inpaint", photo, "--mask", mask]


@bad("no mask")
def _no_mask(photo, mask, tmp_path):
    return ["inpaint", photo]


@bad("mask for another task")
def _mask_denoise(photo, mask, tmp_path):
    return ["denoise", photo, "--mask", mask]


@bad("no hole to find")
def _no_hole(photo, mask, tmp_path):
    write_picture(photo, torch.full((1, 3, 30, 40), 0.5))
    return ["inpaint", photo, "--find-hole"]


@bad("unknown preset")
def _preset(photo, mask, tmp_path):
    return ["denoise", photo, "--preset", "nonesuch"]


@bad("sigma too large")
def _sigma(photo, mask, tmp_path):
    return ["denoise", photo, "--sigma", 300]


@bad("sigma negative")
def _sigma_negative(photo, mask, tmp_path):
    return ["denoise", photo, "--sigma=-1"]


@bad("gain negative")
def _gain(photo, mask, tmp_path):
    return ["denoise", photo, "--iso-gain=-1"]


@bad("steps")
def _steps(photo, mask, tmp_path):
    return ["denoise", photo, "--steps", 0]


@bad("steps of what answers at once")
def _steps_at_once(photo, mask, tmp_path):
    return ["denoise", photo, "--preset", "photographs", "--steps", 3]


@bad("a hole to find beside a mask")
def _find_and_mask(photo, mask, tmp_path):
    return ["inpaint", photo, "--find-hole", "--mask", mask]


@bad("a weight of what is known")
def _rho_and_mask(photo, mask, tmp_path):
    return ["inpaint", photo, "--mask", mask, "--rho", 0.1]


@bad("device")
def _device(photo, mask, tmp_path):
    return ["denoise", photo, "--device", "warp"]


@bad("unknown degradation")
def _degradation(photo, mask, tmp_path):
    return ["restore", photo, "--degradation", "sharpening"]


@bad("a setting that it does not take")
def _setting(photo, mask, tmp_path):
    return ["restore", photo, "--degradation", "denoising", "--set", "level=3"]


@bad("no setting at all")
def _no_setting(photo, mask, tmp_path):
    return ["restore", photo, "--degradation", "denoising", "--set", "sigma"]


@bad("budget")
def _budget(photo, mask, tmp_path):
    return ["denoise", photo, "--budget", "soon"]


@pytest.mark.parametrize(
    "case",
    [
        _text,
        _truncated,
        _empty,
        _folder,
        _mask_inverted,
        _mask_photo,
        _mask_alpha,
        _alpha_inverted,
        _find,
        _find_none,
        _find_beside,
        _find_hole_grows,
        _colours,
        _no_hints,
        _missing,
        _mask_size,
        _mask_hole,
        _mask_known,
        _no_mask,
        _mask_denoise,
        _no_hole,
        _preset,
        _sigma,
        _sigma_negative,
        _gain,
        _steps,
        _steps_at_once,
        _find_and_mask,
        _rho_and_mask,
        _device,
        _degradation,
        _setting,
        _no_setting,
        _budget,
    ],
)
def test_bad_input_is_one_line_exit_2_and_nothing_written(run, photo, mask, tmp_path, case):
    arguments = case(photo, mask, tmp_path)
    if "--preset" not in arguments:
        arguments += ["--preset", "tiny"]
    if "--steps" not in arguments:
        arguments += ["--steps", 1]
    code, out, err = run(*arguments, "-o", tmp_path / "out")
    assert code == 2
    assert not (tmp_path / "out").exists()
    assert "Traceback" not in out + err
    assert err.startswith("bigprior: ")
    assert err.count("\n") == 1
    assert len(err) > 40


def test_unknown_names_list_the_known_ones(run, photo, tmp_path):
    *_, err = run("denoise", photo, "--preset", "nonesuch")
    assert "tiny" in err
    *_, err = run("evaluate", "nonesuch", "--data", tmp_path)
    assert "inversion" in err


def test_a_place_that_cannot_be_written(run, photo, tmp_path):
    (tmp_path / "file").write_text("in the way")
    options = ["--preset", "tiny", "--steps", 1]
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        code, _, err = run("denoise", photo, *options, "-o", place)
        assert code == 2
        assert err.startswith("bigprior: ")
        assert (tmp_path / "file").read_text() == "in the way"


REFUSED = {
    "no picture": ["denoise", "text.png"],
    "of several": ["colorize", "photo.png", "text.png"],
    "mask of another size": ["inpaint", "photo.png", "--mask", "small.png"],
    "mask that is no picture": ["inpaint", "photo.png", "--mask", "text.png"],
    "folder that is a file": ["denoise", "photo.png", "-o", "text.png/below"],
    "budget": ["denoise", "photo.png", "--budget", "soon"],
    "no mask": ["inpaint", "photo.png"],
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_restored_is_refused_before_torch_is_loaded(photo, tmp_path, case):
    (tmp_path / "text.png").write_text("no picture")
    write_picture(tmp_path / "small.png", torch.rand(1, 1, 8, 8).round())
    code = "import sys; from bigprior.cli import main\n"
    code += f"sys.argv = ['bigprior', *{REFUSED[case]!r}]\n"
    code += "try: main()\nfinally: print(*{'torch', 'deepinv', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "\n")
    assert done.stderr.startswith("bigprior: ") and done.stderr.count("\n") == 1


class Fading(Degradation):
    """All is darker, by a factor that is known: another package's degradation, without a command of its own."""

    name = "fading"
    verb = "unfade"
    placement = "tiles"

    def __init__(self, gain: float = 0.5) -> None:
        super().__init__()
        self.gain = gain

    def A(self, x, **_):  # noqa: N802
        return self.gain * x

    def g_inv(self, y):
        return y / self.gain

    def g(self, x):
        return x * self.gain


def test_the_degradation_of_another_package_has_a_command(run, home, photo, tmp_path, request):
    DEGRADATIONS.register("fading")(Fading)
    request.addfinalizer(lambda: DEGRADATIONS.remove("fading"))
    parts = ["--phi", f"unfade={home / 'phi.safetensors'}", "--steps", "fading=2"]
    assert run("priors", "import", "faded", home / "g.safetensors", *parts)[0] == 0
    for name in ("fading", "unfade"):
        options = ["--degradation", name, "--set", "gain=0.25", "--preset", "faded", "-o", tmp_path / name]
        options += ["--layers", "float"]
        code, out, err = run("restore", photo, *options)
        assert (code, err) == (0, "") and "fading" in out
        layers = read_layers(tmp_path / name / "layers.tif")
        assert torch.equal(layers["fidelity"], 4 * read_picture(photo).image)
    code, _, err = run("restore", photo, *options, "--overwrite", "--set", "strength=1")
    assert code == 2 and "fading takes no setting 'strength': it takes gain" in err
    *_, err = run("restore", photo, "--degradation", "nonesuch")
    assert "unknown task 'nonesuch'" in err and "fading" in err


def test_a_command_without_torch_says_its_name_and_its_own_options(run):
    for task, own, others in (
        ("denoise", {"--sigma", "--rho", "--frame"}, {"--mask", "--find-hole", "--set"}),
        ("inpaint", {"--mask", "--find-hole", "--find", "--grow", "--sigma"}, {"--rho", "--frame", "--set"}),
        ("colorize", {"--rho", "--frame", "--hints", "--force", "--sigma"}, {"--mask", "--find-hole", "--set"}),
        ("restore", {"--degradation", "--set"}, {"--sigma", "--mask", "--find-hole"}),
    ):
        code, out, _ = run(task, "--help")
        shared = {"--preset", "--steps", "--budget", "--paper", "--vgg", "--seed", "--device", "--output"}
        shared |= {"--overwrite", "--only", "--format", "--layers"}
        words = set(out.split())
        assert code == 0 and own | shared | {"--quiet", "--verbose"} <= words and not others & words


def test_timings_and_where_the_time_goes(run, photo, tmp_path):
    code, out, err = run("denoise", photo, "--preset", "tiny", "--steps", 1, "-o", tmp_path / "out", "--verbose")
    assert code == 0 and "made up" in out
    assert all(f"{photo}: {what} in " in err for what in ("read", "restored", "saved")) and "loading: " in err
    assert run("-q", "denoise", photo, "--preset", "tiny", "--steps", 1, "-o", tmp_path / "again") == (0, "", "")

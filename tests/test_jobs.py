"""Jobs: what a photograph is to a degradation, what is refused before any work, and the same result everywhere."""

import pickle
from pathlib import Path

import pytest
import torch

import bigprior
from bigprior.degradations import DEGRADATIONS, Colorization, Denoising, Flaws, Inpainting
from bigprior.errors import BigpriorError, ImageError, MaskError, OutputError, SettingsError, UnknownNameError
from bigprior.io.layers import read_layers
from bigprior.io.pictures import read_mask, read_picture, write_picture
from bigprior.jobs import Job, agreement, check, degradation_of, measurement_of, run
from bigprior.phi import ConstantPhi
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.report.output import Output


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """An RGB photograph in sepia, 30 wide and 20 high."""
    write_picture(tmp_path / "photo.png", torch.rand(1, 1, 20, 30) * torch.tensor([1, 0.9, 0.7]).view(1, 3, 1, 1))
    return tmp_path / "photo.png"


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """A mask of the photograph with a hole."""
    known = torch.ones(1, 1, 20, 30)
    known[:, :, 5:9, 7:13] = 0
    write_picture(tmp_path / "mask.png", known)
    return tmp_path / "mask.png"


def restorer() -> bigprior.Restorer:
    rng = torch.Generator().manual_seed(5)
    return bigprior.Restorer(PrecomputedPrior(torch.rand(1, 3, 20, 30, generator=rng)), ConstantPhi(0.25))


def test_a_job_travels(photo, mask, tmp_path):
    job = Job(photo, "inpaint", {"mask": mask}, tmp_path / "out", seed=3)
    again = pickle.loads(pickle.dumps(job))
    assert again == job and hash(again) == hash(job)
    assert Job(str(photo), "inpaint", {"mask": mask}, str(tmp_path / "out"), 3) == job
    assert run(again, restorer()) == run(Job(photo, "inpaint", {"mask": mask}, tmp_path / "b", seed=3), restorer())


def test_what_a_photograph_is_to_each_task(photo, mask, tmp_path):
    image, known = read_picture(photo).image, read_mask(mask)

    def measured(task, **settings):
        picture, degradation, y = measurement_of(Job(photo, task, settings, tmp_path))
        assert torch.equal(picture.image, image)
        return degradation, y

    degradation, y = measured("denoising")
    assert isinstance(degradation, Denoising) and degradation.sigma is None and torch.equal(y, image)
    degradation, y = measured("denoise", sigma=25)
    assert degradation.sigma == 25 / 255 and torch.equal(y, image)
    degradation, y = measured("colorize")
    assert isinstance(degradation, Colorization) and torch.equal(y, degradation.f(image))
    degradation, y = measured("inpaint", mask=mask)
    assert torch.equal(degradation.mask, known) and torch.equal(y, image * known)
    degradation, y = measured("inpainting", mask=str(mask))
    assert torch.equal(degradation.mask, known)
    degradation, y = measured("inpaint")
    assert degradation.mask is None and torch.equal(y, image)


def test_every_registered_degradation_takes_a_photograph_without_settings(any_task, photo, tmp_path):
    _, degradation, y = measurement_of(Job(photo, any_task, {}, tmp_path))
    assert torch.equal(degradation.check(y), y)
    assert measurement_of(Job(photo, DEGRADATIONS[any_task].verb, {}, tmp_path))[1].name == any_task


def test_it_gives_what_the_library_gives(photo, mask, tmp_path):
    seen = []
    job = Job(photo, "inpaint", {"mask": mask}, tmp_path / "out", output=Output(layers="float"))
    result = run(job, restorer(), lambda *at: seen.append(at))
    physics = Inpainting(read_mask(mask))
    assert result == restorer().restore(physics.f(read_picture(photo).image), physics)
    layers = read_layers(tmp_path / "out" / "layers.tif")
    assert torch.equal(layers["measured"] + layers["hallucinated"], layers["restored"])
    assert torch.equal(layers["restored"], result.restored)


@pytest.mark.parametrize(
    ("suffix", "written"), [(".png", ".png"), (".TIF", ".tif"), (".tiff", ".tiff"), (".jpg", ".png"), (".webp", ".png")]
)
def test_results_are_of_the_photos_kind_if_that_is_lossless(tmp_path, suffix, written):
    write_picture(tmp_path / f"photo{suffix}", torch.rand(1, 3, 20, 30))
    run(Job(tmp_path / f"photo{suffix}", "denoise", {}, tmp_path / "out"), restorer())
    assert (tmp_path / "out" / f"restored{written}").is_file()


def test_grey_stays_grey_where_nothing_gives_it_colours(tmp_path):
    write_picture(tmp_path / "photo.png", torch.rand(1, 1, 20, 30), profile=bytes(16) + b"GRAY" + bytes(108))
    for task, colours in (("denoise", False), ("colorize", True)):
        run(Job(tmp_path / "photo.png", task, {}, tmp_path / task), restorer())
        written = read_picture(tmp_path / task / "restored.png")
        assert (written.is_grey, written.profile is None) == (not colours, colours)


def test_what_is_checked_is_the_photo_as_its_file_holds_it(photo, mask, tmp_path):
    decoded = check(Job(photo, "inpaint", {"mask": mask}, tmp_path / "new" / "out"))
    assert decoded.size == (20, 30) and decoded.bits == 8
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("task", "settings", "folder", "error", "words"),
    [
        ("denoise", {}, "photo.png", OutputError, ["photo.png is a file", "another folder"]),
        ("denoise", {}, "photo.png/below/it", OutputError, ["photo.png is a file"]),
        ("inpaint", {"mask": Path("small.png")}, "out", MaskError, ["small.png is 4x6", "photo.png is 30x20"]),
        ("inpaint", {"mask": Path("none.png")}, "out", ImageError, ["no picture none.png"]),
    ],
)
def test_what_is_refused_before_any_work(photo, tmp_path, monkeypatch, task, settings, folder, error, words):
    monkeypatch.chdir(tmp_path)
    write_picture("small.png", torch.rand(1, 1, 6, 4).round())
    with pytest.raises(error) as caught:
        check(Job("photo.png", task, settings, folder))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_folder_that_cannot_be_written(photo, tmp_path, monkeypatch):
    def refuse(*_, **__):  # root may write everywhere
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(OutputError, match=r"cannot write .*out: Permission denied"):
        check(Job(photo, "denoise", {}, tmp_path / "out"))


@pytest.mark.parametrize(
    ("task", "settings", "error", "word"),
    [
        ("sharpen", {}, UnknownNameError, "unknown task 'sharpen'"),
        ("denoise", {"sigma": 0}, SettingsError, "above 0, up to 255"),
        ("denoise", {"sigma": 256}, SettingsError, "sigma is 256"),
        ("denoise", {"sigma": "much"}, SettingsError, "sigma is much"),
        ("denoise", {"level": 3}, SettingsError, "denoising takes no setting 'level': it takes sigma"),
        ("colorize", {"sigma": 3}, SettingsError, "colorization takes no setting 'sigma': it takes hints, force"),
        ("inpaint", {"hole": 3}, SettingsError, "it takes mask"),
        ("inpaint", {"mask": "none.png"}, ImageError, "no picture none.png"),
    ],
)
def test_settings_that_a_degradation_does_not_take(photo, tmp_path, task, settings, error, word):
    with pytest.raises(error) as caught:
        degradation_of(Job(photo, task, settings, tmp_path))
    assert isinstance(caught.value, BigpriorError) and word in str(caught.value)


class Halving(bigprior.Degradation):
    """A measurement of half the picture's size: what the photograph is, its alpha too."""

    name = "halving"
    verb = "double"
    placement = "whole"

    def A(self, x, **_):  # noqa: N802
        return x[:, :, ::2, ::2]

    def g_inv(self, y):
        return y.repeat_interleave(2, 2).repeat_interleave(2, 3)

    def g(self, x):
        return self.A(x)

    def picture_size(self, y):
        return 2 * y.shape[2], 2 * y.shape[3]


def test_a_photo_that_is_smaller_than_its_picture(tmp_path, request):
    DEGRADATIONS.register("halving")(Halving)
    request.addfinalizer(lambda: DEGRADATIONS.remove("halving"))
    alpha = torch.rand(1, 1, 10, 15)
    write_picture(tmp_path / "photo.png", torch.rand(1, 3, 10, 15), alpha=alpha)
    result = run(Job(tmp_path / "photo.png", "double", {}, tmp_path / "out"), restorer())
    assert result.restored.shape == (1, 3, 20, 30)
    assert torch.equal(result.measurement, read_picture(tmp_path / "photo.png").image)
    written = read_picture(tmp_path / "out" / "restored.png")
    assert (written.alpha.mean() - alpha.mean()).abs() < 0.01 and written.alpha.shape[2:] == (20, 30)


def test_colours_that_a_photo_has_are_not_thrown_away_unasked(tmp_path):
    write_picture(tmp_path / "photo.png", torch.rand(1, 3, 20, 30))
    with pytest.raises(ImageError, match=r"photo.png: it has colours already, .* pass --force"):
        measurement_of(Job(tmp_path / "photo.png", "colorize", {}, tmp_path))
    _, degradation, y = measurement_of(Job(tmp_path / "photo.png", "colorize", {"force": True}, tmp_path))
    assert torch.equal(y, degradation.f(read_picture(tmp_path / "photo.png").image))


def test_hints_are_measured_in_the_photos_luminance(photo, tmp_path):
    alpha = torch.zeros(1, 1, 20, 30)
    alpha[..., 5:8, 4:9] = 1
    write_picture(tmp_path / "hints.png", torch.rand(1, 3, 20, 30), alpha=alpha)
    picture, degradation, y = measurement_of(Job(photo, "colorize", {"hints": tmp_path / "hints.png"}, tmp_path))
    assert torch.equal(degradation.hints, alpha) and y.shape == (1, 3, 20, 30)
    grey = Colorization().f(picture.image)
    torch.testing.assert_close(Colorization().f(y), grey, atol=1e-6, rtol=0)
    assert torch.equal(y * (1 - alpha), grey.expand_as(y) * (1 - alpha))
    assert (y[:, 0] != y[:, 2])[alpha[:, 0] == 1].float().mean() > 0.9
    for wrong in (None, torch.zeros_like(alpha), torch.ones_like(alpha)):
        write_picture(tmp_path / "none.png", torch.rand(1, 3, 20, 30), alpha=wrong)
        with pytest.raises(ImageError, match=r"none.png gives no hints: expected colours where they are known"):
            measurement_of(Job(photo, "colorize", {"hints": tmp_path / "none.png"}, tmp_path))
    write_picture(tmp_path / "small.png", torch.rand(1, 3, 6, 4), alpha=torch.eye(6)[None, None, :, :4])
    with pytest.raises(MaskError, match=r"hints .*small.png is 4x6 but"):
        check(Job(photo, "colorize", {"hints": tmp_path / "small.png"}, tmp_path / "out"))
    with pytest.raises(ImageError, match="hints are"):
        measurement_of(Job(photo, "colorize", {"hints": tmp_path / "small.png"}, tmp_path))


def test_a_hole_in_the_photos_own_transparency_is_opaque_when_it_is_filled(tmp_path):
    alpha = torch.ones(1, 1, 20, 30)
    alpha[..., 5:9, 7:13] = 0
    write_picture(tmp_path / "photo.png", torch.rand(1, 3, 20, 30), alpha=alpha)
    settings = {"mask": tmp_path / "photo.png", "alpha": True}
    result = run(Job(tmp_path / "photo.png", "inpaint", settings, tmp_path / "out"), restorer())
    assert torch.equal(result.phi, 1 - alpha)
    assert read_picture(tmp_path / "out" / "restored.png").alpha is None


def test_what_was_searched_for_is_saved_as_a_mask(tmp_path):
    spots = torch.full((1, 3, 20, 30), 0.5)
    spots[..., 5:7, 7:9] = spots[..., 14:16, 20:22] = 1.0
    write_picture(tmp_path / "photo.png", spots)
    result = run(Job(tmp_path / "photo.png", "inpaint", {"find": "dust"}, tmp_path / "out"), restorer())
    assert (result.phi[spots[:, :1] == 1] == 1).all() and result.phi.mean() < 0.1
    assert torch.equal(read_mask(tmp_path / "out" / "mask.png"), 1 - result.phi)
    assert result.provenance["mask"] == "found: dust"
    write_picture(tmp_path / "photo.png", spots.mean().expand(1, 3, 20, 30))
    with pytest.raises(MaskError, match=r"photo.png: searched for dust, but none was found"):
        run(Job(tmp_path / "photo.png", "inpaint", {"find": "dust"}, tmp_path / "none"), restorer())
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"find": "dust", "mask": "mask.png"}, "find looks for the hole that mask says already"),
        ({"grow": 2}, "grow says how a mask is read, but there is none"),
        ({"invert": True, "find": "dust"}, "invert says how a mask is read"),
        ({"find": "ghosts"}, "unknown kind of defect 'ghosts'"),
    ],
)
def test_settings_of_a_mask_that_say_nothing(photo, mask, tmp_path, settings, words):
    with pytest.raises(BigpriorError, match=words):
        degradation_of(Job(photo, "inpaint", settings, tmp_path))


def test_what_is_lost_of_a_photo_says_nothing_of_how_far_a_picture_is_from_it() -> None:
    x = torch.rand(1, 3, 8, 9)
    lost = torch.zeros(1, 3, 8, 9, dtype=torch.bool)
    lost[..., 3, 4] = True
    y = torch.where(lost, 1.0, x)
    flawed = Denoising(flaws=Flaws(lost=lost))
    assert agreement(x, y, flawed) == {"rms": 0.0, "max": 0.0}
    whole = agreement(x, y, Denoising())
    assert whole is not None
    assert whole["max"] > 0

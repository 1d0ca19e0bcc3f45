"""Jobs: what a photograph is to a degradation, what is refused before any work, and the same result everywhere."""

import pickle
from pathlib import Path

import pytest
import torch

import bigprior
from bigprior.degradations import DEGRADATIONS, Colorization, Denoising, Inpainting
from bigprior.errors import BigpriorError, ImageError, MaskError, OutputError, SettingsError, UnknownNameError
from bigprior.io.layers import read_layers
from bigprior.io.pictures import read_mask, read_picture, write_picture
from bigprior.jobs import Job, check, degradation_of, measurement_of, run
from bigprior.phi import ConstantPhi
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.report.output import Output


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """An RGB photograph, 30 wide and 20 high."""
    write_picture(tmp_path / "photo.png", torch.rand(1, 3, 20, 30))
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
        ("colorize", {"sigma": 3}, SettingsError, "colorization takes no setting 'sigma': it takes none"),
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

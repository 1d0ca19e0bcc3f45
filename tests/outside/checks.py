"""What another package's things do once they are known, however they became so: ``test_outside.py`` runs this twice."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from bigprior_outside.doubling import Doubling
from bigprior_outside.modulated import Modulated
from bigprior_outside.shares import SharesPhi
from bigprior_outside.smooth import SmoothPrior
from PIL import Image
from torch import Tensor, nn

import bigprior
from bigprior import (
    BASELINES,
    DEGRADATIONS,
    FRAMES,
    GENERATORS,
    KINDS,
    METRICS,
    PHI_NETWORKS,
    AnySize,
    Blend,
    DiffusionPrior,
    DiffusionSettings,
    FeedForwardPrior,
    GANPrior,
    ImageError,
    InversionSettings,
    PrecomputedPrior,
    Prior,
    Restorer,
    SettingsError,
    UnknownNameError,
    import_preset,
    load_prior,
    load_restorer,
)
from bigprior.cli import main
from bigprior.evaluation.protocols import Request, evaluation
from bigprior.evaluation.protocols.results import write_results
from bigprior.io.weights import save_weights
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.presets.store import folder_of


@pytest.fixture
def truth() -> Tensor:
    """Two smooth pictures of 34x46."""
    coarse = torch.rand(2, 3, 5, 6, generator=torch.Generator().manual_seed(1))
    return nn.functional.interpolate(coarse, size=(34, 46), mode="bicubic").clamp(0, 1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where presets go."""
    monkeypatch.setenv("BIGPRIOR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def shares(tmp_path: Path) -> Path:
    """A phi network of another package, as training would write it."""
    network = SharesPhi("cosine-2", start=0.9)
    path = tmp_path / "shares.safetensors"
    save_weights(path, network.state_dict(), {"kind": "shares", "network": network.settings})
    return path


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    """The weights of a generator of another package."""
    torch.manual_seed(2)
    path = tmp_path / "modulated.safetensors"
    save_weights(path, Modulated().state_dict(), {"architecture": "modulated"})
    return path


@pytest.fixture
def pictures(tmp_path: Path, truth: Tensor) -> Path:
    """A folder of pictures of two sizes, one of them odd."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, (x, width) in enumerate(zip(truth, (46, 33), strict=True)):
        samples = (x[:, :, :width].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        Image.fromarray(np.ascontiguousarray(samples)).save(folder / f"{i}.png")
    return folder


class Repeated(nn.Module):
    """A network that answers in one pass."""

    def forward(self, y: Tensor) -> Tensor:
        return nn.functional.interpolate(y, scale_factor=2)


def asked(sampler: str) -> DiffusionPrior:
    torch.manual_seed(3)
    return DiffusionPrior(DenoisingUNet((8, 12), blocks=1), DiffusionSettings(sampler=sampler, steps=3, samples=2))


def inverted() -> Prior:
    torch.manual_seed(4)
    return AnySize(GANPrior(Modulated(), InversionSettings(codes=2, layer=1, steps=3)), 16, overlap=5)


#: Priors that take a measurement that is smaller than the picture.
PRIORS = {
    "smooth": SmoothPrior,
    "precomputed": lambda: PrecomputedPrior(torch.rand(2, 3, 34, 46)),
    "inverted": inverted,
    "in tiles": lambda: AnySize(SmoothPrior(), 16),
    "blend": lambda: Blend(SmoothPrior(), inverted()),
    "feed forward": lambda: FeedForwardPrior(Repeated(), views=8),
    "diffpir": lambda: asked("diffpir"),
    "dps": lambda: asked("dps"),
}


@pytest.mark.parametrize(
    ("registry", "names"),
    [
        (DEGRADATIONS, {"doubling"}),
        (KINDS, {"smooth"}),
        (GENERATORS, {"modulated"}),
        (PHI_NETWORKS, {"shares"}),
        (FRAMES, {"cosine", "cosine-2"}),
        (METRICS, {"mae"}),
        (BASELINES, {"enlarged"}),
    ],
    ids=str,
)
def test_each_is_known_by_its_name_beside_ours(registry: bigprior.Registry, names: set[str]) -> None:
    assert names < set(registry)
    assert all(registry[name] is not None for name in names)
    with pytest.raises(UnknownNameError, match=min(names)):
        registry["no such thing"]


# The degradation


@pytest.mark.parametrize("size", [(6, 8), (5, 7), (1, 1), (1, 6)])
def test_pictures_of_odd_sides_are_measured_and_known_again(size: tuple[int, int]) -> None:
    physics, x = Doubling(size), torch.rand(2, 3, *size)
    y = physics.f(x)
    m = physics.measure(y)
    assert m.size == size and torch.equal(physics.g(m.fidelity), y)
    v = torch.randn_like(y)
    torch.testing.assert_close((y * v).sum(), (x * physics.A_adjoint(v)).sum(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(physics.f(m.consistent(torch.rand_like(x))), y, atol=1e-6, rtol=0)


def test_a_window_is_measured_as_the_picture_was() -> None:
    x = torch.rand(1, 3, 9, 13)
    m = Doubling((9, 13)).measure(Doubling().f(x))
    for top, left, height, width in ((0, 0, 4, 6), (2, 8, 4, 4), (6, 10, 4, 4)):
        part = x[..., top : top + height, left : left + width]
        window = m.crop(top, left, height, width)
        assert window.size == tuple(part.shape[2:])
        assert torch.equal(window.y, Doubling().f(part))


@pytest.mark.parametrize("frame", ["cosine-2", "cosine", "pixel", "wavelet"])
@pytest.mark.parametrize("prior", PRIORS)
def test_every_prior_of_ours_restores_it_in_every_frame(prior: str, frame: str, truth: Tensor) -> None:
    physics = Doubling()
    y = physics.f(truth)
    result = Restorer(PRIORS[prior](), SharesPhi(frame)).restore(y, physics, seed=1)
    assert result.task == "doubling" and result.provenance["frame"] == frame
    assert result.restored.shape == result.prior.shape == result.fidelity.shape == truth.shape
    assert torch.equal(result.restored, result.measured + result.hallucinated)
    if frame == Doubling.frame:  # what was measured stays so, whatever phi says
        torch.testing.assert_close(physics.f(result.restored), y, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("prior", "said"),
    [
        (lambda: asked("mean"), "doubling says nothing exactly .*'ddrm', 'diffpir' or 'dps'"),
        (lambda: asked("posterior"), "doubling says nothing exactly"),
        (lambda: asked("ddrm"), r"singular values of doubling.*decomposable\(\)"),
        (lambda: AnySize(SmoothPrior(), 15), "windows of doubling are multiples of 2 pixels.*works at 15"),
    ],
    ids=["mean", "posterior", "ddrm", "odd tiles"],
)
def test_what_a_prior_cannot_do_it_refuses_by_name(prior, said: str, truth: Tensor) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SettingsError, match=said):
        Restorer(prior(), SharesPhi()).restore(Doubling().f(truth), Doubling())


def test_a_picture_of_the_wrong_size_is_refused_by_name(truth: Tensor) -> None:
    physics = Doubling((33, 46))
    with pytest.raises(ImageError, match=r"FeedForwardPrior gave \(2, 3, 34, 46\) for .*46x33, doubling"):
        Restorer(FeedForwardPrior(Repeated()), SharesPhi()).restore(Doubling().f(truth), physics)


def test_a_result_is_saved_and_shown(truth: Tensor, tmp_path: Path) -> None:
    y = Doubling().f(truth[:1])
    result = Restorer(SmoothPrior(), SharesPhi("cosine-2")).restore(y, Doubling())
    files = result.save(tmp_path / "result")
    assert all(path.is_file() for path in files.values())
    assert json.loads(files["json"].read_text())["task"] == "doubling"
    assert bigprior.read_picture(files["restored"]).image.shape == (1, 3, 34, 46)
    assert "doubling" in result._repr_html_() and "46x34 doubling" in repr(result)


# The prior, alone and as a preset


def test_the_smoothest_picture_is_nearer_than_what_was_measured(truth: Tensor) -> None:
    for name, physics in (("doubling", Doubling()), ("denoising", bigprior.Denoising(0.1))):
        y = physics(truth)
        prior = SmoothPrior(weight=0.01 if name == "doubling" else 1.0)
        m = physics.measure(y)
        assert METRICS["mae"](prior.project(m).image, truth).max() < 0.7 * METRICS["mae"](m.fidelity, truth).max()


def test_a_preset_without_weights(home: Path, shares: Path, truth: Tensor) -> None:
    import_preset("plain", architecture="smooth", phi={"double": shares}, steps={"double": 20})
    assert "plain" in bigprior.preset_names()
    restorer = load_restorer("plain", "double")
    assert isinstance(restorer.prior, SmoothPrior) and restorer.prior.steps == 20
    assert load_restorer("plain", "doubling", steps=3).prior.steps == 3
    assert set(restorer.provenance["weights"]) == {"phi"}
    assert restorer.restore(Doubling().f(truth), Doubling()).provenance["preset"] == "plain"
    for option, value in (("paper", True), ("budget_s", 3.0), ("vgg", "trunk")):
        with pytest.raises(SettingsError, match=f"leave --{option.removesuffix('_s')} out"):
            load_prior("plain", "double", **{option: value})
    with pytest.raises(SettingsError, match="no network of its own"):
        import_preset("plainer", shares, architecture="smooth")


def test_presets_of_ours_are_asked_too(home: Path, shares: Path, truth: Tensor) -> None:
    y = Doubling().f(truth)
    with pytest.raises(SettingsError, match="no phi network weighs doubling of rooms"):
        load_restorer("rooms", "doubling")
    given = load_restorer("rooms", "doubling", steps=2, phi=shares)
    asked = {"doubling": {"sampler": "diffpir", "steps": 2}}
    network = folder_of("photographs") / "denoiser.safetensors"
    import_preset("asked", network, phi={"doubling": shares}, settings=asked)
    for restorer in (given, load_restorer("asked", "doubling")):
        torch.testing.assert_close(Doubling().f(restorer(y, Doubling())), y, atol=1e-6, rtol=0)


# The generator


def test_a_generator_with_styles_is_a_preset_of_the_kind_that_inverts(
    home: Path, generator: Path, shares: Path, truth: Tensor
) -> None:
    settings = {"doubling": {"codes": 2, "layer": 1, "steps": 3}}
    import_preset("styles", generator, phi={"doubling": shares}, settings=settings)
    restorer = load_restorer("styles", "doubling")
    result = restorer.restore(Doubling().f(truth), Doubling())
    assert result.restored.shape == truth.shape
    assert set(restorer.provenance["weights"]) == {"generator", "phi"}


# Evaluation


def test_it_is_evaluated_with_its_own_metric_and_baseline(
    home: Path, shares: Path, pictures: Path, tmp_path: Path
) -> None:
    import_preset("plain", architecture="smooth", phi={"doubling": shares})
    rows = evaluation("doubling")(Request(pictures, preset="plain"), lambda done, total: None)
    assert {"input", "prior", "ours", "enlarged"} <= set(rows) and rows["pictures"] == 2
    assert set(rows["input"]) == {"psnr", "mae"}
    assert rows["ours"]["mae"] < rows["input"]["mae"] and rows["enlarged"]["psnr"] > rows["input"]["psnr"]
    results = tmp_path / "results"
    results.mkdir()
    (results / "doubling-own.json").write_text(json.dumps(rows))
    assert write_results(results, tmp_path / "results.md") == ["doubling-own.json"]
    page = (tmp_path / "results.md").read_text()
    assert "doubling: own" in page and "| mae |" in page and "| enlarged |" in page


# The command line


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``run(*words)``: what a person types after ``bigprior``; it succeeds."""

    def typed(*words: object) -> None:
        monkeypatch.setattr("sys.argv", ["bigprior", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code

    return typed


def test_it_is_evaluated_by_the_command_line(run, home: Path, shares: Path, pictures: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    options = ["--preset", "rooms", "--steps", "2", "--phi", shares, "--baselines", "enlarged"]
    run("evaluate", "doubling", "--data", pictures, *options, "--json", tmp_path / "doubling.json")
    assert {"input", "prior", "ours", "enlarged"} <= set(json.loads((tmp_path / "doubling.json").read_text()))


def test_a_network_is_trained_a_preset_made_and_a_photo_restored_by_the_command_line(  # type: ignore[no-untyped-def]
    run, home: Path, shares: Path, pictures: Path, tmp_path: Path
) -> None:
    run("priors", "import", "plain", "--architecture", "smooth", "--phi", f"double={shares}", "--steps", "double=9")
    shutil.copy(pictures / "0.png", pictures / "1.png")
    settings = {"task": "double", "preset": "plain", "network": "shares", "index": "0-0", "validation": "1-1"}
    settings |= {"steps": 2, "batch": 1, "crop_px": 16}
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    run("train", "phi", "--data", pictures, "--out", tmp_path / "run", *words)
    trained = tmp_path / "run" / "phi.safetensors"
    before, after = (bigprior.load_phi(file).state_dict() for file in (shares, trained))
    assert before.keys() == after.keys() and any(not torch.equal(before[name], after[name]) for name in before)
    for preset, more in (("plain", []), ("rooms", ["--phi", trained, "--steps", "2"])):
        out = tmp_path / preset
        run("restore", pictures / "0.png", "--degradation", "double", "--preset", preset, *more, "-o", out)
        assert bigprior.read_picture(out / "restored.png").image.shape == (1, 3, 68, 92)

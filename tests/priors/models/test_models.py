"""Models that users already have: read safely, asked rightly, fused and recorded like any other prior."""

import json
import pickle
import sys
from pathlib import Path

import deepinv as dinv
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import bigprior
from bigprior.degradations import DEGRADATIONS, Colorization, Degradation, Denoising, Inpainting
from bigprior.errors import SettingsError, WeightsError
from bigprior.io.layers import read_layers
from bigprior.io.pictures import write_picture
from bigprior.io.weights import save_weights, sha256
from bigprior.networks.ffdnet import FFDNet
from bigprior.priors.anysize import AnySize
from bigprior.priors.models import as_prior, load_model
from bigprior.priors.models.base import Model, Takes
from bigprior.priors.models.prior import ModelPrior
from bigprior.restoration import Restoration

from .conftest import SMALL, Scripted, ScriptedFill

ANY = ["n", 3, "h", "w"]


@pytest.fixture
def run(monkeypatch, program, tmp_path):
    """Call the program; gives exit code, standard output and standard error."""
    monkeypatch.setenv("BIGPRIOR_HOME", str(tmp_path / "home"))
    return program


def restored(file: Path, measure, task: str, size: tuple[int, int] = (19, 33), **options) -> Restoration:
    y, physics = measure(task, 2, *size)
    restorer = bigprior.load_restorer(task=task, prior=file, **options)
    result = restorer.restore(y, physics)
    assert torch.equal(result.restored, result.measured + result.hallucinated)
    assert result.phi.min() >= 0 and result.phi.max() <= 1 and result.prior.isfinite().all()
    assert torch.equal(restorer.restore(y[1:], physics).prior, result.prior[1:])
    return result


@pytest.mark.parametrize("architecture", SMALL)
def test_weights_of_known_architectures_restore(architecture, weights, measure):
    file, (_, task) = weights(architecture), SMALL[architecture]
    said = restored(file, measure, task).provenance
    assert said["prior"] == {"file": file.name, "architecture": architecture}
    assert said["weights"]["prior"] == sha256(file)


def test_a_model_of_another_task_is_refused(weights, run, tmp_path):
    for task, physics in DEGRADATIONS.items():
        if not physics.__module__.startswith("bigprior."):
            continue
        for architecture, told in (("NAFNet", None), ("LaMa", "mask"), ("DRUNet", "sigma")):
            if task == SMALL[architecture][1]:
                continue
            with pytest.raises(SettingsError, match=rf"^its.file \({architecture}\) .* cannot {physics.verb}; pass"):
                Takes(architecture, told=told).refuse("its.file", physics)
    write_picture(tmp_path / "photo.png", torch.rand(1, 1, 20, 20))
    file = weights("NAFNet")
    code, _, err = run("colorize", tmp_path / "photo.png", "--prior", file, "-o", tmp_path / "out")
    assert (
        code == 2 and f"{file.name} (NAFNet) makes" in err and err.count("\n") == 1 and not (tmp_path / "out").exists()
    )


def test_a_state_dict_of_torch_is_the_same(weights, measure, tmp_path):
    files = [weights("NAFNet", suffix) for suffix in (".safetensors", ".pth")]
    torch.save({"net": load_file(files[0]), "step": 3}, tmp_path / "other.pth")
    first, *others = (restored(file, measure, "denoising").prior for file in (*files, tmp_path / "other.pth"))
    assert all(torch.equal(first, other) for other in others)


def test_a_mask_is_the_hole_and_known_pixels_stay(measure):
    class Seen(Model):
        def forward(self, x: Tensor, told: Tensor | None) -> Tensor:
            assert told is not None and x.shape[2:] == told.shape[2:] == (32, 48)
            return 0.25 * told + 0.0 * x

    prior = ModelPrior(Seen(Takes("seen", told="mask", multiple=16)))
    y, physics = measure("inpainting", 2, 19, 33)
    image = prior.project(physics.measure(y)).image
    hole = physics.measure(y).hole
    assert torch.equal(image, (0.25 * hole).expand(-1, 3, -1, -1))
    result = bigprior.load_restorer(task="inpainting", prior=prior).restore(y, physics)
    assert torch.equal(result.restored, torch.where(hole == 1, torch.tensor(0.25), y))


def test_a_noise_level_is_told_found_and_scaled(weights, measure):
    file, y = weights("DRUNet"), measure("denoising", 1, 40, 40)[0]
    known = bigprior.load_restorer(task="denoising", prior=file)
    few, much = (known.restore(y, Denoising(sigma)) for sigma in (0.02, 0.2))
    assert not torch.equal(few.prior, much.prior)
    assert known.restore(y, Denoising()).provenance["noise"] == "found"
    twice = bigprior.load_restorer(task="denoising", prior=file, strength=2).restore(y, Denoising(0.1))
    assert torch.equal(twice.prior, much.prior)
    with pytest.raises(SettingsError, match="strength says nothing to NAFNet"):
        bigprior.load_restorer(task="denoising", prior=weights("NAFNet"), strength=2)


def test_of_a_grey_picture_s_noise_a_model_of_colours_is_told_more():
    """It sees the same noise in three channels, and takes it for noise of each, of which there is less along grey."""

    class Told(Model):
        def forward(self, x: Tensor, told: Tensor | None) -> Tensor:
            assert told is not None
            return 0 * x + told.view(1, 1, 1, 1)

    coloured = torch.rand(1, 3, 8, 8)
    grey, physics = coloured[:, :1].expand(-1, 3, -1, -1).contiguous(), Denoising(0.1)
    for channels, y, level in ((3, coloured, 0.1), (3, grey, 0.1 * 3**0.5), (1, coloured, 0.1), (1, grey, 0.1)):
        prior = ModelPrior(Told(Takes("told", channels, channels, "sigma")))
        found = prior.project(physics.measure(y))
        torch.testing.assert_close(found.image, torch.full_like(y, level))
        assert found.codes["sigma"].tolist() == pytest.approx([0.1])


@pytest.mark.parametrize("architecture", ["DRUNet", "DnCNN", "NAFNet"])
def test_a_model_of_grey_pictures_sees_each_channel(architecture, weights, measure):
    grey = {"DRUNet": {"in_nc": 2, "out_nc": 1}, "DnCNN": {"in_nc": 1, "out_nc": 1}, "NAFNet": {"img_channel": 1}}
    file = weights(architecture, **grey[architecture])
    result = restored(file, measure, "denoising", (24, 16))
    swapped = bigprior.load_restorer(task="denoising", prior=file)
    y, _ = measure("denoising", 2, 24, 16)
    noise = Denoising(0.1)
    one, other = (swapped.restore(x, noise).prior for x in (y, y.flip(1)))
    assert torch.equal(one, other.flip(1)) and load_model(file).model.takes.channels == 1 == len(result.prior) - 1


def test_large_pictures_go_in_tiles_without_a_seam(weights, monkeypatch):
    prior = load_model(weights("DnCNN"))
    m = Denoising(0.1).measure(torch.rand(1, 3, 70, 50))
    whole = prior.project(m).image
    monkeypatch.setattr("bigprior.priors.models.prior._TILE", 32)
    monkeypatch.setattr("bigprior.priors.models.prior._HALO", 16)
    torch.testing.assert_close(prior.project(m).image, whole, atol=1e-6, rtol=0)


def test_a_picture_that_is_made_larger_is_no_restored_one(weights):
    file = weights("SwinIR", upscale=2, upsampler="pixelshuffledirect")
    assert load_model(file).model.takes.scale == 2
    for task in ("denoising", "inpainting", "colorization"):
        with pytest.raises(SettingsError, match="2 times as large"):
            bigprior.load_restorer(task=task, prior=file)


class Reddening(nn.Module):
    """Grey pictures in, red ones out."""

    def __init__(self) -> None:
        super().__init__()
        self.reddening = nn.Conv2d(1, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.reddening(x)


def test_colours_come_from_an_architecture_that_gives_them(tmp_path, measure):
    """DDColor is one; here a small one of one's own, which spandrel is told of."""
    spandrel = pytest.importorskip("spandrel", reason="needs spandrel: pip install 'bigprior[models]'")

    class Architecture(spandrel.Architecture):
        def __init__(self) -> None:
            super().__init__(id="Reddening", detect=lambda state: "reddening.weight" in state)

        def load(self, state_dict):
            half, given = {"supports_half": False, "supports_bfloat16": False}, {"input_channels": 1}
            given |= {"output_channels": 3, "scale": 1, "tags": [], "purpose": "Restoration", "architecture": self}
            return spandrel.ImageModelDescriptor(Reddening(), state_dict, **half, **given)

    registry = spandrel.MAIN_REGISTRY
    registry.add(spandrel.ArchSupport.from_architecture(Architecture()), ignore_duplicates=True)
    network = Reddening()
    with torch.no_grad():
        network.reddening.weight.copy_(torch.tensor([1.2, 0.9, 0.5]).view(3, 1, 1, 1))
        network.reddening.bias.zero_()
    save_file(network.state_dict(), tmp_path / "red.safetensors")
    result = restored(tmp_path / "red.safetensors", measure, "colorization")
    y, physics = measure("colorization", 2, 19, 33)
    torch.testing.assert_close(physics.f(result.restored), y, atol=1e-5, rtol=0)
    assert (result.restored[:, 0] >= result.restored[:, 2]).all() and result.share.min() > 0
    with pytest.raises(SettingsError, match=r"\(Reddening\) gives colours"):
        bigprior.load_restorer(task="denoising", prior=tmp_path / "red.safetensors")


def test_what_fails_in_another_s_code_is_one_error():
    class Failing(Model):
        def forward(self, x: Tensor, told: Tensor | None) -> Tensor:
            raise ZeroDivisionError

    with pytest.raises(WeightsError, match=r"this odd one failed on 20x10 pixels .ZeroDivisionError."):
        ModelPrior(Failing(Takes("odd one"))).project(Denoising(0.1).measure(torch.rand(1, 3, 10, 20)))


def test_weights_of_pictures_of_other_channels_are_refused(weights):
    with pytest.raises(WeightsError, match="pictures of 5 channels"):
        load_model(weights("NAFNet", img_channel=5))


def test_ffdnet_is_ours_to_recognise(tmp_path, measure):
    torch.manual_seed(0)
    for channels in (3, 1):
        network = FFDNet(channels, width=8, depth=8)
        save_weights(tmp_path / "ffdnet.safetensors", network.state_dict(), {})
        torch.save({name: tensor.half() for name, tensor in network.state_dict().items()}, tmp_path / "ffdnet.pth")
        results = [restored(tmp_path / f"ffdnet.{end}", measure, "denoising") for end in ("safetensors", "pth")]
        assert torch.equal(results[0].prior, results[1].prior)
        assert results[0].provenance["prior"]["architecture"] == "FFDNet"
        x = torch.rand(2, channels, 6, 8)
        level = torch.tensor([0.1, 0.3])
        small = torch.cat([F_unshuffled(x), level.view(2, 1, 1, 1).expand(2, 1, 3, 4)], 1)
        assert torch.equal(network(x, level), nn.functional.pixel_shuffle(network.model(small), 2))


def F_unshuffled(x: Tensor) -> Tensor:  # noqa: N802
    return torch.cat([x[:, c : c + 1, i::2, j::2] for c in range(x.shape[1]) for i in (0, 1) for j in (0, 1)], 1)


def test_torchscript_runs_if_it_is_trusted(script, measure):
    file = script(Scripted())
    with pytest.raises(SettingsError, match=r"TorchScript, a program .*--trust-prior"):
        load_model(file)
    model = load_model(file, trusted=True)
    assert model.model.takes == Takes("Scripted", told="sigma")
    result = restored(file, measure, "denoising", trusted=True)
    y, _ = measure("denoising", 2, 19, 33)
    noisy = bigprior.load_restorer(task="denoising", prior=file, trusted=True).restore(y, Denoising(0.2))
    torch.testing.assert_close(noisy.prior, (y + 0.1).clamp(0, 1))
    assert result.provenance["prior"] == {"file": "model.pt", "architecture": "Scripted"}


def test_torchscript_that_fills_holes(script, measure):
    result = restored(script(ScriptedFill()), measure, "inpainting", trusted=True)
    y, physics = measure("inpainting", 2, 19, 33)
    green = torch.tensor([0.1, 0.8, 0.2]).view(1, 3, 1, 1)
    assert torch.equal(result.restored, torch.where(physics.measure(y).hole == 1, green, y))


def test_onnx_of_a_picture(graph, measure):
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    kernel[range(3), range(3), 1, 1] = 0.5
    file = graph([("Conv", ["in", "k"], ["out"], {"pads": [1, 1, 1, 1]})], {"in": ANY}, {"k": kernel})
    takes = load_model(file).model.takes
    assert takes == Takes("Tiny", colours=None)
    result = restored(file, measure, "denoising")
    y, _ = measure("denoising", 2, 19, 33)
    torch.testing.assert_close(result.prior, 0.5 * y)
    assert result.provenance["prior"] == {"file": "model.onnx", "architecture": "Tiny"}
    restored(file, measure, "colorization")  # nothing in the file says that it gives no colours
    with pytest.raises(SettingsError, match="takes no mask"):
        bigprior.load_restorer(task="inpainting", prior=file)


def test_onnx_that_gives_colours(graph, measure):
    red = np.array([1.2, 0.9, 0.5], np.float32).reshape(3, 1, 1, 1)
    file = graph([("Conv", ["grey", "k"], ["out"])], {"grey": ["n", 1, "h", "w"]}, {"k": red})
    takes = load_model(file).model.takes
    assert (takes.channels, takes.gives, takes.colours) == (1, 3, True)
    result = restored(file, measure, "colorization")
    y, _ = measure("colorization", 2, 19, 33)
    torch.testing.assert_close(Colorization().f(result.restored), y, atol=1e-5, rtol=0)
    assert (result.restored[:, 0] >= result.restored[:, 2]).all() and result.share.min() > 0
    with pytest.raises(SettingsError, match="gives colours"):
        bigprior.load_restorer(task="denoising", prior=file)


def test_onnx_of_a_hole_of_one_size_only(graph, measure):
    nodes = [("Add", ["image", "mask"], ["out"])]
    file = graph(nodes, {"image": [1, 3, 32, 32], "mask": [1, 1, 32, 32]})
    prior = load_model(file)
    assert prior.resolution == 32 and prior.model.takes.told == "mask"
    result = restored(file, measure, "inpainting", (40, 50))
    y, physics = measure("inpainting", 2, 40, 50)
    hole = physics.measure(y).hole
    assert isinstance(bigprior.load_restorer(task="inpainting", prior=file).prior, AnySize)
    assert torch.equal(result.restored * (1 - hole), y * (1 - hole)) and (result.prior * hole).max() == 1


@pytest.mark.parametrize("shape", [[], [1], [1, 1, 1, 1], ["n", 1, "h", "w"]], ids=str)
def test_onnx_is_told_the_noise_as_it_wants_it(graph, measure, shape):
    file = graph([("Add", ["in", "noise_level"], ["out"])], {"in": ANY, "noise_level": shape})
    y, _ = measure("denoising", 2, 19, 33)
    result = bigprior.load_restorer(task="denoising", prior=file).restore(0.5 * y, Denoising(0.1))
    torch.testing.assert_close(result.prior, 0.5 * y + 0.1)


def test_onnx_of_bytes_and_of_multiples(graph, measure):
    onnx = pytest.importorskip("onnx")
    file = graph([("Identity", ["in"], ["out"])], {"in": ANY}, kind=onnx.TensorProto.UINT8)
    y, _ = measure("denoising", 1, 9, 12)
    prior = load_model(file).project(Denoising(0.1).measure(y)).image
    torch.testing.assert_close(prior, (255 * y).round() / 255)
    # Halved and doubled again, a size comes back if it is even.
    scales = {"none": np.array([], np.float32), "half": np.array([1, 1, 0.5, 0.5], np.float32)}
    scales["twice"] = np.array([1, 1, 2, 2], np.float32)
    nodes = [("Resize", ["in", "none", "half"], ["small"]), ("Resize", ["small", "none", "twice"], ["out"])]
    file = graph(nodes, {"in": ANY}, scales)
    assert load_model(file).model.takes.multiple == 2
    restored(file, measure, "denoising")


class Denoiser(dinv.models.Denoiser):
    """Half of the noise stays."""

    def forward(self, x: Tensor, sigma: float | Tensor, **_) -> Tensor:
        return 0.5 * x + 0.1


class Reconstructor(dinv.models.Reconstructor):
    """What the physics says, and a number from torch's global ones."""

    def forward(self, y: Tensor, physics: Degradation, **_) -> Tensor:
        return physics.A_adjoint(y) * 0.5 + 0.1 * torch.rand(())


def test_deepinv_models_are_priors(our_task, measure):
    y, physics = measure(our_task, 2, 19, 33)
    for network in (Denoiser(), Reconstructor(), nn.Conv2d(physics.channels, 3, 1)):
        result = bigprior.load_restorer(task=our_task, prior=network).restore(y, physics, seed=1)
        assert torch.equal(result.restored, result.measured + result.hallucinated)
        assert result.provenance["prior"] == {"architecture": type(network).__name__}
        again = bigprior.load_restorer(task=our_task, prior=network).restore(y[1:], physics, seed=1)
        torch.testing.assert_close(again.prior, result.prior[1:], atol=1e-5, rtol=0)
        prior = as_prior(network, type(physics))
        assert as_prior(prior, type(physics)) is prior


def test_a_hole_that_has_to_be_found_is(script, measure):
    y, physics = measure("inpainting", 1, 48, 48)
    result = bigprior.load_restorer(task="inpainting", prior=script(ScriptedFill()), trusted=True).restore(
        y.clamp(0.2, 1) * physics.mask, Inpainting()
    )
    assert result.provenance["mask"] == "found by phi" and 0 < result.mean_phi < 1


class Hostile:
    """Would write a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def _code(tmp_path: Path) -> Path:
    (tmp_path / "hostile.pth").write_bytes(pickle.dumps({"weight": Hostile(tmp_path / "ran")}))
    return tmp_path / "hostile.pth"


def _archive(tmp_path: Path) -> Path:
    torch.save({"weight": Hostile(tmp_path / "ran")}, tmp_path / "hostile.pt")
    return tmp_path / "hostile.pt"


def _unknown(tmp_path: Path) -> Path:
    pytest.importorskip("spandrel")
    save_weights(tmp_path / "unknown.safetensors", nn.Linear(2, 2).state_dict(), {})
    return tmp_path / "unknown.safetensors"


def _text(tmp_path: Path) -> Path:
    (tmp_path / "text.onnx").write_text("hello")
    pytest.importorskip("onnxruntime")
    return tmp_path / "text.onnx"


def _missing(tmp_path: Path) -> Path:
    return tmp_path / "missing.pth"


def _half(tmp_path: Path) -> Path:
    state = FFDNet(3, 8, 8).state_dict()
    del state["model.4.bias"]
    save_weights(tmp_path / "half.safetensors", state, {})
    return tmp_path / "half.safetensors"


def _deep(tmp_path: Path) -> Path:
    state = FFDNet(3, 8, 8).state_dict()
    state["model.2000000000.weight"] = state.pop("model.14.weight")
    save_file(state, tmp_path / "deep.safetensors")
    return tmp_path / "deep.safetensors"


SAID = {
    _deep: "not the weights of an FFDNet",
    _code: "carries pathlib.Path.touch, which is neither a tensor nor a plain container: nothing of it was run",
    _archive: "carries __builtin__.getattr, which is neither a tensor nor a plain container: nothing of it was run",
    _unknown: "architecture that is not known",
    _text: "not an ONNX file",
    _missing: "no model file",
    _half: "not the weights of an FFDNet",
}


@pytest.mark.parametrize("make", SAID, ids=lambda make: make.__name__[1:])
def test_a_bad_file_is_one_line_and_nothing_runs(make, run, tmp_path):
    write_picture(tmp_path / "photo.png", torch.rand(1, 3, 20, 20))
    file = make(tmp_path)
    code, out, err = run("denoise", tmp_path / "photo.png", "--prior", file, "-o", tmp_path / "out")
    assert (code, out) == (2, "") and SAID[make] in err and str(file) in err
    assert err.startswith("bigprior: ") and err.count("\n") == 1
    assert not (tmp_path / "ran").exists() and not (tmp_path / "out").exists()


def test_onnx_with_operations_of_its_own_is_refused(graph, capfd):
    file = graph([("Evil", ["in"], ["out"])], {"in": ANY}, domain="their.operations")
    with pytest.raises(WeightsError, match="known operations"):
        load_model(file)
    assert capfd.readouterr().err == ""


def test_onnx_whose_tensors_are_in_another_file_is_refused(graph, tmp_path, monkeypatch):
    """The record's hash would not be of all that made the picture."""
    onnx = pytest.importorskip("onnx")
    file = graph([("Mul", ["in", "k"], ["out"])], {"in": ANY}, {"k": np.full((1, 3, 1, 1), 0.5, np.float32)})
    whole = {"save_as_external_data": True, "location": "k.bin", "size_threshold": 0}
    assert load_model(file).model.takes.scale == 1
    onnx.save_model(onnx.load(file), file, **whole)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match="whole in itself"):
        load_model(file)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"in": ANY, "other": ANY}, "2 inputs .in, other.: expected"),
        ({"in": [1, 3, 32, 48]}, "48x32 alone"),
        ({"in": ["n", 5, "h", "w"]}, "no picture"),
        ({"in": ["n", 3]}, "expected a picture"),
    ],
    ids=["inputs", "oblong", "channels", "vector"],
)
def test_onnx_of_something_else_is_refused(graph, inputs, said):
    with pytest.raises(WeightsError, match=said):
        load_model(graph([("Identity", ["in"], ["out"])], inputs))


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    save_weights(tmp_path / "unknown.safetensors", nn.Linear(2, 2).state_dict(), {})
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(WeightsError, match=r"needs the package spandrel.*pip install 'bigprior\[models\]'"):
        load_model(tmp_path / "unknown.safetensors")


def test_options_that_say_nothing_to_a_model_are_refused(tmp_path):
    save_weights(tmp_path / "ffdnet.safetensors", FFDNet(3, 8, 8).state_dict(), {})
    for options, said in (
        ({"steps": 3}, "steps says nothing to the prior ffdnet"),
        ({"name": "rooms"}, "the preset rooms"),
    ):
        with pytest.raises(SettingsError, match=said):
            bigprior.load_restorer(task="denoising", prior=tmp_path / "ffdnet.safetensors", **options)


def test_the_command_line_records_the_file(run, tmp_path, script):
    write_picture(tmp_path / "photo.png", torch.rand(1, 3, 20, 30))
    options = ["--prior", script(Scripted()), "-o", tmp_path / "out"]
    assert run("denoise", tmp_path / "photo.png", *options)[0] == 2
    code, _, err = run("denoise", tmp_path / "photo.png", *options, "--trust-prior", "--sigma", 25, "--layers", "float")
    assert (code, err) == (0, "")
    made = json.loads((tmp_path / "out" / "restoration.json").read_text())
    assert made["prior"] == {"file": "model.pt", "architecture": "Scripted"} and "preset" not in made
    assert made["weights"] == {"prior": sha256(tmp_path / "model.pt"), "phi": "closed form"}
    layers = read_layers(tmp_path / "out" / "layers.tif")
    assert torch.equal(layers["measured"] + layers["hallucinated"], layers["restored"])

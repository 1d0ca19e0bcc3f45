"""The denoiser as ONNX: onnxruntime computes what torch does, at every size."""

import json
import sys
from pathlib import Path

import pytest
import torch

from bigprior.errors import OutputError, SettingsError
from bigprior.io.weights import save_weights
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.presets.exporting import export_onnx
from bigprior.presets.importing import import_preset
from bigprior.presets.store import load_part
from bigprior.priors.models import load_model

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def tiny(tmp_path: Path, home: Path) -> DenoisingUNet:
    """A small denoiser that has learned something, the preset ``tiny``."""
    network = DenoisingUNet(widths=(64, 64), blocks=1)  # so many channels take the way of minimal filtering
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    save_weights(tmp_path / "d.safetensors", network.state_dict(), {"network": network.settings}, torch.float32)
    import_preset("tiny", tmp_path / "d.safetensors", architecture="denoising-unet")
    return load_part("tiny", "denoiser")


@pytest.fixture
def runtime():  # type: ignore[no-untyped-def]
    """Opens a file with onnxruntime; gives its session."""
    pytest.importorskip("onnx", reason="needs onnx: pip install 'bigprior[export]'")
    ort = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'bigprior[models]'")
    return lambda path: ort.InferenceSession(path, providers=["CPUExecutionProvider"])


def differs(session, network, n, height, width, told):  # type: ignore[no-untyped-def]
    """The largest difference from torch; ``told`` is the size of the map of the noise level."""
    x, level = torch.rand(n, 3, height, width), 0.01 + 0.3 * torch.rand(n)
    sigma = level.view(-1, 1, 1, 1).expand(-1, 1, *told).contiguous()
    with torch.no_grad():
        wanted = network(x, level)
    (found,) = session.run(None, {"input": x.numpy(), "sigma": sigma.numpy()})
    assert found.shape == wanted.shape
    return (torch.from_numpy(found) - wanted).abs().max()


def test_any_size_and_number_as_torch(tmp_path: Path, tiny, runtime) -> None:  # type: ignore[no-untyped-def]
    session = runtime(export_onnx(tmp_path / "d.onnx", "tiny"))
    for n, height, width, told in [
        (1, 4, 4, (4, 4)),
        (1, 64, 64, (64, 64)),
        (3, 32, 100, (1, 1)),
        (2, 37, 41, (37, 41)),
    ]:
        assert differs(session, tiny, n, height, width, told) < 1e-4
    said = session.get_modelmeta()
    assert said.graph_name == "bigprior-tiny-denoiser" and said.custom_metadata_map["step"] == "4"
    assert [one.shape for one in session.get_inputs()] == [["N", 3, "H", "W"], ["N", 1, "h", "w"]]


@pytest.mark.slow
def test_the_embedded_denoiser_as_torch(tmp_path: Path, runtime) -> None:  # type: ignore[no-untyped-def]
    session = runtime(export_onnx(tmp_path / "d.onnx"))
    network = load_part("photographs", "denoiser")
    for size in [(16, 16), (64, 48), (32, 160), (70, 53)]:
        assert differs(session, network, 1, *size, size) < 1e-4


def test_darktable_gets_a_folder_of_its_form(tmp_path: Path, tiny, runtime) -> None:  # type: ignore[no-untyped-def]
    folder = export_onnx(tmp_path / "denoise-tiny-10", "tiny", sigma=10 / 255, darktable=True)
    said = json.loads((folder / "config.json").read_text())
    assert said["id"] == "denoise-tiny-10" and said["task"] == "denoise" and said["backend"] == "onnx"
    session, x = runtime(folder / "model.onnx"), torch.rand(1, 3, 32, 48)
    assert [one.name for one in session.get_inputs()] == ["input"] and said["num_inputs"] == 1
    with torch.no_grad():
        wanted = tiny(x, 10 / 255)
    assert (torch.from_numpy(session.run(None, {"input": x.numpy()})[0]) - wanted).abs().max() < 1e-4
    (folder / "notes.txt").touch()
    with pytest.raises(OutputError, match=r"holds notes\.txt"):
        export_onnx(folder, "tiny", darktable=True, overwrite=True)


def test_what_was_exported_is_a_prior_again(tmp_path: Path, tiny, runtime) -> None:  # type: ignore[no-untyped-def]
    takes = load_model(export_onnx(tmp_path / "d.onnx", "tiny")).model.takes
    assert (
        takes.told == "sigma" and takes.multiple == takes.least == 1 and takes.architecture == "bigprior-tiny-denoiser"
    )


def test_what_cannot_be_exported_is_refused(tmp_path: Path, tiny, program) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "there.onnx").write_text("mine")
    with pytest.raises(OutputError, match="is there already"):
        export_onnx(tmp_path / "there.onnx", "tiny")
    with pytest.raises(SettingsError, match=r"expected \.onnx"):
        export_onnx(tmp_path / "d.pt", "tiny")
    code, _, err = program("export", "onnx", tmp_path / "d.onnx", "--preset", "tiny", "--sigma", "0")
    assert code == 2 and "sigma is 0" in err and not (tmp_path / "d.onnx").exists()
    pytest.importorskip("onnx")
    with pytest.raises(SettingsError, match="expected a denoiser"):
        export_onnx(tmp_path / "d.onnx", "photographs", "colorizer")


def test_without_onnx_it_says_what_to_install(tmp_path: Path, tiny, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(SettingsError, match=r"bigprior\[export\]"):
        export_onnx(tmp_path / "d.onnx", "tiny")

"""Tensors on disk: round trips, and files that are not what they should be."""

import hashlib
import os
import pickle
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from bigprior.errors import BigpriorError, OutputError, WeightsError
from bigprior.io import weights
from bigprior.io.weights import fitting, read_tensors, read_weights, save_weights, sha256
from bigprior.networks.denoising_unet import DenoisingUNet


class Hostile:
    """A pickle of this makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return (Path.touch, (self.path,))


@given(
    shape=st.lists(st.integers(0, 4), max_size=4),
    settings=st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.lists(st.booleans()), max_size=3),
)
def test_a_round_trip_rounds_to_fp16_and_keeps_the_settings(tmp_path: Path, shape: list[int], settings: dict) -> None:
    torch.manual_seed(0)
    state = {"a.weight": torch.randn(shape) * 100, "b": torch.tensor([1.0, -0.0, 65504.0])}
    save_weights(tmp_path / "w.safetensors", state, settings)
    read, header = read_weights(tmp_path / "w.safetensors")
    assert header == settings
    assert read.keys() == state.keys()
    for name, tensor in state.items():
        assert read[name].dtype == torch.float32
        assert torch.equal(read[name], tensor.half().float())


def test_the_file_is_half_precision_on_disk_whatever_the_layout(tmp_path: Path) -> None:
    tensor = torch.randn(4, 4, 3, 3).to(memory_format=torch.channels_last).requires_grad_()
    save_weights(tmp_path / "w.safetensors", {"w": tensor}, {})
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        assert file.get_tensor("w").dtype == torch.float16
        assert torch.equal(file.get_tensor("w"), tensor.detach().half())


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, {"w": torch.ones(3)}, {"step": 1})
    before = path.read_bytes()

    def fails(state, name, metadata):  # type: ignore[no-untyped-def]
        Path(name).write_bytes(b"half of it")
        raise RuntimeError("disk full")

    monkeypatch.setattr(weights, "save_file", fails)
    with pytest.raises(RuntimeError, match="disk full"):
        save_weights(path, {"w": torch.zeros(3)}, {"step": 2})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["w.safetensors"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        save_weights(tmp_path / "file" / "w.safetensors", {"w": torch.ones(1)}, {})


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin"])
def test_a_foreign_state_dict_is_read(tmp_path: Path, suffix: str) -> None:
    state = {"a": torch.randn(2, 3), "b": torch.arange(3)}
    for saved in (state, {"state_dict": state, "epoch": 3}):
        torch.save(saved, tmp_path / f"w{suffix}")
        read = read_tensors(tmp_path / f"w{suffix}")
        assert read.keys() == state.keys()
        assert all(torch.equal(read[k], state[k]) for k in state)


@pytest.mark.parametrize("wrap", [lambda h: h, lambda h: {"a": torch.ones(1), "b": h}], ids=["bare", "in a state dict"])
@pytest.mark.parametrize("save", [torch.save, lambda o, p: p.write_bytes(pickle.dumps(o))], ids=["torch", "pickle"])
def test_a_pickle_that_carries_code_is_refused_and_does_not_run(tmp_path: Path, wrap, save) -> None:  # type: ignore[no-untyped-def]
    save(wrap(Hostile(tmp_path / "ran")), tmp_path / "w.pth")
    with pytest.raises(
        WeightsError, match=r"carries (pathlib|\w*builtin\w*)\.\S*(touch|getattr), .* nothing of it was run"
    ):
        read_tensors(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()
    # The file is hostile indeed: an ordinary load runs what it carries.
    torch.load(tmp_path / "w.pth", weights_only=False) if save is torch.save else pickle.loads(
        (tmp_path / "w.pth").read_bytes()
    )
    assert (tmp_path / "ran").exists()


def test_of_a_checkpoint_the_averaged_generator_is_read(tmp_path: Path) -> None:
    one, other = {"w": torch.ones(2)}, {"w": torch.zeros(2)}
    checkpoints = [
        {"g": other, "d": other, "g_ema": one},
        {"netG_state_dict": one},
        {"params": other, "params_ema": one},
    ]
    for checkpoint in checkpoints:
        torch.save(checkpoint, tmp_path / "checkpoint.tar")
        assert torch.equal(read_tensors(tmp_path / "checkpoint.tar")["w"], torch.ones(2))


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, torch.ones(2), {"state_dict": {"a": "b"}}, {0: torch.ones(1)}])
def test_a_pickle_without_a_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="holds no state dict"):
        read_tensors(tmp_path / "w.pth")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("content", [b"", b"\0", b"not weights at all" * 10, b"\x80\x02.", b"\xff" * 64])
def test_bytes_that_are_no_weights_are_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    for read in (read_tensors, read_weights):
        with pytest.raises(WeightsError, match=path.name):
            read(path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, {"w": torch.ones(100)}, {})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="not a safetensors file"):
        read_weights(path)


@pytest.mark.parametrize("name", ["absent.safetensors", "absent.pth", "folder", "folder.safetensors"])
def test_a_file_that_is_not_there_or_is_a_folder(tmp_path: Path, name: str) -> None:
    if "folder" in name:
        (tmp_path / name).mkdir()
    for read in (read_tensors, read_weights):
        with pytest.raises(WeightsError, match=f"no weights file {tmp_path / name}"):
            read(tmp_path / name)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"settings": "{"}, {"settings": "[1]"}])
def test_settings_that_bigprior_did_not_write_are_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file({"w": torch.ones(1)}, tmp_path / "w.safetensors", metadata=metadata)
    with pytest.raises(BigpriorError, match="not written by bigprior"):
        read_weights(tmp_path / "w.safetensors")
    assert torch.equal(read_tensors(tmp_path / "w.safetensors")["w"], torch.ones(1))


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(range(256)) * 5000)
    assert sha256(tmp_path / "x") == hashlib.sha256(bytes(range(256)) * 5000).hexdigest()


@pytest.mark.parametrize(
    "settings",
    [
        {"widths": [10**12]},
        {"widths": [-1]},
        {"widths": "many"},
        {"widths": []},
        {"blocks": 10**9},
        {"blocks": 1e400},
        {"nonesuch": 1},
        {"deep": {"er": [[10**9]]}},
    ],
)
def test_settings_that_no_weights_fit_are_one_error(settings: dict, recwarn: pytest.WarningsRecorder) -> None:
    """Before memory is asked for, and without a library's warnings."""
    with pytest.raises(WeightsError, match=r"not the weights of a network|a setting is") as caught:
        weights.built(DenoisingUNet, "a network", {"a": torch.ones(3)}, settings)
    assert "\n" not in str(caught.value) and not recwarn.list


@pytest.mark.parametrize("raised", [ValueError("two\nlines"), ZeroDivisionError(), MemoryError(), KeyError("a")])
def test_whatever_hostile_weights_raise_is_one_error(raised: Exception, recwarn: pytest.WarningsRecorder) -> None:
    with (
        pytest.raises(WeightsError, match="no generator of such a preset") as caught,
        fitting("no generator of such a preset"),
    ):
        warnings.warn("a library's", stacklevel=1)
        raise raised
    assert "\n" not in str(caught.value) and not recwarn.list

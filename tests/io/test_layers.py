"""Layers come back float for float, and others read them."""

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bigprior.errors import ImageError, OutputError, SettingsError
from bigprior.io.layers import read_layers, write_layers
from bigprior.io.pictures import read_picture

SIDE = st.integers(1, 17)
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


@settings(max_examples=25)
@given(st.dictionaries(NAMES, st.tuples(st.sampled_from([1, 3]), SIDE, SIDE), min_size=1, max_size=4), SIDE)
def test_layers_come_back_bit_for_bit(tmp_path, shapes, seed):
    random = np.random.default_rng(seed)
    layers = {}
    for name, shape in shapes.items():  # any bits, so NaN, infinities and subnormals too
        bits = random.integers(0, 2**32, (1, *shape), dtype=np.uint32)
        layers[name] = torch.from_numpy(bits.view(np.float32))
    write_layers(tmp_path / "layers.tif", layers)
    again = read_layers(tmp_path / "layers.tif")
    assert list(again) == list(layers)
    for name, layer in layers.items():
        assert torch.equal(again[name].view(torch.int32), layer.view(torch.int32))
    halves = {name: layer.half().nan_to_num() for name, layer in layers.items()}
    write_layers(tmp_path / "layers.tif", halves)
    again = read_layers(tmp_path / "layers.tif")
    assert all(torch.equal(again[name], half.float()) for name, half in halves.items())


def test_layers_are_pages_that_others_read(tmp_path):
    layers = {"fidelity": torch.rand(1, 3, 5, 6), "phi map": torch.rand(1, 1, 5, 6, requires_grad=True)}
    write_layers(tmp_path / "layers.tiff", layers)
    with tifffile.TiffFile(tmp_path / "layers.tiff") as tiff:
        assert [page.description for page in tiff.pages] == list(layers)
        assert [page.tags[285].value for page in tiff.pages] == list(layers)
        np.testing.assert_array_equal(tiff.pages[0].asarray(), layers["fidelity"][0].permute(1, 2, 0))
        np.testing.assert_array_equal(tiff.pages[1].asarray(), layers["phi map"][0, 0].detach())
    assert torch.equal(read_picture(tmp_path / "layers.tiff", page=1).image, layers["fidelity"])


@pytest.mark.parametrize(
    ("name", "layers", "error", "match"),
    [
        ("a.tif", {}, SettingsError, "at least one"),
        ("a.png", {"phi": torch.zeros(1, 1, 2, 2)}, SettingsError, "'.png'"),
        ("a.tif", {"": torch.zeros(1, 1, 2, 2)}, SettingsError, "layer name ''"),
        ("a.tif", {" phi": torch.zeros(1, 1, 2, 2)}, SettingsError, "layer name ' phi'"),
        ("a.tif", {"φ": torch.zeros(1, 1, 2, 2)}, SettingsError, "layer name"),
        ("a.tif", {"phi": torch.zeros(1, 1, 2, 2).double()}, ImageError, "float64"),
        ("a.tif", {"phi": torch.zeros(1, 2, 2, 2)}, ImageError, "'phi' is float32"),
        ("a.tif", {"phi": torch.zeros(1, 1, 0, 2)}, ImageError, "'phi' is float32"),
    ],
)
def test_layers_that_are_refused(tmp_path, name, layers, error, match):
    with pytest.raises(error, match=match):
        write_layers(tmp_path / name, layers)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_of_layers_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "layers.tif"
    write_layers(path, {"phi": torch.zeros(1, 1, 2, 2)})
    old = path.read_bytes()
    calls = []
    real = tifffile.TiffWriter.write

    def fail_second(self, *args, **kwargs):
        calls.append(0)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(tifffile.TiffWriter, "write", fail_second)
    with pytest.raises(OutputError, match="No space left"):
        write_layers(path, {"a": torch.ones(1, 1, 2, 2), "b": torch.ones(1, 1, 2, 2)})
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_foreign_files_are_no_layers(tmp_path, pixels):
    tifffile.imwrite(tmp_path / "a.tif", pixels(2, 3), description="phi")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((2, 3), np.float32), metadata=None)
    Image.new("RGB", (2, 2)).save(tmp_path / "c.png")
    (tmp_path / "d.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:60])
    for name in ("a.tif", "b.tif", "c.png", "d.tif", "none.tif"):
        with pytest.raises(ImageError, match=name):
            read_layers(tmp_path / name)


def others(path, name):
    """A layer as another library reads it from a container, (H, W) or (H, W, 3)."""
    letters = "Y" if name == "phi" else "RGB"
    if path.suffix == ".npz":
        return np.load(path)[name]
    if path.suffix == ".exr":
        with pytest.importorskip("OpenEXR").File(str(path), separate_channels=True) as file:
            return np.stack([file.channels()[f"{name}.{letter}"].pixels for letter in letters], -1).squeeze()
    if path.suffix == ".psd":
        psd = pytest.importorskip("psd_tools").PSDImage.open(path)
        values = next(layer for layer in psd if layer.name == name).numpy("color")
        return values[:, :, 0] if name == "phi" else values
    if path.name.endswith(".ome.tif"):
        with tifffile.TiffFile(path) as tiff:
            names = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]["Channel"]
        at = [channel["Name"] for channel in names]
        return np.stack([tifffile.imread(path)[at.index(f"{name}.{letter}")] for letter in letters], -1).squeeze()
    return tifffile.imread(path, key=["measured", "hallucinated", "phi"].index(name))


@pytest.mark.parametrize("kind", ["layers.tif", "layers.npz", "layers.exr", "layers.psd", "layers.ome.tif"])
@pytest.mark.parametrize("half", [False, True])
def test_every_container_holds_the_same_numbers(tmp_path, kind, half):
    for needed in {"layers.exr": ["OpenEXR"], "layers.psd": ["psd_tools"]}.get(kind, []):
        pytest.importorskip(needed, reason=f"{needed} is not installed: pip install 'bigprior[layers]'")
    layers = {name: 2 * torch.randn(1, 3, 7, 9) for name in ("measured", "hallucinated")} | {
        "phi": torch.rand(1, 1, 7, 9)
    }
    layers = {name: layer.half() if half else layer for name, layer in layers.items()}
    write_layers(tmp_path / kind, layers | ({} if half else {"band-1": torch.rand(1, 1, 3, 4)}))
    again = read_layers(tmp_path / kind)
    assert set(layers) <= set(again)
    for name, layer in layers.items():
        assert torch.equal(again[name], layer.float()), name
        np.testing.assert_array_equal(others(tmp_path / kind, name), layer[0].permute(1, 2, 0).squeeze())
    (tmp_path / kind).write_bytes((tmp_path / kind).read_bytes()[:100])
    with pytest.raises(ImageError, match="truncated or damaged"):
        read_layers(tmp_path / kind)


def test_a_container_whose_library_is_missing_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("bigprior.io.containers.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"\.exr needs OpenEXR: pip install 'bigprior\[layers\]'"):
        write_layers(tmp_path / "layers.exr", {"phi": torch.zeros(1, 1, 2, 2)})

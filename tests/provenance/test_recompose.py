"""The picture of its layers again."""

import pytest
import torch

from bigprior.degradations import Denoising
from bigprior.errors import ImageError, SettingsError
from bigprior.io.layers import read_layers, write_layers
from bigprior.io.pictures import read_picture
from bigprior.phi import ConstantPhi
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.provenance.loading import load
from bigprior.provenance.recompose import recompose
from bigprior.restorer import Restorer


@pytest.fixture(params=["pixel", "undecimated"])
def result(request):
    y = torch.rand(1, 3, 18, 25)
    return Restorer(PrecomputedPrior(torch.rand_like(y)), ConstantPhi(0.3, request.param)).restore(y, Denoising(0.1))


@pytest.mark.parametrize("kind", ["tiff", "npz", "exr", "psd", "ome"])
def test_layers_that_nobody_edited_are_the_picture_bit_for_bit(result, kind, tmp_path, program):
    for name in {"exr": ["OpenEXR"], "psd": ["psd_tools"]}.get(kind, []):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install 'bigprior[layers]'")
    paths = result.save(tmp_path / "out", layers="float", layers_as=kind, bits=16, only=["restored"])
    assert torch.equal(recompose(read_layers(paths["layers"])), result.restored)
    assert torch.equal(load(tmp_path / "out").restored, result.restored)
    assert program("recompose", tmp_path / "out", "-o", tmp_path / "again.png")[0] == 0
    again = read_picture(tmp_path / "again.png")
    assert torch.equal(again.image, read_picture(paths["restored"]).image) and again.bits == 16
    code, _, err = program("recompose", tmp_path / "out", "-o", tmp_path / "again.png")
    assert code == 2 and "there already" in err


def test_what_was_edited_shows(result, tmp_path, program):
    paths = result.save(tmp_path / "out", layers="float", only=["phi"])
    layers = read_layers(paths["layers"])
    layers["hallucinated"] *= 0
    layers["phi"] *= 0
    write_layers(tmp_path / "edited.npz", layers)
    for way, expected in (("sum", "measured"), ("phi", "fidelity")):
        assert program("recompose", tmp_path / "edited.npz", "-o", tmp_path / f"{way}.tif", "--by", way)[0] == 0
        off = read_picture(tmp_path / f"{way}.tif").image - getattr(result, expected).clamp(0, 1)
        assert float(off.abs().max()) < 0.5 / 255 + 1e-6


def test_what_is_no_restoration_is_refused(result, tmp_path):
    layers = read_layers(result.save(tmp_path / "out", layers="float", only=["phi"])["layers"])
    for change, said in (
        ({"phi": layers["phi"] + 1}, "'phi' of these has values"),
        ({"prior": layers["prior"][..., 1:]}, "'prior' of these is 24x18: expected 25x18"),
        ({"measured": layers["measured"] / 0}, "'measured' of these holds NaN or infinity"),
    ):
        with pytest.raises(ImageError, match=said):
            recompose(layers | change)
    with pytest.raises(ImageError, match="these has no layer 'phi'"):
        recompose({name: layer for name, layer in layers.items() if name != "phi"})
    with pytest.raises(SettingsError, match="by is 'magic'"):
        recompose(layers, "magic")

"""What a person gets to see of a restoration."""

import pytest
import torch

from bigprior.degradations import Denoising
from bigprior.errors import ImageError
from bigprior.io.layers import read_layers
from bigprior.io.pictures import read_picture
from bigprior.phi import ConstantPhi
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.report.folder import description, panel_figure, phi_figure, save_restoration
from bigprior.restorer import Restorer


def restoration(height=20, width=30, phi=0.25):
    y = torch.rand(1, 3, height, width)
    return Restorer(PrecomputedPrior(torch.rand_like(y)), ConstantPhi(phi), provenance={"preset": "none"}).restore(
        y, Denoising(), seed=7
    )


def test_every_layer_is_written(tmp_path):
    result = restoration()
    paths = save_restoration(result, tmp_path / "out", bits=16, layers="float")
    assert set(paths) == {"restored", "fidelity", "prior", "phi", "heatmap", "panel", "report", "layers", "json"}
    assert all(path.is_file() for path in paths.values())
    assert (read_picture(paths["restored"]).image - result.restored).abs().max() <= 0.5 / 65535 + 1e-7
    layers = read_layers(paths["layers"])
    assert torch.equal((1 - layers["phi"]) * layers["fidelity"] + layers["phi"] * layers["prior"], layers["restored"])
    assert torch.equal(layers["measured"] + layers["hallucinated"], layers["restored"])


def test_several_pictures_are_saved_one_by_one(tmp_path):
    y = torch.rand(2, 3, 8, 9)
    both = Restorer(PrecomputedPrior(torch.rand_like(y)), ConstantPhi(0.5)).restore(y, Denoising(0.1))
    with pytest.raises(ImageError, match="holds 2 pictures: save each"):
        save_restoration(both, tmp_path / "both")
    assert not (tmp_path / "both").exists()
    assert save_restoration(both[1], tmp_path / "one")["restored"].is_file()


def test_the_heat_map_spans_0_to_1_whatever_phi_is():
    for phi in (0.0, 0.25, 1.0):
        figure = phi_figure(restoration(phi=phi))
        image = figure.axes[0].images[0]
        assert (image.norm.vmin, image.norm.vmax) == (0, 1)
        assert f"{phi:.0%}" in figure.axes[0].get_title()
        assert len(figure.axes) == 2  # the map and its scale


def test_the_panel_shows_five_pictures_and_a_scale():
    titles = [axes.get_title() for axes in panel_figure(restoration()).axes]
    assert [t.split()[0].strip(":") for t in titles if t] == ["measurement", "fidelity", "prior", "phi", "restored"]


def test_the_description_says_how_it_was_made():
    made = description(restoration())
    assert made["seed"] == 7
    assert made["preset"] == "none"
    assert made["made_up"] == 0.25
    assert made["frame"] == "pixel"
    assert (made["width"], made["height"]) == (30, 20)
    assert {"python", "bigprior", "torch", "deepinv"} <= set(made["versions"])


@pytest.mark.slow
def test_what_is_written_by_default_is_at_most_four_times_the_photograph(tmp_path):
    y = torch.rand(1, 3, 2000, 3000)  # noise, of which no format makes less
    prior = PrecomputedPrior(torch.rand_like(y))
    paths = Restorer(prior, ConstantPhi(0.25)).restore(y, Denoising()).save(tmp_path / "out")
    assert sum(path.stat().st_size for path in paths.values()) <= 4 * y.numel()

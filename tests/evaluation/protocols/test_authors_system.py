"""Regression against the published system: the released phi networks on the paper's own pictures."""

import json

import pytest
import torch

from bigprior.evaluation.protocols import Request, evaluation
from bigprior.frames import PixelFrame
from bigprior.fusion import centre
from bigprior.io.folders import load_set
from bigprior.ops.masks import centre_hole
from bigprior.presets.loading import load_phi

SETS = ("bedroom", "church", "conference")


@torch.no_grad()
def mean_phi_of_centre_holes(shared, name, count):
    """Mean phi of each of the first test pictures, and what was released."""
    network = load_phi(shared / "authors_phi" / f"inpcrop_{name}.pth")
    pictures = load_set(shared / "data" / "lsun_val" / name, (250, 249 + count))
    y = pictures.images * centre_hole(256, 256)
    frame, weight = PixelFrame(), torch.ones(1)
    ours = [network(x, x, frame, mean=centre(x), weight=weight)[0].mean().item() for x in y.split(1)]
    gold = json.loads((shared / "gold" / "authors_per_image.json").read_text())
    return ours, gold[f"inpcrop_{name}"]["Mphi"][:count]


@pytest.mark.parametrize("name", SETS)
def test_mean_phi_of_centre_inpainting(shared, name):
    ours, released = mean_phi_of_centre_holes(shared, name, 2)
    assert ours == pytest.approx(released, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_mean_phi_of_centre_inpainting_on_every_test_picture(shared, name):
    ours, released = mean_phi_of_centre_holes(shared, name, 50)
    assert ours == pytest.approx(released, abs=1e-4)


def authors_table2(shared, last):
    data = shared / "data"
    return evaluation("table2")(
        Request(
            data / "lsun_val" / "bedroom",
            (250, last),
            prior_dir=data / "mgan_col_bedroom" / "prior",
            phi=shared / "authors_phi" / "col_bedroom.pth",
        ),
        lambda done, total: None,
    )


def test_colorization_figures_of_two_pictures(shared):
    gold = json.loads((shared / "gold" / "authors_per_image.json").read_text())["col_bedroom"]
    figures = authors_table2(shared, 251)
    assert figures["ours"]["auc"] == pytest.approx(sum(gold["AUC"][:2]) / 2, abs=5e-3)
    assert figures["prior"]["auc"] == pytest.approx(sum(gold["AUC_GAN"][:2]) / 2, abs=5e-3)
    assert figures["ours"]["mse"] == pytest.approx(sum(gold["MSE"][:2]) / 2, abs=2e-6)
    assert figures["ours"]["phi_outside"] > 0  # the released networks are not bounded, and are not made to look so


@pytest.mark.slow
def test_colorization_figures_of_the_paper(shared):
    figures = authors_table2(shared, 299)
    assert figures["ours"]["auc"] == pytest.approx(89.277, abs=0.005)
    assert figures["prior"]["auc"] == pytest.approx(88.517, abs=0.005)
    assert figures["input"]["auc"] == pytest.approx(87.933, abs=0.005)
    assert figures["ours"]["mse"] == pytest.approx(0.0075924, abs=1e-6)

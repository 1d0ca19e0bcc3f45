"""What a restoration says of itself, and how it leaves memory."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from bigprior.degradations import Denoising
from bigprior.errors import ImageError
from bigprior.io.layers import read_layers
from bigprior.networks.generators import PGGAN
from bigprior.phi import BandPhi, ConstantPhi
from bigprior.priors.anysize import AnySize
from bigprior.priors.gan import GANPrior, InversionSettings
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.restoration import Restoration
from bigprior.restorer import Restorer


@pytest.fixture
def restorer(tiny_generator: PGGAN) -> Restorer:
    return Restorer(AnySize(GANPrior(tiny_generator, InversionSettings(codes=2, steps=3)), 16), BandPhi("pixel"))


def restored(n: int = 1, height: int = 5, width: int = 7, phi: float = 0.31, seed: int = 0) -> Restoration:
    y, prior = torch.rand(2, n, 3, height, width, generator=torch.Generator().manual_seed(seed))
    return Restorer(PrecomputedPrior(prior), ConstantPhi(phi)).restore(y, Denoising())


@pytest.mark.parametrize(("n", "size"), [(1, "7x5"), (3, "3x 7x5")])
def test_its_repr_says_something(n: int, size: str) -> None:
    r = Restorer(PrecomputedPrior(torch.rand(n, 3, 5, 7)), ConstantPhi(0.31)).restore(
        torch.rand(n, 3, 5, 7), Denoising()
    )
    assert repr(r) == f"<Restoration {size} denoising, 31% made up>"


def test_each_picture_of_a_batch_is_a_restoration(restorer: Restorer, any_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    y, physics = measure(any_task, 3, 16, 16)
    r = restorer.restore(y, physics)
    assert len(r) == 3
    for i, one in enumerate(r):
        assert len(one) == 1 and torch.equal(one.restored, r.restored[i : i + 1])
        assert torch.equal(one.measured + one.hallucinated, one.restored)
        assert torch.equal(one.bands[0], r.bands[0][i : i + 1]) and one.mean_share == pytest.approx(float(r.share[i]))
        assert one.projection.history.shape[1] == 1 and len(one.projection.codes["z"]) == 1
    assert torch.equal(r[-1].restored, r.restored[2:])
    with pytest.raises(IndexError):
        r[3]


def test_a_restoration_is_frozen() -> None:
    r = Restorer(PrecomputedPrior(torch.rand(1, 3, 5, 7)), ConstantPhi()).restore(torch.rand(1, 3, 5, 7), Denoising())
    with pytest.raises(dataclasses.FrozenInstanceError):
        r.task = "other"  # type: ignore[misc]


def test_some_of_the_pictures() -> None:
    levels = torch.tensor([0.1, 0.2, 0.3])
    y, prior = torch.rand(2, 3, 3, 8, 8)
    r = Restorer(PrecomputedPrior(prior), BandPhi("wavelet")).restore(y, Denoising(levels))
    some = r[1:]
    assert len(some) == 2 and torch.equal(some.restored, r.restored[1:])
    assert some.provenance["sigma"] == pytest.approx([0.2, 0.3])
    assert all(torch.equal(one, other[1:]) for one, other in zip(some.bands, r.bands, strict=True))
    assert some[0] == r[1] and r[:] == r


def test_two_of_the_same_are_equal() -> None:
    assert restored() == restored()
    assert restored() != restored(seed=1) and restored() != restored(phi=0.32) and restored() != "a restoration"
    with pytest.raises(TypeError, match="unhashable"):
        hash(restored())


def test_it_leaves_as_an_array_or_a_pillow_image() -> None:
    r = restored()
    assert r.to_numpy().shape == (5, 7, 3) and r.to_numpy().dtype == np.uint8
    exact = r.to_numpy(np.float32)
    np.testing.assert_array_equal(exact, r.restored[0].permute(1, 2, 0))
    assert np.array_equal(np.asarray(r.to_pil()), r.to_numpy())
    for leave in (restored(2).to_numpy, restored(2).to_pil):
        with pytest.raises(ImageError):
            leave()
    assert restored(2)[1].to_pil().size == (7, 5)


def test_it_saves_itself(tmp_path: Path) -> None:
    r = restored()
    paths = r.save(tmp_path / "out", bits=16, layers="float")
    assert all(path.is_file() for path in paths.values())
    assert torch.equal(read_layers(paths["layers"])["restored"], r.restored)
    with pytest.raises(ImageError, match="holds 2 pictures"):
        restored(2).save(tmp_path / "both")


def test_a_notebook_shows_every_picture_behind_a_slider() -> None:
    html = restored(2)._repr_html_()
    assert html.count("<figure") == html.count('type="range"') == 2
    assert html.count("data:image/png;base64,") == 4
    assert "denoising: 31% made up" in html
    assert "http" not in html  # nothing is fetched

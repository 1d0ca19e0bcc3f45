"""CHEM on small pictures whose errors are known."""

import pytest
import torch
from torch import Tensor

from bigprior.errors import SettingsError
from bigprior.evaluation import chem
from bigprior.evaluation.chem import Chem

pytest.importorskip("pywt")


def known(seed: int, more: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """A smooth picture with a noisy part, where its restoration is wrong as much as it is noisy."""
    rng = torch.Generator().manual_seed(seed)
    truth = torch.nn.functional.interpolate(torch.rand(1, 3, 4, 4, generator=rng), size=(30, 44), mode="bilinear")
    rough = torch.zeros(1, 1, 30, 44)
    rough[..., :20] = 1
    restored = truth + more * 0.2 * rough * torch.randn(truth.shape, generator=rng)
    return restored, truth, torch.ones(1, 1, 30, 44)


@pytest.fixture(scope="module")
def made() -> Chem:
    return Chem(map(known, range(8)))


def test_the_transform_keeps_energy_and_places() -> None:
    x = torch.rand(1, 3, 16, 24)
    bands = chem._bands(x)
    assert bands.shape == (10, 3, 16, 24)
    assert float(bands.square().sum()) == pytest.approx(float(x.square().sum()), rel=1e-4)
    assert chem._bands(torch.rand(1, 3, 13, 9)).shape == (10, 3, 13, 9)


def test_new_coefficients_are_inside_as_promised(made: Chem) -> None:
    for seed in (100, 101):
        restored, truth, _ = known(seed)
        w = chem._bands(restored)
        outside = float(((w - chem._bands(truth)).abs() > made._half(w)).float().mean())
        assert 0.05 < outside < 0.15


def test_the_map_is_larger_where_the_picture_is_wrong(made: Chem) -> None:
    found = made.map(known(100)[0])
    assert found.shape == (1, 1, 30, 44)
    assert float(found[..., :18].mean()) > 1.5 * float(found[..., 22:].mean())


def test_larger_errors_than_calibrated_exceed(made: Chem) -> None:
    usual, more = made.excess(*known(100)), made.excess(*known(100, 3.0))
    assert more > 2 * usual > 0
    assert made.excess(*known(100)[:2], torch.zeros(1, 1, 30, 44)) == 0


def test_too_few_pictures_and_a_missing_package_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="at least two pictures"):
        Chem([known(0)])
    monkeypatch.setattr(chem, "is_installed", lambda: False)
    with pytest.raises(SettingsError, match=r"pip install 'bigprior\[bench\]'"):
        Chem([known(0), known(1)])

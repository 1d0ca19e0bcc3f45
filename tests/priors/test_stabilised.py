"""Priors of white noise, asked of noise that grows with light."""

import pytest
import torch

from bigprior import Denoising, Poisson, SettingsError
from bigprior.filters import packaged
from bigprior.presets.loading import load_restorer
from bigprior.priors.filtered import FilteredPrior
from bigprior.priors.stabilised import Stabilised
from tests.degradations.test_poisson import counted, scene


@pytest.mark.parametrize(("peak", "read"), [(4, 0.0), (30, 0.0), (30, 0.08)])
def test_a_filter_of_white_noise_is_better_for_it(peak: float, read: float) -> None:
    x, physics = scene(64, 64), Poisson(1 / peak, read)
    m, filtered = physics.measure(counted(x, peak, read)), FilteredPrior(packaged.nlm)
    off = [float((prior.project(m).image - x).square().mean()) for prior in (filtered, Stabilised(filtered))]
    assert off[1] < off[0]


def test_it_says_how_much_noise_there_was_not_how_much_once_it_was_white() -> None:
    m = Poisson(1 / 9).measure(counted(scene(20, 30), 9))
    found = Stabilised(FilteredPrior(packaged.nlm)).project(m)
    assert m.noise is not None and torch.equal(found.codes["sigma"], m.noise.sigma)
    assert found.image.shape == (1, 3, 20, 30)


def test_noise_that_is_white_already_is_refused() -> None:
    with pytest.raises(SettingsError, match="grows with light"):
        Stabilised(FilteredPrior(packaged.nlm)).project(Denoising(0.1).measure(torch.rand(1, 3, 8, 8)))


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (40, 50)])
def test_terms_sum_at_any_size_and_less_light_is_made_up_more(size: tuple[int, int]) -> None:
    restorer, shares = load_restorer(task="poisson", prior="nlm"), []
    for peak in (2, 200):
        result = restorer.restore(counted(scene(*size), peak), Poisson(1 / peak))
        assert torch.equal(result.measured + result.hallucinated, result.restored)
        assert result.phi.min() >= 0 and result.phi.max() <= 1
        assert result.provenance["peak"] == [peak] and result.provenance["noise"] == "told"
        shares.append(float(result.phi.mean()))
    assert size == (1, 1) or shares[0] > shares[1]

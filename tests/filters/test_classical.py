"""The filters that no package has: they remove noise, keep what has none, and do not depend on tiles or on chance."""

import numpy as np
import pytest
import skimage.data
import torch
from skimage.metrics import peak_signal_noise_ratio
from skimage.restoration import denoise_nl_means

from bigprior.filters.anisotropic import diffused
from bigprior.filters.cosparse import analysis_operator
from bigprior.filters.dictionary import learned_dictionary
from bigprior.filters.gradients import sparse_gradients
from bigprior.filters.groups import Sum, closed, opened, patches_of, similar
from bigprior.filters.nlbayes import non_local_bayes
from bigprior.filters.packaged import nlm, tv, wavelet
from bigprior.filters.reaction import trained_diffusion
from bigprior.filters.wnnm import weighted_nuclear_norm

FILTERS = {
    "anisotropic": diffused,
    "analysis": analysis_operator,
    "dictionary": learned_dictionary,
    "nl-bayes": non_local_bayes,
    "nlm": nlm,
    "tnrd": trained_diffusion,
    "total variation": tv,
    "wavelet": wavelet,
    "wnnm": weighted_nuclear_norm,
    "few gradients": lambda y, sigma: sparse_gradients(y, 1.3 * sigma, 1.0).image,
}
SIGMA = 0.1


def scene(channels: int, side: int = 32) -> np.ndarray:
    rows, columns = np.arange(side)[:, None], np.arange(side)
    stripes = 0.5 + 0.2 * np.sin(columns / 2) * (rows > side // 2) + 0.2 * (columns > side // 2)
    return np.stack([stripes, 0.8 * stripes, 1 - stripes], axis=2)[..., :channels]


#: Those that take seconds, whose colours are channels like others.
SLOW = ("analysis", "dictionary", "wnnm")


@pytest.mark.parametrize(("name", "channels"), [(n, c) for n in FILTERS for c in (1, 3) if c == 1 or n not in SLOW])
def test_they_remove_noise(name: str, channels: int) -> None:
    if name == "wavelet":
        pytest.importorskip("pywt", reason="needs PyWavelets: pip install 'bigprior[dev]'")
    truth = scene(channels)
    noisy = truth + SIGMA * np.random.default_rng(0).standard_normal(truth.shape)
    clean = FILTERS[name](noisy, SIGMA)
    assert clean.shape == truth.shape
    before, after = (peak_signal_noise_ratio(truth, x, data_range=1) for x in (noisy, clean))
    assert after > before + 2.5
    if name not in SLOW:
        assert np.array_equal(clean, FILTERS[name](noisy, SIGMA))


def test_non_local_means_is_that_of_the_library_s_own_example() -> None:
    """scikit-image's gallery: a detail of the astronaut, with noise of 0.08 that is known; the fast algorithm."""
    detail = skimage.data.astronaut()[30:180, 150:300] / 255
    noisy = detail + 0.08 * np.random.default_rng(0).standard_normal(detail.shape)
    how = {"patch_size": 5, "patch_distance": 6, "sigma": 0.08, "channel_axis": -1}
    assert np.array_equal(nlm(noisy, 0.08), denoise_nl_means(noisy, h=0.6 * 0.08, fast_mode=True, **how))
    slow = denoise_nl_means(noisy, h=0.8 * 0.08, fast_mode=False, **how)
    reached, best = (peak_signal_noise_ratio(detail, x, data_range=1) for x in (nlm(noisy, 0.08), slow))
    assert reached > best - 0.6


def test_similar_patches_are_found() -> None:
    x = torch.zeros(1, 20, 24)
    x[:, 4:8, 3:7] = x[:, 12:16, 15:19] = torch.rand(4, 4)
    places = similar(x, side=4, stride=4, far=19, count=2)
    assert places.shape == (5 * 6, 2) and torch.equal(places[:, 0] // 21 % 4, torch.zeros(30, dtype=torch.long))
    first = similar(x, side=4, stride=1, far=19, count=2).view(17, 21, 2)[4, 3]
    assert [divmod(int(place), 21) for place in first] == [(4, 3), (12, 15)]


def test_groups_stay_inside_of_the_picture() -> None:
    for size in ((5, 5), (9, 30), (40, 8)):
        places = similar(torch.rand(3, *size), side=5, stride=2, far=6, count=70)
        assert places.min() >= 0 and places.max() < (size[0] - 4) * (size[1] - 4)


def test_patches_make_the_picture_that_they_are_of() -> None:
    x = torch.rand(3, 11, 13)
    patches, total = patches_of(x, 5), Sum(x, 5)
    total.add(torch.arange(len(patches)), patches, torch.rand(len(patches)) + 0.1)
    assert torch.allclose(total.mean(x), x, atol=1e-5)
    assert torch.equal(Sum(x, 5).mean(x), x)


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 9, 1), (16, 17, 3)])
def test_opened_pictures_close(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(1).random(shape)
    x = opened(picture, side=7, stride=4)
    assert all((n - 7) % 4 == 0 and n >= 7 for n in x.shape[1:])
    assert np.abs(closed(x, shape[:2]) - picture).max() < 1e-6

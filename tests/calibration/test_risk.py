"""The bounds of a mean of losses: published figures, and what they promise on simulated calibrations."""

import math

import numpy as np
import pytest

from bigprior.calibration.risk import BOUNDS, betting, certified, hoeffding_bentkus
from bigprior.errors import SettingsError

every = pytest.mark.parametrize("bound", sorted(BOUNDS))


def most(bound, count, alpha=0.1, delta=0.1):
    """The largest mean of so many losses, all the same, that is certified to be below ``alpha``."""
    levels = np.arange(0, alpha, 0.0005)
    return max(level for level in levels if BOUNDS[bound](np.full(count, level), alpha, delta) <= delta)


@pytest.mark.parametrize(
    ("bound", "count", "expected"),
    [
        ("betting", 50, 0.052),
        ("betting", 200, 0.087),
        ("hoeffding-bentkus", 50, 0.023),
        ("hoeffding-bentkus", 200, 0.060),
    ],
)
def test_what_steady_losses_certify(bound, count, expected):
    assert most(bound, count) == pytest.approx(expected, abs=0.0011)


def test_hoeffding_bentkus_is_the_binomial_s_own_tail_in_e():
    losses = np.zeros(30)
    assert hoeffding_bentkus(losses, 0.1, 0.1) == pytest.approx(0.9**30)  # Hoeffding's is exact there
    assert hoeffding_bentkus(np.full(30, 0.1), 0.1, 0.1) == 1


@every
def test_a_thousand_calibrations_violate_at_most_delta(bound):
    """Losses of pictures that differ much; scales that certify more than the true risk are too many by chance alone."""
    rng, alpha, delta, count = np.random.default_rng(0), 0.1, 0.1, 60
    scales = np.exp(np.linspace(-2, 2, 60))

    def losses(n):  # a picture's errors are exponential, of a mean that differs from picture to picture
        return np.exp(-scales / rng.lognormal(-1.2, 0.5, (n, 1)))

    risk = losses(200_000).mean(axis=0)
    found = [certified(losses(count), alpha=alpha, delta=delta, bound=bound) for _ in range(1000)]
    risks = np.array([0.0 if column == math.inf else risk[int(column)] for column in found])
    assert (risks > alpha).sum() <= delta * 1000
    assert np.median(risks) > alpha / 5  # it is not idle


def test_rare_and_total_losses_violate_at_most_delta():
    """The hardest case: a picture is either wholly inside or wholly outside."""
    rng, alpha, delta = np.random.default_rng(1), 0.1, 0.1
    for bound in BOUNDS:
        rejected = sum(
            BOUNDS[bound]((rng.random(80) < alpha).astype(float), alpha, delta) <= delta for _ in range(1000)
        )
        assert rejected <= delta * 1000, bound


@every
def test_the_least_scale_from_which_on_all_are_certified(bound):
    losses = np.repeat([[0.5, 0.0, 0.3, 0.0, 0.0]], 100, axis=0)
    assert certified(losses, alpha=0.1, delta=0.1, bound=bound) == 3
    assert certified(losses[:, :1], alpha=0.1, delta=0.1, bound=bound) == math.inf


def test_bets_are_bolder_where_losses_hardly_vary():
    rng = np.random.default_rng(2)
    steady, wild = np.full(100, 0.05), (rng.permutation(100) < 5).astype(float)
    assert betting(steady, 0.1, 0.1) < betting(wild, 0.1, 0.1)


@pytest.mark.parametrize(("name", "value"), [("alpha", 0.0), ("alpha", 1.5), ("delta", -1.0), ("delta", math.nan)])
def test_levels_are_probabilities(name, value):
    levels = {"alpha": 0.1, "delta": 0.1} | {name: value}
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        certified(np.zeros((5, 2)), **levels)

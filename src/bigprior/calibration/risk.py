"""How much is risked: upper confidence bounds of a mean of losses, and the least scale whose risk they certify.

A loss in [0, 1] never grows as intervals widen by a scale, and its mean over all pictures is the risk. Risk-controlling
prediction sets (Bates et al., JACM 2021; Angelopoulos et al., ICML 2022) take the least scale from which on the bound
of the risk is below ``alpha``; so, whatever the pictures are, as long as calibrated and later ones are drawn alike,

    P( risk(scale) > alpha ) <= delta

over the draw of the pictures that calibrate. Two bounds, as p-values of "the risk is at least alpha":

    Hoeffding-Bentkus        min( exp(-n KL(mean, alpha)),  e P[ Bin(n, alpha) <= ceil(n mean) ] )
    betting                  1 / max_t prod_{i <= t} ( 1 - nu_i (loss_i - alpha) )

The second (Waudby-Smith and Ramdas, JRSS B 2024) bets on each loss by those before it, and learns from losses that
hardly vary, of which the first takes only the mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from bigprior.errors import SettingsError

Losses = npt.NDArray[np.float64]
#: Losses (n,) in [0, 1], and the level that their mean is tested against, to a p-value.
PValue = Callable[[Losses, float, float], float]


def hoeffding_bentkus(losses: Losses, alpha: float, delta: float) -> float:
    """The p-value of "the mean is at least ``alpha``" by Hoeffding's and Bentkus's inequalities, the lesser of both.

    Args:
        losses: (n,) in [0, 1].
        alpha: the level.
        delta: says nothing here.
    """
    n, mean = len(losses), float(losses.mean())
    if mean >= alpha:
        return 1.0
    kl = (1 - mean) * math.log((1 - mean) / (1 - alpha)) + (mean * math.log(mean / alpha) if mean > 0 else 0.0)
    # Means that rounding lifts above a whole number of losses are that number.
    bentkus = math.e * float(binom.cdf(math.ceil(n * mean - 1e-9), n, alpha))
    return min(1.0, math.exp(-n * kl), bentkus)


def betting(losses: Losses, alpha: float, delta: float) -> float:
    """The p-value of "the mean is at least ``alpha``" by betting against it, loss by loss.

    Bets are predictable plug-ins, large where losses have hardly varied so far:
    ``nu_i = min(1, sqrt(2 log(1/delta) / (n variance_{i-1})))``. The order of the losses must say nothing of them.

    Args:
        losses: (n,) in [0, 1].
        alpha: the level.
        delta: the p-value that bets are sized for; any other is valid too.
    """
    n, counts = len(losses), np.arange(1, len(losses) + 1)
    means = (0.5 + np.cumsum(losses)) / (1 + counts)
    variances = (0.25 + np.cumsum((losses - means) ** 2)) / (1 + counts)
    before = np.concatenate([[0.25], variances[:-1]])
    bets = np.minimum(1.0, np.sqrt(2 * math.log(1 / delta) / (n * before)))
    wealth = np.cumsum(np.log1p(-bets * (losses - alpha)))
    return min(1.0, math.exp(-float(wealth.max())))


#: The bounds by name.
BOUNDS: dict[str, PValue] = {"betting": betting, "hoeffding-bentkus": hoeffding_bentkus}


def certified(losses: Losses, *, alpha: float, delta: float, bound: str = "betting") -> float:
    """The scale whose risk is certified: the least column from which on every one is.

    Args:
        losses: (n, scales) in [0, 1], of n pictures in an order that says nothing of them; the scales grow, and so no
            row grows.
        alpha: the risk that is asked for.
        delta: how probably it may be missed, by the draw of the pictures.
        bound: a name in :data:`BOUNDS`.

    Returns:
        The column's index; infinity if the largest scale is not certified.

    Raises:
        SettingsError: ``alpha`` or ``delta`` outside (0, 1).
    """
    check_levels(alpha, delta)
    found = math.inf
    for column in reversed(range(losses.shape[1])):
        if BOUNDS[bound](losses[:, column], alpha, delta) > delta:
            break
        found = column
    return found


def check_levels(alpha: float, delta: float) -> None:
    """That both are probabilities between 0 and 1.

    Raises:
        SettingsError: one is not.
    """
    for name, level in (("alpha", alpha), ("delta", delta)):
        if not 0 < level < 1:
            raise SettingsError(f"{name} is {level}: expected a number between 0 and 1, such as 0.1")

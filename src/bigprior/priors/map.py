"""Classical estimates that are Eq. 5 by their own equations: priors that say ``phi`` themselves."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bigprior.degradations import Measurement
from bigprior.errors import SettingsError
from bigprior.filters import Weighed
from bigprior.filters.dictionary import within
from bigprior.filters.gradients import sparse_gradients
from bigprior.io.samples import Array
from bigprior.ops.boxes import box_mean
from bigprior.ops.colour import is_grey
from bigprior.priors.base import Prior, Projection
from bigprior.priors.filtered import as_array, as_tensor, hole_of, noise_levels
from bigprior.progress import Progress

#: Pixels around one, each way, whose mean and variance stand for its distribution, where nobody says.
_AROUND_PX = 2


class GaussianMAP(Prior):
    """Pixels that are normally distributed, each around a mean of its own (Section III-A).

    The prior is that mean, and Eq. 6 is Eq. 5::

        x_hat = y / (1 + 1 / S) + mean / (1 + S),   S = deviation^2 / sigma^2,   phi = 1 / (1 + S)      (Eq. 6-8)

    Args:
        mean: (N or 1, 3, H, W); by default that of the pixels around, in the measurement.
        deviation: the distribution's, (N or 1, 1 or 3, H, W), above or equal 0; by default of the pixels around, less
            the noise's (Lee, 1980).

    Raises:
        SettingsError: one of both without the other, or negative deviations.
    """

    any_size = frozenset({"tiles", "whole", "hole"})
    draws, knows_phi = False, True

    def __init__(self, mean: Tensor | None = None, deviation: Tensor | None = None) -> None:
        super().__init__()
        if (mean is None) != (deviation is None):
            raise SettingsError("a normal distribution has a mean and a deviation: pass both, or neither to find them")
        if deviation is not None and bool((deviation < 0).any()):
            raise SettingsError(f"a deviation is {float(deviation.min())}: expected 0 or more")
        self.mean: Tensor | None
        self.deviation: Tensor | None
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """The means, and phi; ``codes`` holds the noise level.

        Raises:
            SettingsError: a measurement without noise.
        """
        sigma = noise_levels(m)
        noise = sigma.view(-1, 1, 1, 1).square()
        if self.mean is None or self.deviation is None:
            mean, variance = _around(m.fidelity, noise)
        else:
            mean, variance = self.mean.expand_as(m.fidelity), self.deviation.square()
        phi = noise / (noise + variance).clamp_min(1e-30)  # 1 / (1 + S), also where there is no noise
        return Projection(mean, {"sigma": sigma}, phi=phi.expand(len(m), -1, *m.size))


class SelfWeighing(Prior):
    """An estimate that is taken apart into what it takes from the measurement and what it believes, picture by picture.

    Args:
        weigh: of a picture (H, W, 3), the noise level (None where there is none) and the hole (H, W), bool, or None.
        whole: give the estimate itself, which then is weighed as any other prior's picture is.
    """

    any_size = frozenset({"tiles", "whole", "hole"})
    draws = False

    def __init__(self, weigh: Callable[[Array, float | None, Array | None], Weighed], *, whole: bool = False) -> None:
        super().__init__()
        self.weigh, self.whole, self.knows_phi = weigh, whole, not whole

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """The prior's part, and phi; ``codes`` holds the noise level, where there is noise.

        Raises:
            SettingsError: a measurement with neither noise nor a hole.
        """
        sigma = None if m.noise is None else noise_levels(m)
        holes = None if sigma is not None else hole_of(m)
        images, weights = [], []
        for i in range(len(m)):
            picture = m.fidelity[i : i + 1]
            picture = picture[:, :1] if bool(is_grey(picture)) else picture  # a channel of a grey one is all of it
            lost = None if holes is None else holes[i, 0].cpu().numpy() > 0
            found = self.weigh(as_array(picture), None if sigma is None else float(sigma[i]), lost)
            images.append(as_tensor(found.image if self.whole else found.prior, picture).expand(-1, 3, -1, -1))
            weights.append(as_tensor(found.phi, picture))
            if progress is not None:
                progress(i + 1, len(m))
        phi = None if self.whole else torch.cat(weights)
        return Projection(torch.cat(images), {} if sigma is None else {"sigma": sigma}, phi=phi)


class GradientMAP(SelfWeighing):
    """Few gradients (Eq. 3): total variation with ``gamma`` = 1, a hyper-Laplacian with less.

    The prior is the mean of a pixel's neighbours, weighted by how alike they are; see
    :mod:`bigprior.filters.gradients`.

    Args:
        gamma: the power, above 0, up to 2.
        beta: weight of the prior; by default what suits the noise, or hardly anything where there is none.
        whole: as :class:`SelfWeighing`.

    Raises:
        SettingsError: ``gamma`` or ``beta`` out of range.
    """

    def __init__(self, gamma: float, beta: float | None = None, *, whole: bool = False) -> None:
        if not 0 < gamma <= 2:
            raise SettingsError(f"gamma is {gamma}: expected a power above 0, up to 2")
        if beta is not None and not beta > 0:
            raise SettingsError(f"beta is {beta}: expected more than 0")
        super().__init__(self._weighed, whole=whole)
        self.gamma, self.beta = gamma, beta

    def _weighed(self, picture: Array, sigma: float | None, hole: Array | None) -> Weighed:
        beta = self.beta if self.beta is not None else beta_of(self.gamma, sigma) * picture.shape[2] ** _CHANNELS
        return sparse_gradients(picture, beta, self.gamma, hole)


class DictionaryMAP(SelfWeighing):
    """Patches within ``epsilon`` of what few atoms of a learned dictionary make (Eq. 9-10).

    Args:
        epsilon: in units of the noise: 0 is ``x in span(M)``, and phi 1; at 1 hardly anything is left to the prior.
        whole: as :class:`SelfWeighing`.

    Raises:
        SettingsError: a negative ``epsilon``.
    """

    def __init__(self, epsilon: float = 0.1, *, whole: bool = False) -> None:
        if not epsilon >= 0:
            raise SettingsError(f"epsilon is {epsilon}: expected 0 or more, in units of the noise")
        super().__init__(self._weighed, whole=whole)
        self.epsilon = epsilon

    def _weighed(self, picture: Array, sigma: float | None, hole: Array | None) -> Weighed:
        if sigma is None:
            raise SettingsError(
                "a dictionary is learned from a noisy picture, but there is no noise: use another prior"
            )
        return within(picture, sigma, self.epsilon)


#: ``beta`` of Eq. 3 for noise of 25 of 255 by its power, and by which power of the noise it grows, less ``gamma``;
#: chosen on held-out photographs with noise of 15, 25 and 50. Without noise, a hole is filled, and little else changed.
_BETAS, _GROWS, _NO_NOISE = {0.8: 0.098, 1.0: 0.13}, 2.2, 1e-3
#: By which power of the number of channels it grows: their squares count one by one, their edge once.
_CHANNELS = 0.4


def beta_of(gamma: float, sigma: float | None) -> float:
    """Eq. 3's weight for a noise level in [0, 1]; between the powers for which it was chosen, and beyond, in line."""
    if sigma is None:
        return _NO_NOISE
    low, high = sorted(_BETAS)
    slope = (_BETAS[high] - _BETAS[low]) / (high - low)
    at_25 = max(1e-3, _BETAS[high] + slope * (gamma - high))
    return float(max(1e-9, at_25 * (255 * sigma / 25) ** (_GROWS - gamma)))


def _around(y: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of each pixel's surroundings (N, 3, H, W), and their variance beyond the noise's, (N, 1, H, W)."""
    side = 2 * _AROUND_PX + 1
    mean = box_mean(y, side)
    variance = (
        (box_mean(y.double().square(), side) - box_mean(y.double(), side).square()).mean(dim=1, keepdim=True).to(y)
    )
    return mean, (variance - noise).clamp_min(0)

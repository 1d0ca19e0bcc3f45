"""Whatever removes noise, as the prior of a measurement that weighs by itself: both take turns."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from bigprior.degradations import WHITE_NOISE, Degradation
from bigprior.priors.alternating import AlternatingPrior
from bigprior.priors.base import Prior
from bigprior.priors.plugandplay import PlugAndPlay, PlugAndPlaySettings


class PriorDenoiser(nn.Module):
    """A prior of noisy pictures as a denoiser: what it holds behind a picture with so much white noise.

    Args:
        prior: of pictures of any size.
    """

    any_size = True

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Pictures (N, 3, H, W) with noise of standard deviation ``sigma``, a number or (N,), without it."""
        return self.prior.propose(WHITE_NOISE(sigma).measure(x), seed=0, progress=None).image


def takes_turns(physics: type[Degradation]) -> bool:
    """Whether a denoiser can take turns with a degradation: one that weighs by itself, and is no noise alone."""
    return physics.weighs and not physics.identity


def in_turns(denoiser: nn.Module, physics: type[Degradation], settings: PlugAndPlaySettings | None = None) -> Prior:
    """A denoiser as the prior of a degradation: of a small, blurred or half measured picture, a mosaic, a JPEG file.

    Args:
        denoiser: of RGB pictures, and of the standard deviation of their noise, such as a deepinv ``Denoiser``.
        physics: one of those that :func:`takes_turns` names.
        settings: how they take turns; by default in single precision, as a model that others made was.
    """
    how = settings or PlugAndPlaySettings(precision="fp32")
    if physics.turns == "consistent":
        return AlternatingPrior(denoiser, how.steps, how.precision)
    return PlugAndPlay(denoiser, how)


def said_of(physics: type[Degradation], how: PlugAndPlaySettings) -> dict[str, Any]:
    """The settings that say something to a degradation, as a record has them."""
    return how.model_dump(mode="json", include={"steps", "precision"} if physics.turns == "consistent" else None)

"""A network that no one trained, fitted to the measurement: the deep image prior (Ulyanov, Vedaldi and Lempitsky)."""

from __future__ import annotations

import torch
from deepinv.models import ConvDecoder, DeepImagePrior
from torch import Tensor, nn

from bigprior.degradations import Degradation, Measurement
from bigprior.errors import SettingsError
from bigprior.priors.base import Prior, Projection
from bigprior.progress import Progress

#: Steps, which have to end before it fits the noise, and channels of its decoder.
STEPS, CHANNELS = 300, 32


class UntrainedPrior(Prior):
    """What a decoder of random weights makes of random numbers when it is fitted to the measurement, by deepinv.

    Its ``f`` is the degradation's, so that it serves every one.

    Args:
        steps: of the fit.
        channels: of the decoder.

    Raises:
        SettingsError: steps or channels that are not positive.
    """

    any_size = frozenset({"tiles", "whole", "hole"})

    def __init__(self, steps: int = STEPS, channels: int = CHANNELS) -> None:
        super().__init__()
        if min(steps, channels) < 1:
            raise SettingsError(f"steps are {steps} and channels {channels}: expected at least 1 of both")
        self.steps, self.channels = steps, channels

    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """Picture by picture, each from the same random numbers."""
        images: list[Tensor] = []
        for i in range(len(m)):
            one = m[i : i + 1]
            images.append(one.consistent(fitted(one.y, one.degradation, self.steps, self.channels, seed)))
            if progress is not None:
                progress(i + 1, len(m))
        return Projection(torch.cat(images))


def fitted(y: Tensor, physics: Degradation, steps: int, channels: int, seed: int = 0) -> Tensor:
    """The decoder's picture (1, 3, H, W) of a measurement (1, C, H, W), in [0, 1].

    It ends in a sigmoid, as the authors' does: what nothing was measured of, such as a hole, would leave [0, 1].
    """
    with torch.random.fork_rng(devices=[]):  # deepinv draws its start from the global random numbers
        torch.manual_seed(seed)
        decoder = ConvDecoder((3, *physics.picture_size(y)), channels=channels)
        method = DeepImagePrior(nn.Sequential(decoder, nn.Sigmoid()).to(y.device), (channels, 4, 4), iterations=steps)
        image: Tensor = method(y, physics).detach()
    return image

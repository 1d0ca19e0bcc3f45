"""Shot noise for priors that know white noise alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from bigprior.degradations import Measurement
from bigprior.errors import SettingsError
from bigprior.ops.shot import Shot
from bigprior.priors.base import Prior, Projection
from bigprior.progress import Progress, part_of

#: The share of the measurement in what is looked at once more, beside the first answer; and the mean count below which
#: that is worth it. Chosen on varied photographs of peaks 4 and 30.
_SHARE, _FEW = 0.5, 6.0


class Stabilised(Prior):
    """A prior of pictures with white noise, for such whose noise grows with light.

    It is asked for the picture whose noise was made white, and what it answers is turned back without a bias. Where
    few units were counted the transform is poor; so the mean of that answer and the measurement, whose noise is weaker
    and so nearer to white once it is stabilised, is looked at once more (Azzari and Foi, SPL 2016).

    Args:
        prior: takes noisy pictures of the kind that :attr:`Degradation.stabilised` names, or of the measurement's own.
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior
        self.resolution = prior.resolution
        self.any_size = prior.any_size

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """The prior's picture; its ``codes`` are kept, with the noise's level as it was found.

        Raises:
            SettingsError: a measurement whose noise does not grow with light.
        """
        if m.noise is None or m.noise.shot is None:
            raise SettingsError(
                f"nobody says how the noise of {m.degradation.name} grows with light: leave it as it is"
            )
        shot = m.noise.shot
        found = self._look(m, m.y, shot, seed, part_of(progress, 0, 2))
        few = m.y.mean(dim=(1, 2, 3)) / shot.gain < _FEW
        if bool(few.any()):
            mixed = torch.lerp(found.image, m.y, _SHARE)
            again = self._look(m, mixed, shot.mixed(_SHARE), seed, part_of(progress, 1, 2))
            found = replace(found, image=torch.where(few.view(-1, 1, 1, 1), again.image, found.image))
        return replace(found, codes=found.codes | {"sigma": m.noise.sigma})

    def _look(self, m: Measurement, y: torch.Tensor, shot: Shot, seed: int, progress: Progress | None) -> Projection:
        kind: Any = type(m.degradation).stabilised or type(m.degradation)
        z, sigma = shot.stabilised(y)
        found = self.prior.propose(kind(sigma=sigma).measure(z), seed=seed, progress=progress)
        return replace(found, image=shot.unbiased(found.image).clamp(0, 1), phi=None)

    def within(self, share: float) -> Stabilised:
        """The same, with a share of the prior's time budget."""
        return Stabilised(self.prior.within(share / 2))

"""Dark, pale and linear pictures, shown to a prior as it knows pictures."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from bigprior.degradations import Measurement
from bigprior.priors.base import Prior, Projection
from bigprior.progress import Progress

#: A picture that uses less of [0, 1] than this is stretched; this much of its values may lie beyond either end.
_NARROW, _BEYOND = 0.35, 0.005
#: What it is stretched to, and by how much at most.
_LEAST, _MOST, _GAIN = 0.05, 0.95, 1000.0


class InOwnRange(Prior):
    """A prior that is shown pictures of little contrast at full contrast; its answers are scaled back.

    A network has seen photographs that use the whole range. In one that does not, such as linear data or a very dark
    scan, it fills holes with tones, and gives colours, that are far from anything in the picture.

    Args:
        prior: of pictures without noise, of which ``f`` is linear.
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior
        self.resolution, self.any_size = prior.resolution, prior.any_size

    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """The prior's answer to each picture in a range of its own; as it is where that is wide enough."""
        low, gain = own_range(m.fidelity, m.hole)
        if bool((gain == 1).all()):
            return self.prior.propose(m, seed=seed, progress=progress)
        shown = m.degradation.measure(m.f((m.fidelity - low) * gain))
        found = self.prior.propose(replace(shown, searching=m.searching), seed=seed, progress=progress)
        return replace(found, image=found.image / gain + low)

    def within(self, share: float) -> InOwnRange:
        """The same, with a share of the prior's time budget."""
        return InOwnRange(self.prior.within(share))


def own_range(pictures: Tensor, holes: Tensor | None) -> tuple[Tensor, Tensor]:
    """What is taken off each picture, and what it is multiplied by then, to be shown at full contrast.

    Args:
        pictures: (N, C, H, W), in any range.
        holes: (N, 1, H, W), 1 where they say nothing; None where there is no such place.

    Returns:
        Both (N, 1, 1, 1): 0 and 1 of a picture that has contrast.
    """
    offsets, gains = [], []
    for picture, hole in zip(pictures, holes if holes is not None else [None] * len(pictures), strict=True):
        seen = picture if hole is None else picture[:, hole[0] == 0]
        values = seen.flatten()
        if not len(values):  # a window that is all hole
            values = picture.new_tensor([0.0, 1.0])
        values = values[:: max(1, len(values) // 2**18)].sort().values
        beyond = int(_BEYOND * (len(values) - 1))
        low, high = float(values[beyond]), float(values[-1 - beyond])
        if high - low >= _NARROW:
            low, gain = 0.0, 1.0
        else:
            gain = min(_GAIN, (_MOST - _LEAST) / max(high - low, 1e-6))
            low -= _LEAST / gain
        offsets.append(low)
        gains.append(gain)
    shape = (-1, 1, 1, 1)
    return pictures.new_tensor(offsets).view(shape), pictures.new_tensor(gains).view(shape)

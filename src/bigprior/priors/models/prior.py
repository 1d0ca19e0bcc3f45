"""A model that others made, as a prior."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from bigprior.degradations import Measurement
from bigprior.errors import WeightsError
from bigprior.ops.resampling import padded
from bigprior.ops.tiling import in_tiles
from bigprior.priors.base import Prior, Projection
from bigprior.priors.models.base import Model
from bigprior.progress import Progress

#: Side of the tiles of a large picture, and what is shown around each, in pixels: most models that can be cut at all
#: look no further.
_TILE, _HALO = 768, 64


class ModelPrior(Prior):
    """What a model makes of the measurement, and of the noise level or the hole if it is told of them.

    A size that the model does not take is extended by the last row and column, and cut again. A model of grey pictures
    is asked for each channel of a coloured one.

    Args:
        model: as :func:`load_model` gives it; set to evaluation and frozen.
    """

    draws = False

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        self.resolution = model.takes.side
        if model.takes.side is None:
            self.any_size = frozenset({"tiles", "whole", "hole"})

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """Picture by picture; ``codes`` holds ``sigma``, the noise level that was known or found, if it is told of it.

        Raises:
            SettingsError: a measurement that the model can say nothing of.
            WeightsError: the model fails on it.
        """
        takes = self.model.takes
        takes.refuse("the model", type(m.degradation))
        x = m.y if m.y.ndim == 4 and m.y.shape[1] == takes.channels else m.fidelity
        told = self._told(m)
        answers = []
        for i in range(len(m)):
            tiled = m.degradation.placement == "tiles" and not takes.whole and takes.scale == 1
            answers.append(self._answer(x[i : i + 1], None if told is None else told[i : i + 1], tiled))
            if progress is not None:
                progress(i + 1, len(m))
        image = torch.cat(answers)
        codes = {"sigma": m.noise.sigma} if takes.told == "sigma" and m.noise is not None else {}
        # What is of another size is refused by whoever asked.
        return Projection(m.consistent(image) if image.shape[2:] == m.size else image, codes)

    def _told(self, m: Measurement) -> Tensor | None:
        if self.model.takes.told == "sigma":
            assert m.noise is not None  # a noisy degradation's, which is the only kind that such a model suits
            # A model of colours that sees grey sees the same noise in all channels, which is more than it takes it for.
            return m.noise.along_grey if self.model.takes.channels == 3 else m.noise.sigma
        return m.hole if self.model.takes.told == "mask" else None

    def _answer(self, x: Tensor, told: Tensor | None, tiled: bool) -> Tensor:
        """The model's picture (1, 3, h, w) of one picture (1, C, H, W)."""
        count = x.shape[1] // self.model.takes.channels
        if count > 1:  # a model of grey pictures
            return torch.cat([self._answer(channel, told, tiled)[:, :1] for channel in x.split(1, dim=1)], dim=1)
        ask = partial(self._ask, told=told)
        answer = in_tiles(ask, x, tile=_TILE, halo=_HALO) if tiled else ask(x)
        return answer.expand(-1, 3, -1, -1)

    def _ask(self, x: Tensor, told: Tensor | None) -> Tensor:
        """A picture of any size."""
        takes, (height, width) = self.model.takes, x.shape[2:]
        size = [max(-(-side // takes.multiple) * takes.multiple, takes.least) for side in (height, width)]
        if told is not None and told.ndim == 4:
            told = padded(told, *size)
        try:
            answer: Tensor = self.model(padded(x, *size), told)
        except Exception as error:  # of another's code, which can raise anything
            said = str(error).strip().splitlines()[-1:] or [type(error).__name__]
            raise WeightsError(
                f"this {takes.architecture} failed on {size[1]}x{size[0]} pixels ({said[0]}): try a smaller picture"
            ) from error
        return answer[:, :, : takes.scale * height, : takes.scale * width].to(x)

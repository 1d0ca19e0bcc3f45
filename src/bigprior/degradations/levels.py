"""The level of white noise that measurements have beside what else happened to them: told, or found in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from bigprior.errors import SettingsError
from bigprior.noise import Noise, noise_of
from bigprior.ops.blank import blank

#: In [0, 1], one for all pictures or one each, (N,); None where it has to be found.
Level = float | Tensor | None


class OfLevel:
    """The part of a degradation with white noise that says how much of it there is."""

    sigma: Level

    def noise_in(self, y: Tensor) -> Noise:
        """Known, or found in ``y``."""
        return noise_of(y, self.sigma, blank(y) if self.sigma is None else None)

    @property
    def known_sigma(self) -> Level:
        """The noise level that was given."""
        return self.sigma


def checked(sigma: Level) -> Level:
    """A level as it is.

    Raises:
        SettingsError: outside [0, 1].
    """
    if sigma is not None and not bool(((torch.as_tensor(sigma) >= 0) & (torch.as_tensor(sigma) <= 1)).all()):
        raise SettingsError(f"sigma is {sigma}: expected a noise level in [0, 1] (25 of 255 is {25 / 255:.3f})")
    return sigma


def told(settings: Mapping[str, Any]) -> float | None:
    """The level that ``sigma`` says on the scale of 0..255, if it is there.

    Raises:
        SettingsError: out of range.
    """
    sigma = settings.get("sigma")
    if sigma is not None and (not isinstance(sigma, int | float) or not 0 <= sigma <= 255):
        raise SettingsError(f"sigma is {sigma}: expected a noise level of 0 to 255")
    return None if sigma is None else sigma / 255


def noisy(y: Tensor, least: int, most: int, rng: torch.Generator) -> Tensor:
    """A measurement with white noise of a whole number of 255, ``least`` to ``most``."""
    sigma = int(torch.randint(least, most + 1, (), generator=rng)) / 255
    return y + sigma * torch.randn(y.shape, generator=rng)


def joined(parts: Sequence[OfLevel]) -> Level:
    """That of a batch: of each part where they differ and all are known, else the first one's."""
    levels = [part.sigma for part in parts]
    if any(level is None for level in levels) or all(level == levels[0] for level in levels):
        return levels[0]
    return torch.cat([torch.as_tensor(level).float().reshape(-1) for level in levels])

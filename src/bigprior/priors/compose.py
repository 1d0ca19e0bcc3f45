"""Priors made of priors."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from bigprior.degradations import Measurement
from bigprior.errors import SettingsError
from bigprior.networks.refiner import Refiner
from bigprior.priors.base import Prior, Projection
from bigprior.progress import Progress, part_of


class Refined(Prior):
    """A prior's picture of a noisy one, with a second look at what similar patches say.

    Args:
        prior: the pilot.
        refiner: set to evaluation and frozen.
    """

    def __init__(self, prior: Prior, refiner: Refiner) -> None:
        super().__init__()
        self.prior, self.refiner = prior, refiner.eval().requires_grad_(False)
        self.resolution = prior.resolution
        self.any_size = prior.any_size & {"tiles"}

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """The pilot, refined; its ``codes`` are kept.

        Raises:
            SettingsError: a measurement that is no noisy picture.
        """
        if m.noise is None or not m.degradation.identity:
            raise SettingsError(
                f"a refiner takes a second look at noise, but {m.degradation.name} has none: leave it out"
            )
        white = m.noise.white  # a filter of similar patches takes coarse noise for texture
        if not bool(white.any()):
            return self.prior.propose(m, seed=seed, progress=progress)
        pilot = self.prior.propose(m, seed=seed, progress=part_of(progress, 0, 2))
        image = self.refiner(m.y, pilot.image, m.noise.along_grey, part_of(progress, 1, 2))
        return replace(pilot, image=torch.where(white.view(-1, 1, 1, 1), image, pilot.image))

    def within(self, share: float) -> Refined:
        """The same, with a share of the pilot's time budget."""
        return Refined(self.prior.within(share), self.refiner)


class Blend(Prior):
    """Two priors' pictures, mixed after each was made consistent with the measurement.

    Args:
        first, second: the priors.
        weight: the second one's share.
        saturation: factor on how far the mix is from ``g_inv(y)``, since a mean of two answers is paler than either.
    """

    def __init__(self, first: Prior, second: Prior, *, weight: float = 0.5, saturation: float = 1.0) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.weight, self.saturation = weight, saturation
        self.resolution = first.resolution or second.resolution
        self.any_size = first.any_size & second.any_size

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """The mix; the first one's ``codes`` are kept."""
        first = self.first.propose(m, seed=seed, progress=part_of(progress, 0, 2))
        second = self.second.propose(m, seed=seed, progress=part_of(progress, 1, 2))
        mix: Tensor = torch.lerp(m.consistent(first.image), m.consistent(second.image), self.weight)
        return replace(first, image=m.fidelity + self.saturation * (mix - m.fidelity))

    def within(self, share: float) -> Blend:
        """The same, with a share of each one's time budget."""
        first, second = self.first.within(share), self.second.within(share)
        return Blend(first, second, weight=self.weight, saturation=self.saturation)


class ByNoise(Prior):
    """One prior for white noise, and another for noise of cameras, which is coarse, and not the same everywhere.

    Args:
        white, other: the priors; each is asked for the pictures of its noise alone.
        strength: the other is told of so many times as much noise as was found.
    """

    def __init__(self, white: Prior, other: Prior, *, strength: float = 1.0) -> None:
        super().__init__()
        self.white, self.other, self.strength = white, other, strength
        self.resolution = white.resolution or other.resolution
        self.any_size = white.any_size & other.any_size

    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """Picture by picture; ``codes`` hold what both priors' have.

        Raises:
            SettingsError: a measurement without noise.
        """
        if m.noise is None:
            raise SettingsError(f"{m.degradation.name} has no noise to choose a prior by: leave it to one prior")
        found = []
        for i, white in enumerate(m.noise.white.tolist()):
            one, part = m[i : i + 1], part_of(progress, i, len(m))
            if white:
                found.append(self.white.propose(one, seed=seed, progress=part))
                continue
            told = one.with_noise(m.noise[i : i + 1].times(self.strength))
            projection = self.other.propose(told, seed=seed, progress=part)
            codes = projection.codes | {"sigma": m.noise.sigma[i : i + 1]}  # as it was found
            found.append(replace(projection, codes=codes))
        names = set[str].intersection(*(set(projection.codes) for projection in found))
        codes = {name: torch.cat([projection.codes[name] for projection in found]) for name in sorted(names)}
        return Projection(torch.cat([projection.image for projection in found]), codes)

    def within(self, share: float) -> ByNoise:
        """The same, with a share of both time budgets."""
        return ByNoise(self.white.within(share), self.other.within(share), strength=self.strength)

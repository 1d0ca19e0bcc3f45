"""Priors made of priors."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from bigprior.degradations import Measurement
from bigprior.errors import SettingsError
from bigprior.filters.collaborative import LEAST_SIGMA, filtered
from bigprior.noise import Noise
from bigprior.priors.base import Prior, Projection
from bigprior.priors.stabilised import Stabilised
from bigprior.progress import Progress, part_of

#: Of 255, root mean square: how much a camera's denoiser removes where that may be texture, and where it is noise for
#: sure; how much more noise than that the denoiser of white noise is told of, and the filter of similar patches; where
#: there is so much that the mean is more and more the camera's. Chosen on PolyU and on held-out photographs, with noise
#: and without.
_HARDLY, _QUITE, _MORE, _STILL_MORE, _MUCH = 1.2 / 255, 1.7 / 255, 12 / 255, 20 / 255, 12 / 255
#: The share of the noise that was found which is removed of texture that was taken for it, at the most, and of noise,
#: at the least. When they were chosen: of grass and gravel .14 and .04, of PolyU's pictures .26 at the least, and .83
#: in the middle.
_OF_TEXTURE, _OF_NOISE = 0.15, 0.2
#: How much the logarithm of a standard deviation may differ from scale to scale by rounding.
_ALIKE = 1e-4


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


class WithWhite(Prior):
    """A prior for noise of cameras, and the mean of it and of one for white noise, where there is little noise.

    What a camera's own software leaves of noise is weaker than what it has smeared. A denoiser that is told of white
    noise, somewhat more than is there, smooths that, and errs elsewhere than one that is told of the noise itself; so
    do similar patches, filtered together around the mean of both (:mod:`bigprior.filters.collaborative`). How much
    noise there is, is judged by how much the first one removes: texture that was taken for noise is not removed. Where
    that is a small part of the noise that was found, all of it was texture, and the picture stays as it is.

    Args:
        camera: is told of the noise place by place, and scale by scale.
        white: is told of white noise.
        strength: ``camera`` is told of so many times as much noise as was found.
    """

    def __init__(self, camera: Prior, white: Prior, *, strength: float = 1.0) -> None:
        super().__init__()
        self.camera, self.white, self.strength = camera, white, strength
        self.resolution = camera.resolution or white.resolution
        self.any_size = camera.any_size & white.any_size

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """The mean of all three; the camera's ``codes`` are kept, with the noise's level as it was found.

        Raises:
            SettingsError: a measurement without noise.
        """
        if m.noise is None:
            raise SettingsError(f"{m.degradation.name} has no noise to be told of: leave it to another prior")
        noise = m.noise.times(self.strength)
        first = self.camera.propose(m.with_noise(noise), seed=seed, progress=part_of(progress, 0, 3))
        removed = (first.image - m.y).square().mean(dim=(1, 2, 3)).sqrt()
        sure = ((removed - _HARDLY) / (_QUITE - _HARDLY)).clamp(0, 1)
        if not m.noise.known:
            of_found = removed / m.noise.sigma.clamp_min(LEAST_SIGMA)
            is_noise = ((of_found - _OF_TEXTURE) / (_OF_NOISE - _OF_TEXTURE)).clamp(0, 1)
            first = replace(first, image=torch.lerp(m.y, first.image, is_noise.view(-1, 1, 1, 1)))
            sure = sure * is_noise
        first = replace(first, codes=first.codes | {"sigma": m.noise.sigma})
        if not bool(sure.any()):  # a clean picture stays what it is
            return first
        told = removed + _MORE
        flat = m.with_noise(replace(m.noise, sigma=told, along_grey=told, shape=None))
        second = self.white.propose(flat, seed=seed, progress=part_of(progress, 1, 3))
        share = (sure / (2 + 2 * (removed / _MUCH).square())).view(-1, 1, 1, 1)
        image = torch.lerp(first.image, second.image, share)
        alike = filtered(m.y, image, removed + _STILL_MORE, part_of(progress, 2, 3))
        return replace(first, image=torch.lerp(image, alike, share))

    def within(self, share: float) -> WithWhite:
        """The same, with a share of both time budgets."""
        camera, white = self.camera.within(share), self.white.within(share)
        return WithWhite(camera, white, strength=self.strength)


class ByNoise(Prior):
    """One prior for white noise, and another for noise of cameras, which is coarse, and not the same everywhere.

    Noise that is known to grow with light, and is as strong at every scale, is made white for the first one.

    Args:
        white, other: the priors; each is asked for the pictures of its noise alone.
    """

    def __init__(self, white: Prior, other: Prior) -> None:
        super().__init__()
        self.white, self.other, self._in_light = white, other, Stabilised(white)
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
            prior = self.white if white else self._in_light if _only_grows(m.noise[i : i + 1]) else self.other
            part = part_of(progress, i, len(m))
            found.append(prior.propose(m[i : i + 1], seed=seed, progress=part))
        names = set[str].intersection(*(set(projection.codes) for projection in found))
        codes = {name: torch.cat([projection.codes[name] for projection in found]) for name in sorted(names)}
        return Projection(torch.cat([projection.image for projection in found]), codes)

    def within(self, share: float) -> ByNoise:
        """The same, with a share of both time budgets."""
        return ByNoise(self.white.within(share), self.other.within(share))


def _only_grows(noise: Noise) -> bool:
    """Whether the noise of one picture grows with light as is known, and is as strong at every scale."""
    shape = noise.shape
    if noise.shot is None or shape is None or not bool(noise.shot.gain > 0):
        return False
    return bool((shape - shape[:, :1]).abs().max() < _ALIKE)

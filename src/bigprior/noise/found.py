"""Noise as a network finds it: place by place, and scale by scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.networks.noise_estimator import NOISE_CHANNELS, PLACE, NoiseEstimator, densities
from bigprior.noise.known import Noise
from bigprior.noise.light import growing, grown
from bigprior.noise.white import noise_of
from bigprior.ops.colour import is_grey
from bigprior.ops.shot import Shot
from bigprior.ops.tiling import in_tiles

#: What a user can say of noise: that it is white, or that it is not.
Grain = Literal["fine", "coarse"]
#: Side of the tiles of a large picture, in pixels; a multiple of an estimator's coarsest pixel.
_TILE = 1024
#: Share of the noise from which on all of it is white, and the least if it is found to be alike.
_AS_MUCH, _SEEN = 0.75, 0.5
#: Root mean square of the logarithm by which noise that is as good as white differs: from scale to scale over a
#: picture, and from place to place as well; and from place to place alone where it is not white, though as much of it
#: were found. All chosen on held-out photographs and PolyU.
_WHITE_SPECTRUM, _WHITE, _UNEVEN = 0.15, 0.4, 0.65
#: The same for noise that is as strong at every scale but not everywhere: from scale to scale at the most, from place
#: to place at the least, and the levels from which on that can be told from texture, by light and without.
_ALIKE_SPECTRUM, _ELSEWHERE, _FAINT, _STRONG = 0.12, 0.34, 7 / 255, 12 / 255
#: Noise that grows with light is found somewhat too weak: it is taken for so many times as much (held-out photographs).
_GROWS_MORE = 1.08


@torch.no_grad()
def noise_by(
    estimator: NoiseEstimator,
    y: Tensor,
    known: float | Tensor | None = None,
    grain: Grain | None = None,
    blank: Tensor | None = None,
    shot: Shot | None = None,
) -> Noise:
    """The noise of pictures (N, 3, H, W), any size, as a network finds it: place by place, and scale by scale.

    Noise is white where :func:`~bigprior.noise.white.noise_of`, which sees no other, finds nearly as much, or where it
    is found to be about the same everywhere and at every scale; there that function says more precisely how much. Where
    it is as strong at every scale, and stronger where there is more light, it is known by how much it grows.

    Args:
        estimator: finds it.
        y: pictures.
        known: the standard deviation in a channel, if known, of all or of each, (N,): what is found then says where it
            is, and at which scales.
        grain: ``fine`` if it is known to be white, ``coarse`` if it is known not to be.
        blank: (N, 1, H, W), bool: where a picture says nothing, see :func:`bigprior.ops.blank.blank`.
        shot: how it grows with light, of all or of each, in place of ``known``: how coarse it is, is found then.
    """
    if grain == "fine" and shot is None:
        return noise_of(y, known, blank)
    halo = -(-estimator.receptive_radius // estimator.step) * estimator.step
    log_variance = in_tiles(estimator, y, tile=_TILE, halo=halo, step=PLACE)
    told = None if known is None else torch.as_tensor(known).to(y).reshape(-1).expand(len(y))
    if shot is not None:
        shot = Shot(shot.gain.expand(len(y)), shot.read.expand(len(y)))
    found = []
    for i in range(len(y)):
        one = slice(i, i + 1)
        picture, variance, silent = y[one], log_variance[one], None if blank is None else blank[one]
        if shot is not None:
            found.append(_as_told(picture, variance, shot[one], grain, silent))
        else:
            found.append(_of_one(picture, variance, None if told is None else told[one], grain, silent))
    return Noise.join(found)


def _as_told(y: Tensor, log_variance: Tensor, shot: Shot, grain: Grain | None, blank: Tensor | None) -> Noise:
    """Noise of one picture, which is known to grow with light."""
    mean = _mean_over(log_variance, blank)
    spectrum = mean(log_variance)
    spectrum = spectrum - spectrum.mean(1, keepdim=True)
    alike = (spectrum / 2).square().mean(1, keepdim=True).sqrt() < _WHITE_SPECTRUM
    if grain is not None:
        alike = torch.full_like(alike, grain == "fine")
    return grown(y, shot, torch.where(alike, 0.0, spectrum), mean)


def _of_one(y: Tensor, log_variance: Tensor, told: Tensor | None, grain: Grain | None, blank: Tensor | None) -> Noise:
    """Noise of one picture, of which no more is known than its level, (1,), and its grain."""
    log_sigma, mean = log_variance / 2, _mean_over(log_variance, blank)
    level, sigma = mean(log_sigma).mean(1), (mean(log_variance.exp()) * densities(y)).sum(1).sqrt()
    shape = log_sigma - level.view(-1, 1, 1, 1)
    spectrum, everywhere = (float(x.mean().sqrt()) for x in (mean(shape).square(), mean(shape.square())))
    uneven = max(everywhere**2 - spectrum**2, 0) ** 0.5
    white, as_found = noise_of(y, blank=blank), float(sigma)
    # Noise of which a JPEG has kept the grey is white at no scale of its colours.
    grey_alone = bool(white.along_grey > white.sigma) and not is_grey(y)
    # One channel's noise, and that of a few pixels, is alike too, but the other sees hardly any of it.
    seen = grain is None and not grey_alone and float(white.sigma) >= _SEEN * as_found
    if seen and spectrum < _ALIKE_SPECTRUM and as_found > _FAINT:
        shot = growing(y, log_variance, blank)
        if shot is not None:
            noise = grown(y, shot.times(_GROWS_MORE), level.new_zeros(1, NOISE_CHANNELS), mean, known=False)
            return noise if told is None else replace(noise.times(float(told / noise.sigma)), known=True)
    elsewhere = uneven > _ELSEWHERE and spectrum < _ALIKE_SPECTRUM and as_found > _STRONG
    as_much = float(white.sigma) >= _AS_MUCH * as_found and uneven < _UNEVEN
    alike = seen and spectrum < _WHITE_SPECTRUM and everywhere < _WHITE
    if grain is None and not grey_alone and not elsewhere and (as_much or alike):
        white = white if told is None else noise_of(y, told, blank)
        return replace(white, shape=torch.zeros_like(shape))
    if told is None:
        return Noise(sigma, level.exp(), False, shape)
    return Noise(told, level.exp() * told / sigma, True, shape)


def _mean_over(places: Tensor, blank: Tensor | None) -> Callable[[Tensor], Tensor]:
    """The mean over places (N, C, H / 4, W / 4) of maps as large, (N, C), where a picture (N, 1, H, W) is not blank."""
    if blank is None:
        return lambda maps: maps.mean((2, 3))
    seen = F.avg_pool2d((~blank).to(places), PLACE, ceil_mode=True) > 0.5
    seen = torch.where(seen.any(dim=(2, 3), keepdim=True), seen, True)
    return lambda maps: (maps * seen).sum((2, 3)) / seen.sum((2, 3))

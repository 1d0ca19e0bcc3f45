"""Noise that grows with light: how much it grows."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch.nn.functional as F
from scipy.stats import chi2
from torch import Tensor

from bigprior.frames import WaveletFrame
from bigprior.networks.noise_estimator import LEAST_VARIANCE, PLACE, densities
from bigprior.noise.known import Noise
from bigprior.ops.colour import is_grey
from bigprior.ops.shot import Shot

#: Of shot noise: the side of the squares in which its variance is compared with the mean, in places of details, 2
#: pixels apart; the quantile of squares that texture hardly reaches; and what a peak can be.
_SHOT_PX, _LOW, _FEWEST_COUNTS, _MOST_COUNTS = 4, 0.3, 0.5, 1e6
#: Noise that is found to grow: the logarithm by which it is stronger in the light, and the share of its differences
#: that light explains; and by how much it may differ else, root mean square. On held-out photographs white noise has at
#: most .17 and .15 of the first two.
_RISES, _EXPLAINED, _ELSE = 0.2, 0.25, 0.34
#: The share of a place's pixels that may be clipped, and how many places of a large picture say enough.
_CLIPPED, _ENOUGH = 0.2, 2**18
#: By how much: squares have texture beyond so many times the variance that a network expects, and beyond so many times
#: that of the line; where they are nearly white, noise is clipped; how often the line is drawn, and through how many.
_TEXTURE, _CHANCE, _NEARLY_WHITE, _ROUNDS, _FEWEST_PLACES = 4.0, 1.7, 0.9, 10, 50


def shot_of(y: Tensor, read: Tensor) -> Shot:
    """The gain of each picture (N, 3, H, W) in [0, 1], by how the variance of its finest details grows with its mean.

    ``Var d = gain * mean + read^2`` in squares of a few pixels, of which those with texture have more: of all squares'
    ``(d^2 - read^2) / mean``, a low quantile is taken, and put right by where noise alone would have it (Foi et al.,
    2008, fit the same line).

    Args:
        y: pictures.
        read: standard deviation of the white noise on top, (N,), which is known.
    """
    gains = []
    for i, picture in enumerate(y.split(1)):
        if min(picture.shape[2:]) < 2:
            gains.append(1 / _MOST_COUNTS)
            continue
        shared = bool(is_grey(picture))
        blocks = [x.mean(1) for x in _squares(picture)]
        seen = (blocks[0] > 0) & (blocks[1] > 0)  # what is clipped, or no part of the photograph, has no noise
        variance, mean = (block[seen] for block in blocks)
        if not len(mean):
            gains.append(1 / _MOST_COUNTS)
            continue
        ratio = ((variance - read[i] ** 2) / mean).quantile(_LOW)
        freedom = min(_SHOT_PX, *(side // 2 for side in picture.shape[2:])) ** 2 * (1 if shared else 3)
        gain = float(ratio) / (float(chi2.ppf(_LOW, freedom)) / freedom)
        gains.append(min(max(gain, 1 / _MOST_COUNTS), 1 / _FEWEST_COUNTS))
    return Shot(y.new_tensor(gains), read)


def noise_in_light(y: Tensor, shot: Shot) -> Noise:
    """Noise that is known to grow with light, as if it were white: its root mean square over each picture (N, 3, H, W).

    Where it is weak and where strong, a :func:`noise_by` that is told ``shot`` says.
    """
    level = shot.variance(y).mean(dim=(1, 2, 3)).sqrt()
    return Noise(level, level, True, shot=shot)


def grown(y: Tensor, shot: Shot, spectrum: Tensor, mean: Callable[[Tensor], Tensor], *, known: bool = True) -> Noise:
    """Noise of ``Var y = gain x + read^2``, as coarse as it is at each scale.

    Args:
        y: pictures (N, 3, H, W).
        shot: how much it grows.
        spectrum: logarithms of the variance of grey and of colours at each scale, up to a number, (N, 8).
        mean: over places (N, C, H / 4, W / 4), where a picture says something, (N, C).
        known: that it grows so was told.
    """
    spectrum = spectrum - (spectrum.exp() * densities(y)).sum(1, keepdim=True).log()
    variance = shot.variance(_light(y)).clamp_min(LEAST_VARIANCE)
    log_sigma = (variance.log() + spectrum[:, :, None, None]) / 2
    level = mean(log_sigma).mean(1)
    return Noise(mean(variance)[:, 0].sqrt(), level.exp(), known, log_sigma - level.view(-1, 1, 1, 1), shot)


def growing(y: Tensor, log_variance: Tensor, blank: Tensor | None) -> Shot | None:
    """How noise that is as strong at every scale grows with light; None if it is about the same in the dark.

    A network knows where there is more noise, but thinks of it as nearer to its mean than it is. So that only says
    whether it grows; by how much, the finest details say: of squares without texture, the likeliest
    ``Var d = gain * mean + read^2`` (Foi et al., 2008, fit the same line to estimates of texture's absence).

    Args:
        y: a picture (1, 3, H, W).
        log_variance: as a :class:`~bigprior.networks.noise_estimator.NoiseEstimator` finds it, (1, 8, H / 4, W / 4).
        blank: (1, 1, H, W), bool: where the picture says nothing.
    """
    clipped = ((y <= 0) | (y >= 1)).to(y).mean(dim=1, keepdim=True)  # less noise is left there
    unseen = clipped if blank is None else clipped + blank
    places = F.avg_pool2d(unseen, PLACE, ceil_mode=True)[0, 0] <= _CLIPPED
    light, strength = _light(y)[0, 0][places], (log_variance / 2).mean(dim=1)[0][places]
    if len(light) < _FEWEST_PLACES or min(y.shape[2:]) < 2 * _SHOT_PX:
        return None
    light, strength = (x[:: max(1, len(x) // _ENOUGH)] for x in (light, strength))
    spread, uneven = float(light.var(correction=0).clamp_min(1e-6)), float(strength.var(correction=0).clamp_min(1e-6))
    slope = float(((light - light.mean()) * strength).mean()) / spread
    explained, (dark, bright) = slope**2 * spread, light.quantile(light.new_tensor([0.1, 0.9])).tolist()
    if slope * (bright - dark) < _RISES or explained < _EXPLAINED * uneven or uneven - explained > _ELSE**2:
        return None
    variance = (log_variance.exp() * densities(y).view(1, -1, 1, 1)).sum(1, keepdim=True)
    shot = _likeliest(y, variance, unseen)
    if shot is None:
        return None
    low, high = shot.variance(light.new_tensor([dark, bright]).view(1, 1, 1, 2)).flatten().tolist()
    return shot if math.log(high / max(low, LEAST_VARIANCE)) / 2 >= _RISES else None


def _likeliest(y: Tensor, variance: Tensor, unseen: Tensor) -> Shot | None:
    """The line of the details' variance over the mean, each square's error counted by how large it has to be."""
    energy, mean = _squares(y)
    guess = F.interpolate(variance, size=energy.shape[2:], mode="area").expand_as(energy)
    seen = F.interpolate(unseen, size=energy.shape[2:], mode="area").expand_as(energy) <= _CLIPPED
    some = seen & (energy > 0) & (energy < _TEXTURE * guess) & (mean < _NEARLY_WHITE)
    energy, mean, expected = (x[some].cpu().double() for x in (energy, mean, guess))  # not every device has doubles
    freedom = _SHOT_PX**2
    # Of the squares without texture those with the most noise by chance are left out too: this much of it is left.
    left = float(chi2.cdf(_CHANCE * freedom, freedom + 2) / chi2.cdf(_CHANCE * freedom, freedom))
    gain, read = 0.0, 0.0
    for _ in range(_ROUNDS):
        plain = energy < _CHANCE * expected
        if int(plain.sum()) < _FEWEST_PLACES:
            return None
        gain, read = _line(mean[plain], energy[plain] / left, expected[plain])
        expected = (gain * mean + read).clamp_min(LEAST_VARIANCE)
    gain = min(max(gain, 1 / _MOST_COUNTS), 1 / _FEWEST_COUNTS)
    return Shot(y.new_tensor([gain]), y.new_tensor([read**0.5]))


def _line(x: Tensor, values: Tensor, expected: Tensor) -> tuple[float, float]:
    """Slope and height, neither below 0, of values whose errors are as large as they are expected to be."""
    weights = expected**-2
    weights = weights / weights.sum()
    middle, height = float((weights * x).sum()), float((weights * values).sum())
    slope = float((weights * (x - middle) * values).sum() / (weights * (x - middle) ** 2).sum().clamp_min(1e-12))
    if slope <= 0:
        return 0.0, height
    if height < slope * middle:
        return float((weights * x * values).sum() / (weights * x**2).sum()), 0.0
    return slope, height - slope * middle


def _squares(y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean square of the finest diagonal details, and mean, of squares of a few pixels, (N, C, h, w) each."""
    details = WaveletFrame(levels=1).analyse(y)[0][:, 2::3]
    height, width = (2 * (side // 2) for side in y.shape[2:])
    details, means = details[..., : height // 2, : width // 2], F.avg_pool2d(y[..., :height, :width], 2)
    side = [min(_SHOT_PX, length) for length in details.shape[2:]]
    return F.avg_pool2d(details.square(), side), F.avg_pool2d(means, side)


def _light(y: Tensor) -> Tensor:
    """How light each place is, (N, 1, H / 4, W / 4): its neighbours say so as well, whose noise is another."""
    light = F.avg_pool2d(y.mean(dim=1, keepdim=True), PLACE, ceil_mode=True)
    return F.avg_pool2d(F.pad(light, (1, 1, 1, 1), mode="replicate"), 3, stride=1)

"""How much white noise a picture has, and how much of it a denoiser of colour pictures has to know."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from deepinv.models.noise_level_estimation import PatchCovarianceNoiseEstimator
from scipy.stats import chi2
from torch import Tensor

from bigprior.frames import WaveletFrame
from bigprior.networks.noise_estimator import LEAST_VARIANCE, PLACE, SCALES, NoiseEstimator
from bigprior.ops.colour import is_grey
from bigprior.ops.shot import Shot
from bigprior.ops.tiling import in_tiles

#: Noise whose colours are weaker than this share of its grey is taken for the same in all channels. White noise has
#: as much of both, but for what texture adds to grey; a JPEG of half the colours' resolution has hardly any colour.
_LEAST_COLOUR = 0.4
#: What a user can say of noise: that it is white, or that it is not.
Grain = Literal["fine", "coarse"]
#: Patches of 4 pixels, all of them: of 8, a third of them a side, as deepinv has it, sigma is found too low, the more
#: the smaller the picture.
_PATCH, _STRIDE = 4, 1
#: Least number of patches for each of their values, and how much of a large picture is enough, and bounds the memory.
_LEAST, _ENOUGH = 7, 512
#: Side of the tiles of a large picture, in pixels; a multiple of an estimator's coarsest pixel.
_TILE = 1024
#: Share of the noise from which on all of it is white, and the least if it is found to be alike.
_AS_MUCH, _SEEN = 0.75, 0.5
#: Root mean square of the logarithm by which noise that is as good as white differs: from scale to scale over a
#: picture, and from place to place as well; and from place to place alone where it is not white, though as much of it
#: were found. All chosen on held-out photographs and PolyU.
_WHITE_SPECTRUM, _WHITE, _UNEVEN = 0.15, 0.4, 0.65
#: The same for shot noise, which is as strong at every scale but not in the dark as in the light: from place to place
#: at the least, from scale to scale at the most, and the level from which on that can be told from texture.
_SHOT, _SHOT_SPECTRUM, _STRONG = 0.34, 0.12, 12 / 255
#: The median of a normal variable's absolute value.
_MEDIAN = 0.6745
#: Of shot noise: the side of the squares in which its variance is compared with the mean, in places of details, 2
#: pixels apart; the quantile of squares that texture hardly reaches; and what a peak can be.
_SHOT_PX, _LOW, _FEWEST_COUNTS, _MOST_COUNTS = 4, 0.3, 0.5, 1e6


@dataclass(frozen=True)
class Noise:
    """The white noise of pictures, in their units.

    Attributes:
        sigma: standard deviation in a channel, (N,).
        along_grey: along grey, (N,), which a denoiser of independent channels has to know: the square root of 3 times
            as much where all channels have the same noise.
        known: it was given, not found.
        shape: where it is found place by place and scale by scale, the logarithm of its standard deviation there over
            ``along_grey``, (N, 8, H / 4, W / 4), see :mod:`bigprior.networks.noise_estimator`; None of white noise.
        shot: how it grows with light, where that is known; ``sigma`` is then its root mean square over the picture.
    """

    sigma: Tensor
    along_grey: Tensor
    known: bool
    shape: Tensor | None = None
    shot: Shot | None = None

    def __getitem__(self, pictures: slice) -> Noise:
        """That of some of the pictures."""
        shape = None if self.shape is None else self.shape[pictures]
        shot = None if self.shot is None else self.shot[pictures]
        return Noise(self.sigma[pictures], self.along_grey[pictures], self.known, shape, shot)

    def levels(self) -> Noise:
        """Its levels alone, for a part of the picture."""
        return replace(self, shape=None)

    def times(self, strength: float) -> Noise:
        """So many times as much of it."""
        shot = None if self.shot is None else self.shot.times(strength)
        return replace(self, sigma=strength * self.sigma, along_grey=strength * self.along_grey, shot=shot)

    @property
    def white(self) -> Tensor:
        """Which pictures' noise is the same everywhere and at every scale, (N,), bool."""
        if self.shape is None:
            return torch.ones_like(self.sigma, dtype=torch.bool)
        return ~self.shape.flatten(1).any(dim=1)

    def to(self, device: torch.device | str) -> Noise:
        """The same on another device."""
        shape = None if self.shape is None else self.shape.to(device)
        shot = None if self.shot is None else self.shot.to(device)
        return Noise(self.sigma.to(device), self.along_grey.to(device), self.known, shape, shot)

    @staticmethod
    def join(parts: Sequence[Noise]) -> Noise:
        """That of several batches, as one; white where that of one is."""
        sigma, along_grey = (torch.cat([getattr(part, name) for part in parts]) for name in ("sigma", "along_grey"))
        shapes = [part.shape for part in parts if part.shape is not None]
        shape = torch.cat(shapes) if len(shapes) == len(parts) else None
        shots = [part.shot for part in parts if part.shot is not None]
        shot = Shot.join(shots) if len(shots) == len(parts) else None
        return Noise(sigma, along_grey, all(part.known for part in parts), shape, shot)


def noise_of(y: Tensor, known: float | Tensor | None = None, blank: Tensor | None = None) -> Noise:
    """The noise of each picture (N, 3, H, W), in its units.

    Found by deepinv's estimator, from the smallest eigenvalues of the covariance of patches (Chen et al., ICCV 2015).
    A picture of a few hundred pixels is too small for it, and is taken to have none. A grey picture has the same noise
    in all channels, and so, nearly, has a JPEG, which keeps colours at half the resolution: there some eigenvalues are
    0, and the mean of the channels is looked at, where the median of the finest wavelets (Donoho and Johnstone, 1994)
    bounds what texture adds.

    Args:
        y: pictures.
        known: the standard deviation in a channel, if known: of all, or of each, (N,).
        blank: (N, 1, H, W), bool: where a picture says nothing, see :func:`bigprior.ops.blank.blank`.
    """
    given = None if known is None else torch.as_tensor(known).to(y).reshape(-1).expand(len(y))
    levels, along_grey = [], []
    for i, picture in enumerate(y.split(1)):
        h, w = picture.shape[2:]
        says_nothing = None if blank is None or not bool(blank[i].any()) else blank[i : i + 1]
        window = _window(h, w, says_nothing)
        middle = picture[window]
        seen = None if says_nothing is None else ~says_nothing[window]
        if given is not None:
            level, shared = given[i : i + 1], bool(is_grey(picture))
        else:
            grey, *colours = _finest(middle, seen)
            shared = max(colours) < _LEAST_COLOUR * grey
            level = _of_patches(middle.mean(dim=1, keepdim=True) if shared else middle, seen)
            level = level.clamp_max(grey / math.sqrt(3)) if shared else level
        levels.append(level)
        along_grey.append(level * math.sqrt(3) if shared else level)
    return Noise(torch.cat(levels), torch.cat(along_grey), known is not None)


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
        details = WaveletFrame(levels=1).analyse(picture)[0][:, 2::3] / (3**0.5 if shared else 1)
        height, width = (2 * (side // 2) for side in picture.shape[2:])
        details, means = details[..., : height // 2, : width // 2], F.avg_pool2d(picture[..., :height, :width], 2)
        blocks = [F.avg_pool2d(x, min(_SHOT_PX, *x.shape[2:])).mean(1) for x in (details.square(), means)]
        if shared:  # one channel's details, along grey
            blocks[0] = 3 * blocks[0]
        seen = (blocks[0] > 0) & (blocks[1] > 0)  # what is clipped, or no part of the photograph, has no noise
        variance, mean = (block[seen] for block in blocks)
        if not len(mean):
            gains.append(1 / _MOST_COUNTS)
            continue
        ratio = ((variance - read[i] ** 2) / mean).quantile(_LOW)
        freedom = min(_SHOT_PX, *details.shape[2:]) ** 2 * (1 if shared else 3)
        gain = float(ratio) / (float(chi2.ppf(_LOW, freedom)) / freedom)
        gains.append(min(max(gain, 1 / _MOST_COUNTS), 1 / _FEWEST_COUNTS))
    return Shot(y.new_tensor(gains), read)


def noise_in_light(y: Tensor, shot: Shot) -> Noise:
    """Noise that is known to grow with light, as if it were white: its root mean square over each picture (N, 3, H, W).

    Where it is weak and where strong, a :func:`noise_by` that is told ``shot`` says.
    """
    level = shot.variance(y).mean(dim=(1, 2, 3)).sqrt()
    return Noise(level, level, True, shot=shot)


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

    Noise is white where :func:`noise_of`, which sees no other, finds nearly as much, or where it is found to be about
    the same everywhere and at every scale; there that function says more precisely how much.

    Args:
        estimator: finds it.
        y: pictures.
        known: the standard deviation in a channel, if known, of all or of each, (N,): what is found then says where it
            is, and at which scales.
        grain: ``fine`` if it is known to be white, ``coarse`` if it is known not to be.
        blank: (N, 1, H, W), bool: where a picture says nothing, see :func:`bigprior.ops.blank.blank`.
        shot: how it grows with light, in place of ``known``: what is found then says how coarse it is.
    """
    if grain == "fine" and shot is None:
        return noise_of(y, known, blank)
    halo = -(-estimator.receptive_radius // estimator.step) * estimator.step
    log_variance = in_tiles(estimator, y, tile=_TILE, halo=halo, step=PLACE)
    log_sigma = log_variance / 2
    mean = _mean_over(log_sigma, blank)
    if shot is not None:
        return _grown(y, shot, mean(log_variance), grain, mean)
    level = mean(log_sigma).mean(1)
    sigma = (mean(log_variance.exp()) * _densities(y)).sum(1).sqrt()
    shape = log_sigma - level.view(-1, 1, 1, 1)
    spectrum, everywhere = (x.mean(1).sqrt() for x in (mean(shape).square(), mean(shape.square())))
    uneven = (everywhere.square() - spectrum.square()).clamp_min(0).sqrt()
    along_grey = level.exp()
    told = None if known is None else torch.as_tensor(known).to(y).reshape(-1).expand(len(y))
    for i in range(len(y)):
        silent = None if blank is None else blank[i : i + 1]
        white = noise_of(y[i : i + 1], blank=silent)
        grows = float(uneven[i]) > _SHOT and float(spectrum[i]) < _SHOT_SPECTRUM and float(sigma[i]) > _STRONG
        as_much = float(white.sigma) >= _AS_MUCH * float(sigma[i]) and float(uneven[i]) < _UNEVEN and not grows
        # One channel's noise, and that of a few pixels, is alike too, but the other sees hardly any of it.
        alike = float(spectrum[i]) < _WHITE_SPECTRUM and float(everywhere[i]) < _WHITE
        alike = alike and float(white.sigma) >= _SEEN * float(sigma[i]) and not grows
        # Noise of which a JPEG has kept the grey is white at no scale of its colours.
        grey_alone = bool(white.along_grey > white.sigma) and not is_grey(y[i : i + 1])
        if grain is None and (as_much or alike) and not grey_alone:
            white = white if told is None else noise_of(y[i : i + 1], told[i], silent)
            sigma[i], along_grey[i], shape[i] = white.sigma[0], white.along_grey[0], 0.0
        elif told is not None:
            sigma[i], along_grey[i] = told[i], along_grey[i] * told[i] / sigma[i]
    return Noise(sigma, along_grey, known is not None, shape)


def _densities(like: Tensor) -> Tensor:
    """What each channel of a description counts for in the variance of a pixel, (8,)."""
    # A scale's details are 3 in 4 of what is left of the pixels; a third of the channels is grey.
    densities = [3 / 4**scale for scale in range(1, SCALES)] + [3 / 4**SCALES + 1 / 4**SCALES]
    return like.new_tensor([density * share for density in densities for share in (1 / 3, 2 / 3)])


def _grown(y: Tensor, shot: Shot, spectrum: Tensor, grain: Grain | None, mean: Callable[[Tensor], Tensor]) -> Noise:
    """Noise of ``Var y = gain x + read^2``, as coarse as its spectrum (N, 8), logarithms of any scale, has it."""
    spectrum = spectrum - spectrum.mean(1, keepdim=True)
    alike = (spectrum / 2).square().mean(1, keepdim=True).sqrt() < _WHITE_SPECTRUM
    if grain == "fine":
        alike = torch.ones_like(alike)
    elif grain == "coarse":
        alike = torch.zeros_like(alike)
    spectrum = torch.where(alike, 0.0, spectrum)
    spectrum = spectrum - (spectrum.exp() * _densities(y)).sum(1, keepdim=True).log()
    # How light a place is, its neighbours say as well, whose noise is another.
    light = F.avg_pool2d(y.mean(dim=1, keepdim=True), PLACE, ceil_mode=True)
    light = F.avg_pool2d(F.pad(light, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    variance = shot.variance(light).clamp_min(LEAST_VARIANCE)
    log_sigma = (variance.log() + spectrum[:, :, None, None]) / 2
    level = mean(log_sigma).mean(1)
    return Noise(mean(variance)[:, 0].sqrt(), level.exp(), True, log_sigma - level.view(-1, 1, 1, 1), shot)


def _mean_over(places: Tensor, blank: Tensor | None) -> Callable[[Tensor], Tensor]:
    """The mean over places (N, C, H / 4, W / 4) of maps as large, (N, C), where a picture (N, 1, H, W) is not blank."""
    if blank is None:
        return lambda maps: maps.mean((2, 3))
    seen = F.avg_pool2d((~blank).to(places), PLACE, ceil_mode=True) > 0.5
    seen = torch.where(seen.any(dim=(2, 3), keepdim=True), seen, True)
    return lambda maps: (maps * seen).sum((2, 3)) / seen.sum((2, 3))


def _window(height: int, width: int, blank: Tensor | None) -> tuple[slice, slice, slice, slice]:
    """Enough of a picture: its middle, or what has the least of it that is blank, (1, 1, H, W)."""
    rows, columns = min(height, _ENOUGH), min(width, _ENOUGH)
    top, left = (height - rows) // 2, (width - columns) // 2
    if blank is not None and (rows, columns) != (height, width):
        step = _ENOUGH // 8
        shares = F.avg_pool2d(blank.float(), (rows, columns), step)
        at = int(shares.argmin())
        top, left = at // shares.shape[3] * step, at % shares.shape[3] * step
    return slice(None), slice(None), slice(top, top + rows), slice(left, left + columns)


def _of_patches(picture: Tensor, seen: Tensor | None) -> Tensor:
    """The level by a picture's patches, of those (1, 1, H, W) that are seen as a whole, if not of all."""
    stride, values = _STRIDE, _PATCH**2 * picture.shape[1]
    if (picture.shape[2] - _PATCH + 1) * (picture.shape[3] - _PATCH + 1) < _LEAST * values:
        return picture.new_zeros(1)
    if seen is not None:
        patches = F.unfold(picture, _PATCH)[:, :, F.unfold(seen.to(picture), _PATCH)[0].all(dim=0)]
        if patches.shape[2] < _LEAST * values:
            return picture.new_zeros(1)
        # Side by side they are a picture, whose patches they are.
        picture = F.fold(patches, (_PATCH, _PATCH * patches.shape[2]), _PATCH, stride=_PATCH)
        stride = _PATCH
    try:
        level: Tensor = PatchCovarianceNoiseEstimator.estimate_noise(picture, patch_size=_PATCH, stride=stride)
    except RuntimeError:  # no eigenvalues to tell noise from picture: a flat one, or a few pixels
        return picture.new_zeros(1)
    return level.nan_to_num().to(picture)


def _finest(picture: Tensor, seen: Tensor | None) -> list[float]:
    """The standard deviation of noise along grey and two colours, as the finest diagonal wavelets have it."""
    details = WaveletFrame(levels=1).analyse(picture)[0][0, 2::3].flatten(1)
    if seen is not None:
        height, width = picture.shape[2:]
        whole = -F.max_pool2d(F.pad(-seen.to(picture), (0, width % 2, 0, height % 2), value=0.0), 2)
        details = details[:, whole.flatten() > 0]
    if not details.shape[1]:
        return [0.0] * len(details)
    return [float(level) / _MEDIAN for level in details.abs().median(dim=1).values]

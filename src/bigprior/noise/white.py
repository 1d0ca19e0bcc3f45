"""How much white noise a picture has, and how much of it a denoiser of colour pictures has to know."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from deepinv.models.noise_level_estimation import PatchCovarianceNoiseEstimator
from torch import Tensor

from bigprior.frames import WaveletFrame
from bigprior.noise.known import Noise
from bigprior.ops.colour import is_grey

#: Noise whose colours are weaker than this share of its grey is taken for the same in all channels. White noise has
#: as much of both, but for what texture adds to grey; a JPEG of half the colours' resolution has hardly any colour.
_LEAST_COLOUR = 0.4
#: Patches of 4 pixels, all of them: of 8, a third of them a side, as deepinv has it, sigma is found too low, the more
#: the smaller the picture.
_PATCH, _STRIDE = 4, 1
#: Least number of patches for each of their values, and how much of a large picture is enough, and bounds the memory.
_LEAST, _ENOUGH = 7, 512
#: The median of a normal variable's absolute value.
_MEDIAN = 0.6745


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

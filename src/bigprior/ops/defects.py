"""What scans suffer from, found without a network: scratches, dust, and text that was written over the picture.

Each detector proposes a mask for a person to look at. All go by how far a pixel stands out from a picture without
details of its width, in units of how much that varies around it, so that texture is not taken for damage.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from skimage.filters import apply_hysteresis_threshold
from skimage.measure import label, regionprops

from bigprior.errors import MaskError, SettingsError, UnknownNameError
from bigprior.io.samples import Array

Hole = npt.NDArray[np.bool_]

#: A picture that would lose more than this has no such defects, but looks like one.
_MOST = 0.3
#: Differences of less than this, of 1, are hardly seen; and the least that the variation around a pixel is taken for.
_SEEN, _LEAST = 0.04, 0.01
#: More than this is a defect itself, and not what is usual around one.
_USUAL = 0.15
#: How far the colours of a letter may be from their median, in the mean; and how many letters a row has at least.
_ONE_COLOUR, _LETTERS = 0.05, 3
#: How far from the middle of a scratch its sides are.
_SIDE_PX = 4
#: Side of the window that says how much a picture varies around a pixel.
_AROUND_PX = 25


@dataclass(frozen=True)
class Finder:
    """Searches photographs for one kind of defect.

    Attributes:
        name: a name in :data:`FINDERS`.
        grow: what was found is made larger by so many pixels on all sides.

    Raises:
        UnknownNameError: nobody knows how to find that.
        SettingsError: ``grow`` is negative.
    """

    name: str
    grow: int = 0

    def __post_init__(self) -> None:
        if self.name not in FINDERS:
            raise UnknownNameError("kind of defect", self.name, list(FINDERS))
        if self.grow < 0:
            raise SettingsError(f"grow is {self.grow}: expected 0 or more pixels")

    def hole(self, photo: Array) -> Hole:
        """Where it is, (H, W), in a photograph (H, W, 3) in [0, 1].

        Raises:
            MaskError: there is none of it, or so much that it is something else.
        """
        found = FINDERS[self.name](photo)
        if self.grow and found.any():
            found = scipy.ndimage.distance_transform_edt(~found) <= self.grow
        share = float(found.mean())
        if not 0 < share <= _MOST:
            said = "none was found" if not share else f"{share:.0%} of the picture looks like it"
            raise MaskError(f"searched for {self.name}, but {said}: paint a mask, and pass it as --mask")
        return found


def scratches(photo: Array) -> Hole:
    """Thin lines, lighter or darker than both their sides, that go on for a while.

    Args:
        photo: (H, W, 3) in [0, 1].
    """
    grey = photo.mean(axis=2).astype(np.float32)
    length = max(11, min(grey.shape) // 40)
    found = np.zeros(grey.shape, dtype=bool)
    for shade in (grey, 1 - grey):
        line = _ridge(shade, length)
        usual = scipy.ndimage.uniform_filter(np.minimum(line, _USUAL), 3 * _AROUND_PX)
        thin = shade - scipy.ndimage.grey_opening(shade, size=(5, 5))
        line = np.where(thin > np.maximum(_SEEN / 2, line / 2), line, 0)
        strong = apply_hysteresis_threshold(
            line, *(np.maximum(least, n * usual) for least, n in ((0.05, 2.5), (0.15, 6)))
        )
        for part in regionprops(label(strong)):
            if part.axis_major_length >= 4 * length:
                found[part.slice] |= part.image
    return _wider(found, 1)


def dust(photo: Array) -> Hole:
    """Small spots, lighter or darker than all around them, where there is nothing else.

    Args:
        photo: (H, W, 3) in [0, 1].
    """
    grey = photo.mean(axis=2)
    side = max(7, min(grey.shape) // 60 | 1)
    found = np.zeros(grey.shape, dtype=bool)
    for standing in _standing_out(grey, width=side):
        for part in regionprops(label(apply_hysteresis_threshold(standing, 2.5, 5.0))):
            if part.axis_major_length <= side and part.solidity >= 0.7 and _alone(part, grey):
                found[part.slice] |= part.image
    return _wider(found, 1)


def text(photo: Array) -> Hole:
    """Letters in rows: sharp, of one colour, of like height, beside each other.

    Args:
        photo: (H, W, 3) in [0, 1].
    """
    found = np.zeros(photo.shape[:2], dtype=bool)
    width = max(9, min(photo.shape[:2]) // 30 | 1)
    for shade in (photo, 1 - photo):
        beyond = (shade - scipy.ndimage.grey_opening(shade, size=(width, width, 1))).max(axis=2)
        # The core of strokes, without the soft edges that join neighbouring letters.
        core = beyond > np.maximum(5 * _SEEN, 0.7 * scipy.ndimage.maximum_filter(beyond, width))
        letters = label(core, connectivity=1)
        parts = [part for part in regionprops(letters, photo) if _may_be_a_letter(part, 3 * width)]
        for part in itertools.compress(parts, _in_rows(parts)):
            found[part.slice] |= part.image
    return _wider(found, 2)


#: Every detector by name: of a photograph (H, W, 3) in [0, 1], where the defect is, (H, W).
FINDERS: dict[str, Callable[[Array], Hole]] = {"scratches": scratches, "dust": dust, "text": text}


def _wider(found: Hole, px: int) -> Hole:
    """With the soft edge of what was found."""
    wider: Hole = scipy.ndimage.binary_dilation(found, np.ones((3, 3)), iterations=px)
    return wider


def _standing_out(grey: Array, width: int) -> Iterator[Array]:
    """How far each pixel is above, and then below, all structures that are ``width`` wide; 1 is usual around there."""
    grey = grey.astype(np.float32)
    for beyond in (
        grey - scipy.ndimage.grey_opening(grey, size=(width, width)),
        scipy.ndimage.grey_closing(grey, size=(width, width)) - grey,
    ):
        usual = scipy.ndimage.uniform_filter(np.minimum(beyond, _USUAL), _AROUND_PX)
        yield np.where(beyond > _SEEN, beyond / np.maximum(usual, _LEAST), 0)


def _ridge(grey: Array, length: int) -> Array:
    """How much lighter a line of some direction through each pixel is than both its sides, if those are alike."""
    best = np.zeros_like(grey)
    for degrees in range(0, 180, 15):
        turn = np.radians(degrees)
        line = _along(grey, turn, length)
        across = [round(_SIDE_PX * np.cos(turn)), round(-_SIDE_PX * np.sin(turn))]
        one, other = (_shifted(line, sign * across[0], sign * across[1]) for sign in (1, -1))
        above = line - np.maximum(one, other)
        best = np.maximum(best, np.where(np.abs(one - other) < above, above, 0))
    return best


def _along(values: Array, turn: float, length: int) -> Array:
    """The mean of values along a line through each pixel."""
    steps = range(-(length // 2), length // 2 + 1)
    total = np.zeros_like(values)
    for step in steps:
        total += _shifted(values, round(step * np.sin(turn)), round(step * np.cos(turn)))
    mean: Array = total / len(steps)
    return mean


def _shifted(values: Array, down: int, right: int) -> Array:
    """What lies so many pixels further down and right; the last row and column go on."""
    reach = max(abs(down), abs(right))
    height, width = values.shape
    padded = np.pad(values, reach, mode="edge")
    shifted: Array = padded[reach + down : reach + down + height, reach + right : reach + right + width]
    return shifted


def _alone(part: Any, grey: Array) -> bool:
    """Whether a spot is unlike all around it, and what is around it is even."""
    top, left, bottom, right = part.bbox
    window = slice(max(0, top - 4), bottom + 4), slice(max(0, left - 4), right + 4)
    own = np.zeros(grey[window].shape, dtype=bool)
    own[top - window[0].start : bottom - window[0].start, left - window[1].start : right - window[1].start] = part.image
    around = grey[window][~scipy.ndimage.binary_dilation(own, np.ones((3, 3)))]
    apart = np.abs(np.median(grey[window][own]) - np.median(around))
    return bool(apart > 2 * _SEEN + 3 * around.std())


def _may_be_a_letter(part: Any, most: int) -> bool:
    """Whether it is as large as letters are, and of one colour."""
    height, width = part.image.shape
    if not (4 <= height <= most and width <= 2 * most and part.area >= 6):
        return False
    colours = part.image_intensity[part.image]
    return bool(np.median(np.abs(colours - _colour_of(part))) < _ONE_COLOUR)


def _colour_of(part: Any) -> Array:
    colour: Array = np.median(part.image_intensity[part.image], axis=0)
    return colour


def _in_rows(letters: Sequence[Any]) -> Hole:
    """Which letters stand beside some others: as high, on one line, near, and of one colour."""
    if not letters:
        return np.zeros(0, dtype=bool)
    top, left, bottom, right = np.array([letter.bbox for letter in letters]).T
    colour, height = np.array([_colour_of(letter) for letter in letters]), bottom - top
    higher, lower = np.maximum.outer(height, height), np.minimum.outer(height, height)
    apart = np.maximum(np.subtract.outer(left, right), np.subtract.outer(left, right).T)
    shared = np.minimum.outer(bottom, bottom) - np.maximum.outer(top, top)
    alike = np.abs(colour[:, None] - colour).max(axis=2) < 2 * _ONE_COLOUR
    beside = alike & (higher <= 2 * lower) & (shared >= 0.6 * lower) & (apart <= 3 * higher)
    in_rows: Hole = beside.sum(axis=1) > _LETTERS  # a letter is beside itself too
    return in_rows

"""Areas that say nothing of a picture's noise."""

import torch

from bigprior.ops.blank import blank

PICTURE = 0.2 + 0.6 * torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))


def test_an_ordinary_picture_has_none() -> None:
    assert blank(PICTURE) is None
    assert blank(PICTURE.round()) is None  # all of it is clipped: there is nothing else to look at
    assert blank(torch.full((1, 3, 9, 9), 0.3)) is None


def test_clipped_areas_are_blank_and_clipped_pixels_are_not() -> None:
    y = PICTURE.clone()
    y[:, :, 20:60, 20:60] = 1
    y[:, 1, ::9, ::9] = 0
    where = blank(y)
    assert where is not None and bool(where[0, 0, 22:58, 22:58].all())
    assert where[0, 0, :18].sum() == where[0, 0, 62:].sum() == 0


def test_values_beyond_are_not_clipped() -> None:
    assert blank(3 * (PICTURE - 0.5)) is None


def test_bars_are_blank_whatever_their_colour() -> None:
    y = PICTURE.clone()
    y[:, :, :10] = y[:, :, -7:] = y[..., :5] = 0.3
    where = blank(y)
    expected = torch.zeros(1, 1, 96, 96, dtype=torch.bool)
    expected[:, :, :10] = expected[:, :, -7:] = expected[..., :5] = True
    assert where is not None and torch.equal(where, expected)


def test_what_is_unseen_is_blank_and_each_picture_is_by_itself() -> None:
    unseen = torch.zeros(2, 1, 96, 96, dtype=torch.bool)
    unseen[1, :, :30] = True
    where = blank(PICTURE.expand(2, -1, -1, -1), unseen)
    assert where is not None and torch.equal(where, unseen)
    assert blank(PICTURE, torch.ones(1, 1, 96, 96, dtype=torch.bool)) is None

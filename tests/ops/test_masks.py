"""The paper's masks, and the smooth filling of what they hide."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bigprior.errors import MaskError
from bigprior.ops.masks import centre_hole, random_boxes, random_strokes, smooth_fill


def test_the_papers_centre_hole_is_rows_and_columns_96_to_159() -> None:
    mask = centre_hole(256, 256)
    wanted = torch.ones(256, 256)
    wanted[96:160, 96:160] = 0
    assert mask.dtype == torch.float32
    assert torch.equal(mask, wanted[None, None])


@given(height=st.integers(4, 40), width=st.integers(4, 40), data=st.data())
def test_a_centre_hole_is_a_square_of_the_asked_side_in_the_middle(
    height: int, width: int, data: st.DataObject
) -> None:
    longer, shorter = max(height, width), min(height, width)
    side = data.draw(st.integers(1, min(shorter, longer - 1)))
    hole = (centre_hole(height, width, side)[0, 0] == 0).nonzero()
    assert len(hole) == side * side
    for low, high, length in zip(hole.amin(0).tolist(), hole.amax(0).tolist(), (height, width), strict=True):
        assert high - low + 1 == side
        assert abs(low - (length - 1 - high)) <= 1


@pytest.mark.parametrize(
    ("height", "width", "side"), [(8, 8, 8), (8, 8, 0), (8, 8, -1), (8, 20, 9), (3, 50, None), (1, 1, 1)]
)
def test_a_hole_that_does_not_fit_is_refused(height: int, width: int, side: int | None) -> None:
    with pytest.raises(MaskError, match=f"does not fit a {width}x{height} picture"):
        centre_hole(height, width, side)


def rectangles(mask: torch.Tensor) -> int:
    """The least number of boxes whose union could be the hole: corners of the union give a bound from below."""
    hole = torch.nn.functional.pad((mask[0, 0] == 0).int(), (1, 1, 1, 1))
    quads = hole[:-1, :-1] + hole[1:, :-1] + hole[:-1, 1:] + hole[1:, 1:]
    return -(-int((quads == 1).sum()) // 4)


def test_random_boxes_follow_the_papers_protocol() -> None:
    counts, areas = [], []
    for seed in range(200):
        mask = random_boxes(256, 256, torch.Generator().manual_seed(seed))
        assert mask.shape == (1, 1, 256, 256)
        assert ((mask == 0) | (mask == 1)).all()
        counts.append(rectangles(mask))
        areas.append(float((1 - mask).mean()))
    assert max(counts) <= 4
    assert min(counts.count(n) for n in (2, 3, 4)) > 20
    assert counts.count(1) < 10  # one box inside another is rare
    # One box has about 64 x 64 of 256 x 256; two to four of them overlap a little.
    assert 0.1 < sum(areas) / len(areas) < 0.25
    assert min(areas) > 9 * 9 / 256**2


@given(height=st.integers(16, 90), width=st.integers(16, 90), seed=st.integers(0, 2**31))
def test_random_boxes_of_any_size_leave_something_known(height: int, width: int, seed: int) -> None:
    mask = random_boxes(height, width, torch.Generator().manual_seed(seed))
    assert mask.shape == (1, 1, height, width)
    assert 0 < mask.mean() < 1
    assert torch.equal(mask, random_boxes(height, width, torch.Generator().manual_seed(seed)))


@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 2**31))
def test_a_smooth_filling_keeps_what_is_known_and_stays_between_it(height: int, width: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    picture = torch.rand(2, 3, height, width, generator=rng)
    mask = (torch.rand(2, 1, height, width, generator=rng) < 0.3).float()
    mask[..., 0, 0] = 1
    known = torch.where(mask > 0, picture, torch.nan).flatten(2)
    filled = smooth_fill(picture, mask)
    assert torch.equal(filled * mask, picture * mask)
    low, high = known.nan_to_num(2).amin(2), known.nan_to_num(-1).amax(2)
    assert bool(
        (filled.flatten(2) >= low[..., None] - 1e-5).all() & (filled.flatten(2) <= high[..., None] + 1e-5).all()
    )
    hidden = torch.where(mask > 0, picture, 7.0)
    assert torch.equal(smooth_fill(hidden, mask), filled)  # what is under the hole does not matter
    assert torch.equal(smooth_fill(picture[1:], mask[1:]), filled[1:])  # nor does another picture


def test_a_smooth_filling_of_a_ramp_is_near_the_ramp() -> None:
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    filled = smooth_fill(ramp, centre_hole(64, 64))
    assert (filled - ramp).abs().max() < 0.06


@given(height=st.integers(8, 90), width=st.integers(8, 90), seed=st.integers(0, 10**6))
def test_free_form_holes_leave_something_known_at_every_size(height: int, width: int, seed: int) -> None:
    mask = random_strokes(height, width, torch.Generator().manual_seed(seed))
    assert mask.shape == (1, 1, height, width)
    assert ((mask == 0) | (mask == 1)).all()
    assert 0.1 <= float(mask.mean()) < 1
    assert torch.equal(mask, random_strokes(height, width, torch.Generator().manual_seed(seed)))


def test_free_form_holes_are_of_all_amounts_and_slanted_too() -> None:
    masks = torch.cat([random_strokes(256, 256, torch.Generator().manual_seed(seed)) for seed in range(60)])
    shares = (1 - masks).mean(dim=(1, 2, 3))
    assert float(shares.quantile(0.1)) < 0.2
    assert float(shares.quantile(0.9)) > 0.5
    # An edge of a box is a run of rows that change at one column; a stroke's changes at another in every row.
    changes = (masks[:, :, 1:, 1:] != masks[:, :, 1:, :-1]) & (masks[:, :, :-1, 1:] == masks[:, :, :-1, :-1])
    assert int((changes.sum(dim=(1, 2, 3)) > 100).sum()) > 30

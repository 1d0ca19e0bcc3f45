"""A prior of one size on pictures of any size."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from bigprior.degradations import Colorization, Degradation, Denoising, Inpainting, Measurement
from bigprior.errors import ImageError, MaskError, SettingsError
from bigprior.networks.generators import PGGAN
from bigprior.phi import ConstantPhi
from bigprior.priors.anysize import BYTES_A_PIXEL, AnySize, fitting, free_bytes
from bigprior.priors.base import Prior, Projection
from bigprior.priors.gan import GANPrior, InversionSettings
from bigprior.progress import Progress
from bigprior.restorer import Restorer


class Echo(Prior):
    """Believes every measurement, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Tensor, Degradation]] = []

    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        m.degradation.check(m.y)
        self.asked.append((m.y, m.degradation))
        if progress is not None:
            progress(1, 2)
            progress(2, 2)
        return Projection(m.fidelity.clone())

    def project(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        return self.propose(m, seed=seed, progress=progress)  # believed as it is, also out of range


class Flat(Echo):
    """Says one colour whatever it is asked."""

    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        return Projection(torch.full_like(super().propose(m, seed=seed, progress=progress).image, 0.25))


SIZES = [(1, 1), (3, 50), (16, 16), (37, 29), (16, 40), (64, 5)]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("n", [1, 3])
def test_any_size_in_every_task(any_task: str, n: int, height: int, width: int, tiny_generator: PGGAN, measure) -> None:  # type: ignore[no-untyped-def]
    y, physics = measure(any_task, n, height, width)
    prior = AnySize(GANPrior(tiny_generator, InversionSettings(codes=2, steps=2)), 16)
    assert isinstance(prior, Prior)
    if any_task == "inpainting" and height * width == 1:  # one pixel is either known or lost
        with pytest.raises(MaskError, match="no mask was given"):
            prior.project(physics.measure(y))
        return
    result = prior.project(physics.measure(y))
    assert result.image.shape == (n, 3, height, width)
    assert result.image.isfinite().all()
    assert result.image.min() >= 0
    assert result.image.max() <= 1


@settings(max_examples=20)
@given(height=st.integers(1, 60), width=st.integers(1, 60), overlap=st.integers(0, 15), batch=st.integers(1, 9))
@example(height=1, width=1, overlap=4, batch=32)
@example(height=3, width=50, overlap=4, batch=32)
@example(height=17, width=16, overlap=15, batch=2)
def test_tiles_blend_without_a_seam(height: int, width: int, overlap: int, batch: int) -> None:
    torch.manual_seed(0)
    y, inner = torch.rand(2, 3, height, width), Echo()
    image = AnySize(inner, 16, overlap=overlap, batch=batch).project(Denoising().measure(y)).image
    torch.testing.assert_close(image, y, atol=1e-5, rtol=0)
    assert all(asked.shape[2:] == (16, 16) and len(asked) <= batch for asked, _ in inner.asked)


def test_tiles_that_disagree_meet_in_a_smooth_ramp() -> None:
    class Counting(Echo):
        def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
            levels = torch.arange(len(m)).float().view(-1, 1, 1, 1)
            return Projection(levels.expand(-1, 3, 16, 16))

    image = AnySize(Counting(), 16, overlap=8).project(Denoising().measure(torch.rand(1, 3, 16, 24))).image
    row = image[0, 0, 5]
    assert torch.equal(row[:8], torch.zeros(8))
    assert torch.equal(row[16:], torch.ones(8))
    assert (row.diff() >= 0).all()
    assert row.diff().max() < 0.25
    torch.testing.assert_close(row + row.flip(0), torch.ones(24))


def test_at_its_own_size_the_prior_is_asked_as_it_is_and_its_codes_are_kept(tiny_generator: PGGAN) -> None:
    y, inner = torch.rand(5, 3, 16, 16), GANPrior(tiny_generator, InversionSettings(codes=2, steps=3))
    m = Denoising().measure(y)
    plain, wrapped = inner.project(m, seed=4), AnySize(inner, 16, batch=2).project(m, seed=4)
    torch.testing.assert_close(wrapped.image, plain.image, atol=1e-4, rtol=0)
    assert wrapped.codes["z"].shape == plain.codes["z"].shape
    torch.testing.assert_close(wrapped.history, plain.history, atol=1e-4, rtol=0)


def test_pictures_that_are_done_at_different_steps_can_be_in_different_batches(tiny_generator: PGGAN) -> None:
    inner = GANPrior(tiny_generator, InversionSettings(codes=2, steps=5, perceptual=0))
    still = GANPrior(tiny_generator, InversionSettings(codes=2, steps=1, lr=1e-9, alpha_lr=1e-9))
    codes = still.project(Denoising().measure(torch.rand(1, 3, 16, 16))).codes
    easy = still.compose(codes["z"], codes["alpha"])  # where the inversion starts
    y = torch.cat([easy, torch.rand(1, 3, 16, 16)])
    together = AnySize(inner, 16).project(Denoising(0.15).measure(y))
    apart = AnySize(inner, 16, batch=1).project(Denoising(0.15).measure(y))
    torch.testing.assert_close(apart.image, together.image, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(3, 50), (16, 16), (40, 24)])
def test_a_picture_does_not_depend_on_its_batch(
    any_task: str, height: int, width: int, tiny_generator: PGGAN, measure
) -> None:  # type: ignore[no-untyped-def]
    y, physics = measure(any_task, 3, height, width)
    prior = AnySize(GANPrior(tiny_generator, InversionSettings(codes=2, steps=3)), 16, batch=2)
    m = physics.measure(y)
    whole = prior.project(m, seed=2).image
    alone = torch.cat([prior.project(m[i : i + 1], seed=2).image for i in range(3)])
    torch.testing.assert_close(whole, alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_colour_is_asked_for_once_at_the_priors_size_and_luminance_stays(height: int, width: int) -> None:
    y, inner = torch.rand(2, 1, height, width), Flat()
    image = AnySize(inner, 16).project(Colorization().measure(y)).image
    assert [tuple(asked.shape) for asked, _ in inner.asked] == [(2, 1, 16, 16)]
    torch.testing.assert_close(Colorization().f(image), y, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (40, 24)])
def test_progress_is_one_count_that_reaches_its_total(any_task: str, height: int, width: int, measure) -> None:  # type: ignore[no-untyped-def]
    calls: list[tuple[int, int]] = []
    y, physics = measure(any_task, 3, height, width)
    m = physics.measure(y)
    AnySize(Echo(), 16, batch=2).project(m, progress=lambda done, total: calls.append((done, total)))
    assert len({total for _, total in calls}) == 1
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert calls[-1][0] == calls[-1][1]


@pytest.mark.parametrize("overlap", [-1, 16, 100])
def test_an_overlap_that_makes_no_progress_is_refused(overlap: int) -> None:
    with pytest.raises(SettingsError, match=f"overlap is {overlap}: expected 0 to 15"):
        AnySize(Echo(), 16, overlap=overlap)


def test_what_is_no_measurement_is_refused_before_any_work(any_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    y, physics = measure(any_task, 1, 20, 30)
    y[0, 0, 3, 3] = float("nan")
    inner = Echo()
    with pytest.raises(ImageError, match="NaN"):
        AnySize(inner, 16).project(physics.measure(y))
    assert not inner.asked


# Inpainting


def holed(height: int, width: int, *boxes: tuple[int, int, int, int]) -> Tensor:
    mask = torch.ones(1, 1, height, width)
    for top, left, h, w in boxes:
        mask[..., top : top + h, left : left + w] = 0
    return mask


BOXES = st.tuples(st.integers(0, 49), st.integers(0, 49), st.integers(1, 30), st.integers(1, 30))


@settings(max_examples=20)
@given(height=st.integers(2, 60), width=st.integers(2, 60), boxes=st.lists(BOXES, min_size=1, max_size=3))
def test_known_pixels_come_back_bit_for_bit(height: int, width: int, boxes: list[tuple[int, int, int, int]]) -> None:
    mask = holed(height, width, *((t % height, l % width, h, w) for t, l, h, w in boxes))
    if not mask.any():
        return
    torch.manual_seed(0)
    x = torch.randn(1, 3, height, width)  # known values may also be out of range
    y = Inpainting(mask).f(x)
    try:
        result = Restorer(AnySize(Flat(), 16), ConstantPhi()).restore(y, Inpainting(mask))
    except SettingsError as error:  # nearly all is lost
        assert "no known pixel" in str(error)
        assert mask.mean() < 0.7
        return
    known = mask.bool().expand_as(y)
    assert torch.equal(result.restored[known], x[known])
    assert torch.equal(result.restored[~known], result.prior[~known])


def test_what_fills_the_hole_comes_from_a_square_around_it_and_the_rest_is_the_measurement() -> None:
    mask = holed(100, 80, (40, 30, 10, 6))
    y = Inpainting(mask).f(torch.rand(1, 3, 100, 80))
    image = AnySize(Flat(), 16).project(Inpainting(mask).measure(y)).image
    context = torch.zeros(100, 80, dtype=torch.bool)
    context[35:55, 23:43] = True  # twice the larger side of the hole, and in its middle
    torch.testing.assert_close(image[0, :, context], torch.full((3, 400), 0.25))
    assert torch.equal(image[0, :, ~context], y[0, :, ~context])


@pytest.mark.parametrize(("top", "left"), [(0, 0), (0, 26), (34, 0), (34, 26), (17, 13)])
def test_a_hole_at_the_edge_is_seen_with_what_is_beside_it(top: int, left: int) -> None:
    mask, inner = holed(40, 32, (top, left, 6, 6)), Echo()
    y = Inpainting(mask).f(torch.rand(1, 3, 40, 32))
    AnySize(inner, 16).project(Inpainting(mask).measure(y))
    asked, physics = inner.asked[0]
    corner = [min(max((2 * start + 6 - 16) // 2, 0), length - 16) for start, length in ((top, 40), (left, 32))]
    window = (..., slice(corner[0], corner[0] + 16), slice(corner[1], corner[1] + 16))
    torch.testing.assert_close(asked, y[window])
    assert torch.equal(physics.mask, mask[window])


def test_lost_pixels_do_not_darken_what_a_smaller_picture_shows() -> None:
    mask, inner = holed(64, 64, (20, 22, 17, 13)), Echo()
    y = Inpainting(mask).f(torch.full((1, 3, 64, 64), 0.8))
    AnySize(inner, 16).project(Inpainting(mask).measure(y))
    asked, physics = inner.asked[0]
    known = physics.mask.bool().expand_as(asked)
    torch.testing.assert_close(asked[known], torch.full_like(asked[known], 0.8))
    assert not asked[~known].any()


def test_masks_of_their_own_have_contexts_of_their_own() -> None:
    mask = torch.cat([holed(50, 40, (2, 3, 5, 5)), holed(50, 40, (30, 20, 15, 9)), holed(50, 40, (0, 0, 1, 1))])
    y = Inpainting(mask).f(torch.rand(3, 3, 50, 40))
    prior = AnySize(Echo(), 16, batch=2)
    whole = prior.project(Inpainting(mask).measure(y)).image
    for i in range(3):
        alone = prior.project(Inpainting(mask[i : i + 1]).measure(y[i : i + 1])).image
        torch.testing.assert_close(whole[i : i + 1], alone)


def test_two_lost_pixels_far_apart_are_still_a_hole() -> None:
    mask, inner = holed(300, 300, (0, 0, 1, 1), (290, 295, 1, 1)), Flat()
    y = Inpainting(mask).f(torch.rand(1, 3, 300, 300) * 0.9 + 0.1)
    image = AnySize(inner, 16).project(Inpainting(mask).measure(y)).image
    torch.testing.assert_close(image[0, :, 0, 0], torch.full((3,), 0.25))
    assert inner.asked[0][1].mask.min() == 0


def test_holes_far_apart_are_each_seen_as_near_as_the_prior_sees() -> None:
    mask, inner = holed(100, 120, (4, 5, 3, 3), (60, 70, 4, 2), (90, 2, 2, 2)), Echo()
    y = Inpainting(mask).f(torch.rand(1, 3, 100, 120))
    AnySize(inner, 16, batch=2).project(Inpainting(mask).measure(y))
    assert [len(asked) for asked, _ in inner.asked] == [2, 1]
    corners = [(0, 0), (54, 63), (83, 0)]
    shown = torch.cat([asked for asked, _ in inner.asked])
    for crop, (top, left) in zip(shown, corners, strict=True):
        torch.testing.assert_close(crop, y[0, :, top : top + 16, left : left + 16])


@pytest.mark.parametrize("turned", [False, True])
def test_a_scratch_is_seen_through_squares_along_it(turned: bool) -> None:
    mask = torch.ones(1, 1, 200, 160)
    for i in range(150):
        mask[..., 20 + i : 22 + i, 5 + i] = 0
    mask = mask.transpose(2, 3) if turned else mask
    inner = Echo()
    y = Inpainting(mask).f(torch.rand(1, 3, *mask.shape[2:]) * 0.9 + 0.1)
    image = AnySize(inner, 16).project(Inpainting(mask).measure(y)).image
    shown = torch.cat([asked for asked, _ in inner.asked])
    assert 18 <= len(shown) < 60  # of 16 pixels a side, in the middle 8 of one of which every lost pixel is
    for crop in shown:
        assert 0 < float((crop == 0).float().mean()) < 0.25
    torch.testing.assert_close(image, y, atol=1e-5, rtol=0)  # an echo of all squares: none is out of its place


@settings(max_examples=40, deadline=None)
@given(height=st.integers(2, 90), width=st.integers(2, 90), boxes=st.lists(BOXES, min_size=1, max_size=5))
def test_every_hole_is_filled(height: int, width: int, boxes: list[tuple[int, int, int, int]]) -> None:
    mask = holed(height, width, *((t % height, l % width, 1 + h // 3, 1 + w // 3) for t, l, h, w in boxes))
    if not mask.any():
        return
    y = Inpainting(mask).f(torch.ones(1, 3, height, width))
    try:
        image = AnySize(Flat(), 16).project(Inpainting(mask).measure(y)).image
    except SettingsError as error:
        assert "no known pixel" in str(error)
        return
    lost = (mask == 0).expand_as(y)
    torch.testing.assert_close(image[lost], torch.full_like(image[lost], 0.25))


def test_the_whole_picture_but_a_little_is_lost() -> None:
    with pytest.raises(SettingsError, match=r"no known pixel .*16"):
        physics = Inpainting(1 - holed(200, 200, (3, 3, 1, 1)))
        AnySize(Echo(), 16).project(physics.measure(torch.zeros(1, 3, 200, 200)))


def test_a_hole_that_nobody_told_of_is_found_or_missed_by_name() -> None:
    mask = holed(40, 40, (10, 12, 8, 8))
    y = Inpainting(mask).f(torch.rand(1, 3, 40, 40) * 0.9 + 0.1)
    prior = AnySize(Flat(), 16)
    told = prior.project(Inpainting(mask).measure(y)).image
    assert torch.equal(prior.project(Inpainting().measure(y)).image, told)
    with pytest.raises(MaskError, match="no mask was given"):
        prior.project(Inpainting().measure(y + 0.1))


def test_as_many_tiles_at_once_as_free_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert free_bytes() > 0
    for pictures, expected in ((0.5, 1), (4.0, 4), (1e6, 32)):
        free = int(2 * pictures * BYTES_A_PIXEL * 16**2)
        monkeypatch.setattr("bigprior.priors.anysize.free_bytes", lambda free=free: free)
        assert fitting(16) == AnySize(Echo(), 16).batch == expected

"""What priors and fusion are given, whole and in parts."""

import dataclasses
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bigprior.degradations import CONDITION_CHANNELS, DEGRADATIONS, Colorization, Denoising, Inpainting, Measurement
from bigprior.errors import BigpriorError, ImageError, MaskError, SettingsError
from bigprior.noise import Noise, noise_of
from bigprior.ops.masks import smooth_fill


@pytest.fixture
def measured(measure):  # type: ignore[no-untyped-def]
    """``measured(task, n, height, width)``: a measurement of random pictures."""

    def make(task: str, n: int = 1, height: int = 16, width: int = 16) -> Measurement:
        y, physics = measure(task, n, height, width)
        made: Measurement = physics.measure(y)
        return made

    return make


def masks(*seeds: int, height: int = 12, width: int = 15) -> Tensor:
    return torch.cat(
        [(torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(s)) > 0.4).float() for s in seeds]
    )


def same(a: Measurement, b: Measurement) -> bool:
    return a.fingerprint() == b.fingerprint()


def test_it_holds_what_its_degradation_says(any_task: str, measured) -> None:  # type: ignore[no-untyped-def]
    m = measured(any_task, 2, 9, 11)
    y, physics = m.y, m.degradation
    assert (len(m), m.size) == (2, (9, 11))
    assert torch.equal(m.fidelity, physics.g_inv(y)) and m.fidelity is m.fidelity  # computed once
    x, prior = torch.rand(2, 2, 3, 9, 11)
    assert torch.equal(m.f(x), physics.f(x))
    assert torch.equal(m.consistent(prior), physics.consistent(prior, y))
    assert (m.condition is None) == (physics.condition(y) is None)
    if m.condition is not None:
        assert m.condition.shape == (2, CONDITION_CHANNELS, 9, 11)
        assert torch.equal(m.condition, physics.condition(y))
    assert repr(m) == f"<Measurement 2x 11x9, {any_task}>"


def test_it_is_frozen(any_task: str, measured) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(dataclasses.FrozenInstanceError):
        measured(any_task).y = torch.rand(1, 3, 16, 16)


def test_what_is_known_of_the_noise() -> None:
    y = torch.rand(2, 3, 40, 40)
    assert Colorization().measure(y[:, :1]).noise is None
    assert Inpainting(masks(1, height=40, width=40)).measure(y).noise is None
    known, found = Denoising(0.25).measure(y).noise, Denoising().measure(y).noise
    assert known is not None and known.known and known.sigma.tolist() == [0.25, 0.25]
    assert found is not None and not found.known and torch.equal(found.sigma, noise_of(y).sigma)


def test_where_phi_is_known_and_where_it_has_to_be_found() -> None:
    mask = masks(1)
    y = Inpainting(mask).f(torch.rand(2, 3, 12, 15) + 0.1)
    given_, guessed = Inpainting(mask).measure(y), Inpainting().measure(y)
    assert (given_.searching, guessed.searching) == (False, True)
    assert torch.equal(given_.known_phi, (1 - mask).expand(2, -1, -1, -1))
    assert guessed.known_phi is None
    assert torch.equal(given_.hole, guessed.hole) and torch.equal(given_.condition, guessed.condition)
    assert Denoising().measure(y).hole is None


# Slices


def test_pictures_of_a_batch_are_those_that_were_measured_alone(any_task: str, measured) -> None:  # type: ignore[no-untyped-def]
    m = measured(any_task, 4)
    for pictures in (slice(1, 2), slice(0, 3), slice(2, None)):
        part, alone = m[pictures], m.degradation.measure(m.y[pictures])
        assert torch.equal(part.y, m.y[pictures]) and len(part) == len(m.y[pictures])
        assert same(part, alone)


def test_each_picture_keeps_its_mask_and_its_noise_level() -> None:
    mask = masks(1, 2, 3)
    m = Inpainting(mask).measure(Inpainting(mask).f(torch.rand(3, 3, 12, 15)))
    assert torch.equal(m[1:3].degradation.mask, mask[1:3]) and torch.equal(m[1:3].hole, 1 - mask[1:3])
    m = Denoising(torch.tensor([0.1, 0.2, 0.3])).measure(torch.rand(3, 3, 12, 15))
    assert m[1:].noise is not None and m[1:].noise.sigma.tolist() == pytest.approx([0.2, 0.3])
    assert m[1:2].degradation.known_sigma == pytest.approx(0.2)
    assert m[:2][1:].degradation.known_sigma == pytest.approx(0.2)


def test_a_search_goes_on_in_every_part() -> None:
    y = torch.rand(2, 3, 20, 20) + 0.1
    y[..., 4:9, 5:11] = 0
    m = Inpainting().measure(y)
    parts = m[:1], m.crop(0, 0, 12, 12), m.padded(30, 20), m.resized(10, 10), m.to("cpu"), Measurement.join([m, m])
    assert all(part.searching and part.known_phi is None for part in parts)


# Windows


@given(top=st.integers(0, 11), left=st.integers(0, 14), height=st.integers(1, 12), width=st.integers(1, 15))
def test_a_window_is_that_of_the_picture(top: int, left: int, height: int, width: int) -> None:
    mask, y = masks(1, 2), torch.rand(2, 3, 12, 15)
    window = (..., slice(top, top + height), slice(left, left + width))
    inside = min(height, 12 - top), min(width, 15 - left)
    cut = Inpainting(mask).measure(y * mask).crop(top, left, height, width)
    assert cut.size == inside
    assert torch.equal(cut.y, (y * mask)[window]) and torch.equal(cut.hole, (1 - mask)[window])
    for m in (Colorization().measure(y[:, :1]), Denoising(0.1).measure(y)):
        assert torch.equal(m.crop(top, left, height, width).y, m.y[window])
        assert torch.equal(m.crop(top, left, height, width).fidelity, m.fidelity[window])


def test_a_window_has_the_noise_of_the_whole_picture() -> None:
    y = torch.rand(3, 3, 48, 48)
    m = Denoising().measure(y)
    assert m.noise is not None
    window = m.crop(0, 0, 8, 8)  # by itself it is too small to say
    assert Denoising().measure(window.y).noise.sigma.tolist() == [0, 0, 0]
    for part in (window, window.crop(2, 2, 4, 4), window.padded(16, 16), window.to("cpu")):
        assert torch.equal(part.noise.sigma, m.noise.sigma) and torch.equal(part.noise.along_grey, m.noise.along_grey)
    assert torch.equal(window[1:].noise.sigma, m.noise.sigma[1:])
    joined = Measurement.join([window[2:], window[:2]])
    assert torch.equal(joined.noise.sigma, m.noise.sigma[[2, 0, 1]])


def test_noise_that_was_found_in_another_way_is_kept_by_pictures_and_its_levels_by_windows() -> None:
    y = torch.rand(3, 3, 16, 20)
    found = Noise(torch.rand(3), torch.rand(3), False, torch.rand(3, 8, 4, 5))
    m = Denoising().measure(y).with_noise(found)
    assert m.noise is found
    assert torch.equal(Measurement.join([m[:1], m[1:]]).noise.shape, found.shape)
    assert torch.equal(m.to("cpu").noise.shape, found.shape)
    for window in (m.crop(0, 0, 8, 8), m.padded(20, 20)):
        assert window.noise.shape is None and torch.equal(window.noise.sigma, found.sigma)


def test_a_window_joined_with_a_whole_picture_keeps_its_noise() -> None:
    y = torch.rand(2, 3, 48, 48)
    m, small = Denoising().measure(y), Denoising().measure(torch.rand(1, 3, 8, 8))
    joined = Measurement.join([m.crop(0, 0, 8, 8), small])
    assert torch.equal(joined.noise.sigma, torch.cat([m.noise.sigma, small.noise.sigma]))


# Other sizes


def test_what_is_padded_is_the_last_row_and_column(our_task: str, measured) -> None:  # type: ignore[no-untyped-def]
    m = measured(our_task, 2, 9, 11)
    larger = m.padded(16, 13)
    assert larger.size == (16, 13)
    assert torch.equal(larger.y[..., :9, :11], m.y)
    assert torch.equal(larger.y[..., 8:, :11], m.y[..., 8:9, :].expand(-1, -1, 8, -1))
    assert torch.equal(larger.y[..., 10:], larger.y[..., 10:11].expand(-1, -1, -1, 3))
    assert same(m.padded(9, 11).crop(0, 0, 9, 11), m.crop(0, 0, 9, 11))
    if m.hole is not None:
        assert torch.equal(larger.hole[..., :9, :11], m.hole)
        assert torch.equal(larger.hole[..., 8:, :11], m.hole[..., 8:9, :].expand(-1, -1, 8, -1))


def test_at_another_size_it_is_the_picture_at_that_size(any_task: str, measured) -> None:  # type: ignore[no-untyped-def]
    m = measured(any_task, 2, 24, 32)
    for size in ((12, 8), (48, 40)):
        assert m.resized(*size).size == size
    flat = DEGRADATIONS[any_task]() if m.hole is None else m.degradation
    y = torch.full_like(m.y, 0.6)
    small = flat.measure(y if m.hole is None else y * m.degradation.mask).resized(12, 16)
    known = torch.ones_like(small.y).bool() if small.hole is None else (small.hole == 0).expand_as(small.y)
    torch.testing.assert_close(small.y[known], torch.full_like(small.y[known], 0.6))  # no hole darkens what is known
    assert not small.y[~known].any()


@pytest.mark.parametrize(("top", "left"), [(7, 9), (0, 0), (31, 39), (16, 16)])
def test_a_single_lost_pixel_is_seen_at_any_size(top: int, left: int) -> None:
    mask = torch.ones(1, 1, 32, 40)
    mask[..., top, left] = 0
    m = Inpainting(mask).measure(torch.rand(1, 3, 32, 40) * mask)
    for height, width in ((8, 8), (16, 10), (31, 39), (5, 7)):
        hole = m.resized(height, width).hole
        assert hole.shape == (1, 1, height, width)
        assert hole[0, 0, top * height // 32, left * width // 40] == 1
        assert hole.sum() <= 9  # and what is around it


def test_of_a_picture_that_is_nearly_all_lost_nothing_is_left_at_a_small_size() -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 3, 3] = 1
    with pytest.raises(SettingsError, match=r"no known pixel .*8: keep more around it"):
        Inpainting(mask).measure(torch.rand(1, 3, 64, 64) * mask).resized(8, 8)


# Batches


def test_parts_are_joined_as_they_were(any_task: str, measured) -> None:  # type: ignore[no-untyped-def]
    m = measured(any_task, 4)
    joined = Measurement.join([m[:1], m[1:3], m[3:]])
    assert torch.equal(joined.y, m.y) and joined.size == m.size
    assert torch.equal(joined.fidelity, m.fidelity)
    assert (joined.hole is None) == (m.hole is None)
    if m.hole is not None:
        assert torch.equal(joined.hole, m.hole)
    assert joined.degradation.check(joined.y) is joined.y
    assert Measurement.join([m]) is m


def test_masks_that_parts_share_are_those_of_every_picture_of_theirs() -> None:
    y = torch.rand(5, 3, 12, 15)
    shared, own = Inpainting(masks(1)), Inpainting(masks(2, 3))
    joined = Measurement.join([shared.measure(y[:3] * shared.mask), own.measure(y[3:] * own.mask)])
    assert torch.equal(joined.degradation.mask, masks(1, 1, 1, 2, 3))
    assert joined.degradation.check(joined.y) is joined.y


def test_noise_levels_that_parts_share_are_those_of_every_picture_of_theirs() -> None:
    y = torch.rand(4, 3, 12, 15)
    parts = [Denoising(0.1).measure(y[:2]), Denoising(torch.tensor([0.2, 0.3])).measure(y[2:])]
    assert Measurement.join(parts).noise.sigma.tolist() == pytest.approx([0.1, 0.1, 0.2, 0.3])
    assert Measurement.join(parts[:1] * 2).degradation.known_sigma == 0.1
    unknown = Measurement.join([*parts, Denoising().measure(y[:1])])
    assert unknown.degradation.known_sigma is None  # one level that nobody knows: then all are found
    assert unknown.noise is not None and not unknown.noise.known


# Devices


def test_it_moves_and_leaves_the_degradation_of_others_where_it_is(any_task: str, measured) -> None:  # type: ignore[no-untyped-def]
    m = measured(any_task, 2)
    moved = m.to("meta")
    assert moved.y.device.type == "meta" and moved.size == m.size
    assert all(tensor.device.type == "meta" for tensor in moved.degradation.state_dict().values())
    assert all(tensor.device.type == "cpu" for tensor in m.degradation.state_dict().values())
    assert same(m.to("cpu"), m)


# Fingerprints


def test_the_same_measurement_has_the_same_fingerprint(any_task: str, measured) -> None:  # type: ignore[no-untyped-def]
    m, again = measured(any_task, 2), measured(any_task, 2)
    assert m.y is not again.y and same(m, again)
    before = m.fingerprint()
    _ = m.noise, m.fidelity, m.condition  # what was asked of it makes no other of it
    assert m.fingerprint() == before and same(m[:1], again[:1])


def test_the_fingerprint_differs_wherever_anything_differs() -> None:
    mask, y = masks(1), torch.rand(1, 3, 12, 15) + 0.1
    changed, holed = y.clone(), y * masks(1)
    changed[0, 2, 11, 14] = torch.nextafter(changed[0, 2, 11, 14], torch.tensor(2.0))  # one bit
    textured, found = torch.rand(1, 3, 48, 48), Noise(torch.tensor([0.1]), torch.tensor([0.1]), False)
    doubled = textured.clone()
    doubled[..., 12:, :] *= 2
    different = {
        "as it is": Denoising().measure(y),
        "one bit": Denoising().measure(changed),
        "another shape": Denoising().measure(y.reshape(1, 3, 15, 12)),
        "another batch": Denoising().measure(torch.cat([y, y])),
        "no noise, known": Denoising(0.0).measure(y),
        "noise, known": Denoising(0.1).measure(y),
        "other noise, known": Denoising(0.2).measure(y),
        "grey": Colorization().measure(y[:, :1]),
        "one channel of three": Denoising().measure(y[:, :1].expand(-1, 3, -1, -1)),
        "holed": Inpainting(mask).measure(holed),
        "with a hole to be found": Inpainting().measure(holed),
        "another mask": Inpainting(masks(2)).measure(holed),
        "its noise": Denoising().measure(holed),
        "noise that somebody found": Denoising().measure(y).with_noise(found),
        "other noise that somebody found": Denoising().measure(y).with_noise(found.times(2)),
        "of a shape": Denoising().measure(y).with_noise(replace(found, shape=torch.zeros(1, 8, 3, 4))),
        "of another shape": Denoising().measure(y).with_noise(replace(found, shape=torch.ones(1, 8, 3, 4))),
        "a window": Denoising().measure(textured).crop(0, 0, 12, 12),
        "the same window of another picture": Denoising().measure(doubled).crop(0, 0, 12, 12),
        "a picture like that window": Denoising().measure(textured[..., :12, :12]),
    }
    assert len({m.fingerprint() for m in different.values()}) == len(different)


def test_levels_of_each_picture_are_in_the_fingerprint() -> None:
    y = torch.rand(2, 3, 12, 15)
    one, other = (Denoising(torch.tensor(levels)).measure(y) for levels in ([0.1, 0.2], [0.2, 0.1]))
    assert not same(one, other)


# What is refused


def test_what_is_no_measurement_is_refused_before_anything_is_made_of_it(any_task: str, measured) -> None:  # type: ignore[no-untyped-def]
    m = measured(any_task, 2)
    for wrong in (m.y[0], m.y.double(), m.y[:, :0], m.y[:0], m.y * float("nan")):
        with pytest.raises(ImageError):
            m.degradation.measure(wrong)


def test_another_number_of_masks_or_levels_than_pictures_is_refused() -> None:
    y = torch.rand(2, 3, 12, 15)
    with pytest.raises(MaskError, match="3 masks but 2 pictures: pass one mask, or one for each"):
        Inpainting(masks(1, 2, 3)).measure(y)
    with pytest.raises(SettingsError, match="3 noise levels but 2 pictures: pass one for each"):
        Denoising(torch.tensor([0.1, 0.2, 0.3])).measure(y)


def test_masks_stay_whole_where_a_window_of_one_may_be_all_hole() -> None:
    hole = torch.ones(1, 1, 8, 8)
    hole[..., :4, :] = 0
    m = Inpainting(hole).measure(torch.rand(1, 3, 8, 8) * hole)
    assert m.crop(0, 0, 4, 8).hole.all() and not m.crop(4, 0, 4, 8).hole.any()
    with pytest.raises(BigpriorError, match="all hole"):
        Inpainting(hole[..., :4, :])


def test_what_is_known_is_what_a_network_is_conditioned_on() -> None:
    mask, y = masks(1), torch.rand(2, 3, 12, 15)
    m = Inpainting(mask).measure(y * mask)
    known = mask.expand(2, -1, -1, -1)
    assert torch.equal(m.condition[:, 3:4], known) and torch.equal(m.condition[:, 4:], known)
    assert torch.equal(m.condition[:, :3], 2 * smooth_fill(y * mask, known) - 1)
    window = m.crop(2, 3, 8, 8)
    assert torch.equal(window.condition[:, 3:4], known[..., 2:10, 3:11])

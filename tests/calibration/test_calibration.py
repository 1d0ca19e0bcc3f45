"""Intervals around restored pictures: what they promise, where they stand, and which calibration is refused."""

from dataclasses import replace

import pytest
import torch

from bigprior.calibration import Calibration, Parts, calibrated, widths
from bigprior.calibration.domain import numbers_of
from bigprior.calibration.signals import around, free_in, signals
from bigprior.calibration.widths import outside
from bigprior.degradations import Denoising, Inpainting
from bigprior.errors import SettingsError

MADE = {"preset": "tiny", "task": "denoising", "weights": {"net": "a" * 64}, "settings": {"steps": 3, "sides": (1, 2)}}


def picture(seed: int, side: int = 24, hole: bool = False) -> tuple[Parts, torch.Tensor]:
    """A picture with errors that are larger where it is brighter."""
    rng = torch.Generator().manual_seed(seed)
    truth = torch.nn.functional.interpolate(torch.rand(1, 3, 4, 4, generator=rng), size=(side, side), mode="bilinear")
    error = 0.01 + 0.2 * truth.mean(dim=1, keepdim=True) ** 3
    restored = truth + error * torch.randn(truth.shape, generator=rng)
    free = torch.ones(1, 1, side, side)
    if hole:
        free[..., : side // 2] = 0
        restored = torch.where(free > 0, restored, truth)
    fidelity = truth + 0.1 * torch.randn(truth.shape, generator=rng)
    return Parts(restored, fidelity, restored, 0.9 * free, free, torch.tensor([0.1])), truth


def grouped(kind, numbers: range, *groups: str) -> list:
    """Pictures of a kind with the groups that they are of."""
    return [(*kind(i), groups or ("all",)) for i in numbers]


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    made = {k: v for k, v in MADE.items() if k != "settings"} | {"settings": {"steps": 3, "sides": [1, 2]}}
    return calibrated(map(picture, range(12)), grouped(picture, range(100, 160)), scope={"factor": [2, 4]}, **made)


def test_new_pictures_are_inside_as_promised_and_the_intervals_are_short(calibration: Calibration) -> None:
    new = [(calibration.of(parts), truth) for parts, truth in map(picture, range(1000, 1040))]
    risk = torch.stack([bound.outside(truth)[0] for bound, truth in new]).mean()
    width = torch.stack([bound.width[0] for bound, _ in new]).mean()
    assert 0.01 < risk <= 0.1
    assert width < 0.95 * 2 * calibration.constant
    assert not any(bool(bound.far.any()) for bound, _ in new[:5])


def worse(seed: int) -> tuple[Parts, torch.Tensor]:
    """A picture with errors that are half as large again, which nothing in it tells."""
    parts, truth = picture(seed)
    return replace(parts, restored=truth + 1.5 * (parts.restored - truth)), truth


def test_every_group_is_certified_for_itself(calibration: Calibration) -> None:
    made = {k: v for k, v in MADE.items() if k != "settings"} | {"settings": {}}
    kinds = grouped(picture, range(100, 160), "good"), grouped(worse, range(200, 260), "bad")
    mixed = [one for both in zip(*kinds, strict=True) for one in both]
    apart = calibrated(map(picture, range(12)), mixed, **made)
    together = calibrated(map(picture, range(12)), [(*one[:2], ("all",)) for one in mixed], **made)
    crossed = calibrated(map(picture, range(12)), [(*one[:2], ("all", *one[2])) for one in mixed], **made)
    assert crossed.scale == apart.scale and crossed.pictures == 120
    assert apart.pictures == together.pictures == 120
    assert apart.scale > together.scale > calibration.scale and apart.constant > together.constant
    risk = torch.stack([apart.of(p).outside(truth)[0] for p, truth in map(worse, range(1000, 1040))]).mean()
    assert risk <= 0.1


def test_intervals_are_in_the_range_of_pictures_and_points_where_all_is_known(calibration: Calibration) -> None:
    parts, truth = picture(7, hole=True)
    bound = calibration.of(parts)
    known = parts.free.expand_as(truth) == 0
    assert torch.equal(bound.lower[known], parts.restored[known])
    assert torch.equal(bound.upper[known], parts.restored[known])
    assert bound.lower[~known].min() >= 0 and bound.upper[~known].max() <= 1
    assert (bound.lower <= bound.upper).all()
    assert "90% of what is not known" in bound.verdict() and str(calibration.pictures) in bound.verdict()


def test_a_picture_s_bound_is_its_own(calibration: Calibration) -> None:
    one, two = picture(1)[0], picture(2)[0]
    both = Parts(
        *(None if a is None else torch.cat([a, b]) for a, b in zip(vars(one).values(), vars(two).values(), strict=True))
    )  # type: ignore[arg-type]
    bound, alone = calibration.of(both), calibration.of(two)
    for name in ("lower", "upper", "distance"):
        torch.testing.assert_close(getattr(bound[1:], name), getattr(alone, name))
    assert len(bound[1:].lower) == 1


def test_pictures_of_another_kind_are_far(calibration: Calibration) -> None:
    parts, _ = picture(3)
    flat = replace(parts, restored=torch.full_like(parts.restored, 0.5), fidelity=torch.full_like(parts.restored, 0.5))
    bound = calibration.of(flat)
    assert bound.far.all() and "unlike" in bound.verdict()
    assert torch.isfinite(numbers_of(flat)).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 9), (7, 3)])
def test_any_size_has_bounds(calibration: Calibration, height: int, width: int) -> None:
    x = torch.rand(2, 3, height, width)
    parts = Parts(x, x, x, torch.zeros(2, 1, height, width), torch.ones(2, 1, height, width), torch.zeros(2))
    bound = calibration.of(parts)
    assert torch.isfinite(bound.upper).all() and torch.isfinite(bound.distance).all()


@pytest.mark.parametrize("hole", [False, True])
def test_a_large_picture_s_half_widths_do_not_depend_on_windows(
    calibration: Calibration, hole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, _ = picture(7, side=90, hole=hole)
    whole = calibration.widths.half(parts)
    monkeypatch.setattr(widths, "_TILE", 32)
    torch.testing.assert_close(calibration.widths.half(parts), whole, rtol=1e-5, atol=0)


def test_a_file_holds_all_of_it(calibration: Calibration) -> None:
    again = Calibration.model_validate_json(calibration.model_dump_json())
    parts, _ = picture(5)
    assert torch.equal(again.of(parts).lower, calibration.of(parts).lower)
    assert len(calibration.model_dump_json()) < 20_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"preset": "other"}, "preset tiny, not other"),
        ({"task": "inpainting"}, "task denoising, not inpainting"),
        ({"weights": {"net": "b" * 64}}, "another net"),
        ({"weights": {"net": "a" * 64, "phi": "c" * 64}}, "another phi"),
        ({"settings": {"steps": 4, "sides": (1, 2)}}, "another steps"),
        ({"strength": 0.5}, "another strength"),
        ({"strength": 1.0, "grain": None}, None),
    ],
)
def test_a_calibration_of_something_else_is_known(calibration: Calibration, change: dict, said: str | None) -> None:
    why = calibration.misfit(MADE | change)
    assert (why is None) if said is None else (why is not None and said in why)


def test_too_few_pictures_certify_nothing() -> None:
    with pytest.raises(SettingsError, match="3 pictures cannot certify alpha"):
        calibrated(map(picture, range(3)), grouped(picture, range(10, 13)), **(MADE | {"settings": {}}))
    with pytest.raises(SettingsError, match="no pictures to fit"):
        calibrated([], grouped(picture, range(10, 13)), **(MADE | {"settings": {}}))


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ({}, None),
        ({"factor": 3}, None),
        ({"factor": 8}, "factor is 8, and calibrated was 2 to 4"),
        ({"kernel": "box"}, "kernel is box, and calibrated was no such"),
        ({"blur": 1.5}, "blur is 1.5, and calibrated was no such"),
    ],
)
def test_settings_that_were_not_calibrated_are_known(calibration: Calibration, scope: dict, said: str | None) -> None:
    assert calibration.beyond(scope) == said


def test_what_is_outside_grows_less_with_the_scale() -> None:
    errors, half = torch.rand(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.5)
    found = outside(errors, half, torch.ones(1, 1, 8, 8), (0.1, 0.5, 1.0, 2.0))
    assert found.tolist() == pytest.approx([float((errors > 0.5 * s).float().mean()) for s in (0.1, 0.5, 1.0, 2.0)])
    assert outside(errors, half, torch.zeros(1, 1, 8, 8), (1.0,)).tolist() == [0]


def test_what_a_mask_says_is_known_and_nothing_else() -> None:
    mask = torch.ones(1, 1, 6, 6)
    mask[..., 2:4, 2:4] = 0
    physics = Inpainting(mask)
    assert torch.equal(free_in(physics.measure(physics.f(torch.rand(1, 3, 6, 6)))), 1 - mask)
    assert free_in(Denoising().measure(torch.rand(1, 3, 6, 6))).all()


def test_signals_have_names_of_their_own_and_means_are_means() -> None:
    parts, _ = picture(0)
    names = [name for name, _ in signals(parts)]
    assert len(names) == len(set(names))
    x = torch.rand(1, 1, 12, 12)
    assert float(around(x, 2)[0, 0, 5, 5]) == pytest.approx(float(x[0, 0, 3:8, 3:8].mean()))

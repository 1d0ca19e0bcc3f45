"""What photographs have suffered beside noise: found, and told apart in the terms of the equation."""

import numpy as np
import pytest
import torch
from skimage.data import astronaut
from torch import Tensor

from bigprior.degradations import Denoising
from bigprior.degradations.flaws import Flaws
from bigprior.errors import SettingsError
from bigprior.io.arrays import as_picture
from bigprior.io.pictures import Picture
from bigprior.ops.colour import to_linear

CLEAN = as_picture(astronaut()[:128, 80:240] / 255)


def struck(share: float = 0.02) -> tuple[Tensor, Tensor]:
    """A photograph with salt and pepper, and where."""
    where = torch.rand(1, 1, *CLEAN.shape[2:]) < share
    return torch.where(where, (torch.rand_like(CLEAN[:, :1]) > 0.5).float(), CLEAN), where


def seen(y: Tensor, alpha: Tensor | None = None, bits: int = 8, **settings: object) -> Denoising:
    return Denoising.from_settings(settings).seen_in(Picture(y, alpha, bits, False))


def test_a_clean_photograph_has_none() -> None:
    physics = seen(CLEAN)
    assert not physics.flaws and physics.record(CLEAN) == {} and physics.shown() == {} and physics.hole(CLEAN) is None
    assert physics.plain(CLEAN) == (CLEAN, physics)


def test_impulses_are_a_hole() -> None:
    y, where = struck()
    physics = seen(y)
    hole = physics.hole(y)
    assert hole is not None and hole.shape == where.shape and hole[where].mean() > 0.8
    assert torch.equal(physics.g(physics.g_inv(y)), y)
    assert physics.record(y)["impulses"] == pytest.approx(float(where.float().mean()), rel=0.2)
    assert torch.equal(physics.shown()["impulses"], hole)
    plain, as_known = physics.plain(y)
    assert not as_known.flaws and torch.equal(plain[hole.expand_as(y) == 0], y[hole.expand_as(y) == 0])
    assert (plain - CLEAN).square().mean() < 0.05 * (y - CLEAN).square().mean()
    assert physics.f(CLEAN)[hole.expand_as(y) > 0].abs().max() == 0


def test_of_a_pixel_of_which_one_channel_is_hot_the_others_are_shown() -> None:
    y, hot = CLEAN.clone(), torch.rand_like(CLEAN) < 0.004
    y[hot] = 0.97
    physics = seen(y)
    lost = physics.flaws.lost
    assert lost is not None and lost.all(dim=1).float().mean() < 0.1 * lost.any(dim=1).float().mean()
    plain, _ = physics.plain(y)
    assert torch.equal(plain[~lost], y[~lost])
    assert torch.equal(physics.hole(y) > 0, lost.any(dim=1, keepdim=True))


@pytest.mark.parametrize("axis", [2, 3])
def test_bands_are_taken_off(axis: int) -> None:
    offsets = 6 / 255 * torch.randn([1 if i != axis else CLEAN.shape[i] for i in range(4)])
    y = CLEAN + offsets + 0.01 * torch.randn_like(CLEAN)
    physics = seen(y)
    fidelity = physics.g_inv(y)
    left = (fidelity - CLEAN).mean(dim=5 - axis)
    assert left.std() < 0.5 * offsets.std()
    torch.testing.assert_close(physics.g(fidelity), y)
    torch.testing.assert_close(physics.f(fidelity), y)
    assert physics.record(y)["banding"] == pytest.approx(6 / 255, rel=0.3)


def test_what_is_not_looked_for_is_not_found() -> None:
    y, _ = struck()
    y = y + 6 / 255 * torch.randn(1, 1, y.shape[2], 1)
    assert seen(y, impulses=False).hole(y) is None
    assert seen(y, banding=False).flaws.bands is None
    assert not seen(y, impulses=False, banding=False).flaws


def test_linear_photographs_are_shown_as_on_a_screen() -> None:
    y = to_linear(CLEAN)
    physics = seen(y, linear=True)
    plain, _ = physics.plain(y)
    torch.testing.assert_close(plain, CLEAN, atol=2e-3, rtol=1e-4)
    torch.testing.assert_close(physics.as_measured(plain), y, atol=1e-5, rtol=1e-4)
    assert torch.equal(physics.g_inv(y), y) and physics.record(y) == {"linear": True}


def test_dark_photographs_of_16_bits_may_be_linear() -> None:
    dark = to_linear(CLEAN) / 8
    assert seen(dark, bits=16).record(dark) == {"linear": "perhaps"}
    assert seen(dark).record(dark) == seen(CLEAN, bits=16).record(CLEAN) == {}
    assert seen(dark, bits=16, linear=False).record(dark) == {} and seen(dark, bits=16, linear=True).flaws.linear


def test_what_is_transparent_is_no_part_of_a_photograph() -> None:
    alpha = torch.ones(1, 1, *CLEAN.shape[2:])
    alpha[:, :, :40] = 0
    physics = seen(CLEAN, alpha)
    assert torch.equal(physics.unseen, alpha == 0) and not physics.flaws
    assert physics.plain(CLEAN) == (CLEAN, physics) and seen(CLEAN, torch.ones_like(alpha)).unseen is None


def test_windows_and_batches_have_their_own() -> None:
    flaws = Flaws(torch.rand(2, 3, 12, 10) < 0.3, torch.rand(2, 3, 12, 10), torch.rand(2, 1, 12, 10) < 0.5, True)
    physics, y = Denoising(0.1, flaws=flaws), torch.rand(2, 3, 12, 10)
    part, cut = physics.crop(y, 2, 3, 6, 5)
    assert torch.equal(cut.flaws.lost, flaws.lost[..., 2:8, 3:8]) and torch.equal(part, y[..., 2:8, 3:8])
    assert torch.equal(cut.g_inv(part), physics.g_inv(y)[..., 2:8, 3:8]) and cut.flaws.linear
    larger, wide = physics.pad(y, 14, 16)
    assert torch.equal(wide.g_inv(larger)[..., :12, :10], physics.g_inv(y)) and wide.check(larger) is larger
    smaller, small = physics.resize(y, 6, 5)
    assert small.check(smaller) is smaller and small.flaws.lost.dtype == torch.bool
    one, other = physics.select(slice(0, 1)), physics.select(slice(1, 2))
    assert torch.equal(one.g_inv(y[:1]), physics.g_inv(y)[:1])
    again = Denoising.join([one, other])
    assert torch.equal(again.flaws.lost, flaws.lost) and torch.equal(again.flaws.unseen, flaws.unseen)
    assert torch.equal(physics.blind().with_sigma(0.2).flaws.bands, flaws.bands)


def test_flaws_that_do_not_fit() -> None:
    with pytest.raises(SettingsError, match=r"lost is \(1, 1, 4, 4\): expected \(N, 3, H, W\)"):
        Flaws(lost=torch.zeros(1, 1, 4, 4, dtype=torch.bool))
    with pytest.raises(SettingsError, match=r"bands is .* but the photographs are"):
        Denoising(flaws=Flaws(bands=torch.zeros(1, 3, 4, 4))).measure(torch.rand(1, 3, 5, 5))
    with pytest.raises(SettingsError, match="some of these pictures have bands"):
        Denoising.join([Denoising(flaws=Flaws(bands=torch.zeros(1, 3, 4, 4))), Denoising()])
    with pytest.raises(SettingsError, match="some of these pictures are linear"):
        Denoising.join([Denoising(flaws=Flaws(linear=True)), Denoising()])
    for name in ("impulses", "banding", "linear"):
        with pytest.raises(SettingsError, match=f"{name} is 3: expected true or false"):
            Denoising.from_settings({name: 3})


def test_those_that_are_known_are_not_looked_for() -> None:
    dead = torch.zeros(1, 3, *CLEAN.shape[2:], dtype=torch.bool)
    dead[..., 5, 6] = True
    physics = Denoising(flaws=Flaws(lost=dead))
    assert physics.seen_in(Picture(struck()[0], None, 8, False)) is physics
    assert np.isclose(physics.record(CLEAN)["impulses"], 1 / dead[0, 0].numel(), rtol=0.05)

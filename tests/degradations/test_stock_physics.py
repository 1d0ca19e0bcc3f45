"""deepinv's own physics, as the degradations that are made of such."""

import deepinv as dinv
import pytest
import torch

from bigprior.degradations import (
    DEGRADATIONS,
    Colorization,
    Degradation,
    Denoising,
    Inpainting,
    Linear,
    as_degradation,
)
from bigprior.errors import MaskError, SettingsError

MASK = (torch.rand(1, 1, 6, 7, generator=torch.Generator().manual_seed(1)) > 0.4).float()
STOCK = {
    "colorization": lambda: dinv.physics.Decolorize(),
    "inpainting": lambda: dinv.physics.Inpainting((3, 6, 7), mask=MASK),
    "denoising": lambda: dinv.physics.Denoising(dinv.physics.GaussianNoise(0.2)),
}
#: deepinv writes the weights of grey in other digits.
ROUNDING = {"colorization": 2e-4}


def test_a_stock_physics_becomes_the_degradation_that_is_made_of_such(our_task: str) -> None:
    stock, x = STOCK[our_task](), torch.rand(2, 3, 6, 7)
    ours = as_degradation(stock)
    assert type(ours) is DEGRADATIONS[our_task]
    assert type(stock) is DEGRADATIONS[our_task].stock
    torch.testing.assert_close(ours.f(x), stock.A(x), atol=ROUNDING.get(our_task, 0), rtol=0)
    assert ours.check(stock(x)).shape == ours(x).shape


@pytest.mark.parametrize("name", sorted(DEGRADATIONS))
def test_a_degradation_is_taken_as_it_is(name: str) -> None:
    physics = DEGRADATIONS[name]()
    assert as_degradation(physics) is physics


def test_a_physics_derived_from_a_stock_one_is_taken_for_what_it_is() -> None:
    class Own(dinv.physics.Denoising):
        pass

    assert type(as_degradation(Own())) is Denoising


# What they carry


@pytest.mark.parametrize("sigma", [0.0, 0.1, 1.0])
def test_the_level_of_its_noise_is_known(sigma: float) -> None:
    ours = as_degradation(dinv.physics.Denoising(dinv.physics.GaussianNoise(sigma)))
    assert ours.known_sigma == pytest.approx(sigma)
    assert as_degradation(dinv.physics.Denoising()).known_sigma == pytest.approx(0.1)  # deepinv's default


def test_a_level_for_each_picture_is_kept_for_each() -> None:
    levels = torch.tensor([0.1, 0.2, 0.3])
    stock = dinv.physics.Denoising(dinv.physics.GaussianNoise(levels))
    m = as_degradation(stock).measure(stock(torch.rand(3, 3, 6, 7)))
    assert m.noise is not None and m.noise.sigma.tolist() == pytest.approx(levels.tolist())


@pytest.mark.parametrize(
    "mask",
    [MASK, MASK[0], MASK[0, 0], MASK[0].expand(3, -1, -1), MASK.expand(1, 3, -1, -1)],
    ids=lambda mask: str(tuple(mask.shape)),
)
def test_a_mask_of_any_shape_that_deepinv_takes(mask: torch.Tensor) -> None:
    stock, x = dinv.physics.Inpainting((3, 6, 7), mask=mask), torch.rand(2, 3, 6, 7)
    ours = as_degradation(stock)
    assert torch.equal(ours.mask, MASK)
    assert torch.equal(ours.f(x), stock.A(x))


def test_a_mask_for_each_picture() -> None:
    mask = torch.cat([MASK, 1 - MASK])
    ours = as_degradation(dinv.physics.Inpainting((3, 6, 7), mask=mask.expand(-1, 3, -1, -1)))
    assert torch.equal(ours.mask, mask)


def test_a_mask_drawn_by_deepinv_is_one_for_all_channels_unless_it_is_asked_otherwise() -> None:
    stock, x = dinv.physics.Inpainting((3, 30, 30), mask=0.5), torch.rand(1, 3, 30, 30)
    assert torch.equal(as_degradation(stock).f(x), stock.A(x))
    with pytest.raises(SettingsError, match="differs from channel to channel"):
        as_degradation(dinv.physics.Inpainting((3, 30, 30), mask=0.5, pixelwise=False))


def test_grey_of_rec_601_is_ours_in_all_its_spellings() -> None:
    for srf in ("rec601", None, (0.299, 0.587, 0.114), [0.2989, 0.5870, 0.1140]):
        assert type(as_degradation(dinv.physics.Decolorize(srf=srf))) is Colorization


# What is refused


@pytest.mark.parametrize(
    ("noise", "name"),
    [
        (dinv.physics.PoissonNoise(normalize=False), "PoissonNoise"),
        (dinv.physics.UniformNoise(), "UniformNoise"),
        (dinv.physics.ZeroNoise(), "ZeroNoise"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_noise_is_refused_by_name(noise: torch.nn.Module, name: str) -> None:
    with pytest.raises(SettingsError, match=f"noise is {name}: expected GaussianNoise"):
        as_degradation(dinv.physics.Denoising(noise))


def test_a_level_on_another_scale_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"sigma is 25\.0: expected a noise level in \[0, 1\]"):
        as_degradation(dinv.physics.Denoising(dinv.physics.GaussianNoise(25.0)))
    with pytest.raises(SettingsError, match=r"sigma is \[0\.1, 25\.0\]"):
        as_degradation(dinv.physics.Denoising(dinv.physics.GaussianNoise(torch.tensor([0.1, 25.0]))))
    with pytest.raises(SettingsError, match=r"sigma is \(2, 1, 1, 1\): expected one number, or one a picture"):
        as_degradation(dinv.physics.Denoising(dinv.physics.GaussianNoise(torch.rand(2, 1, 1, 1))))


@pytest.mark.parametrize(
    "stock",
    [
        dinv.physics.Inpainting((3, 6, 7), mask=MASK, noise_model=dinv.physics.GaussianNoise(0.1)),
        dinv.physics.Decolorize(noise_model=dinv.physics.GaussianNoise(0.1)),
    ],
    ids=lambda stock: type(stock).__name__,
)
def test_noise_beside_what_is_lost_is_refused(stock: dinv.physics.Physics) -> None:
    with pytest.raises(SettingsError, match="with GaussianNoise is not known here: expected one without noise"):
        as_degradation(stock)


@pytest.mark.parametrize("srf", ["flat", (0.2126, 0.7152, 0.0722), (0.5, 0.5)], ids=str)
def test_a_grey_of_other_weights_is_refused_with_its_weights(srf: str | tuple[float, ...]) -> None:
    with pytest.raises(SettingsError, match=r"weights \([\d., ]+\): expected Rec\. 601's, \(0\.299, 0\.587, 0\.114\)"):
        as_degradation(dinv.physics.Decolorize(srf=srf))


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_a_grey_of_another_number_of_channels_is_refused(channels: int) -> None:
    with pytest.raises(SettingsError, match="expected Rec"):
        as_degradation(dinv.physics.Decolorize(channels=channels, srf="flat"))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.ones(1, 1, 6, 7), "all known"),
        (torch.zeros(1, 1, 6, 7), "all hole"),
        (MASK * 0.5, "other than 0 and 1"),
        (None, "has no mask: give it one, or pass bigprior's Inpainting"),
    ],
    ids=["known", "hole", "half", "none"],
)
def test_masks_that_make_no_sense_are_refused(mask: torch.Tensor | None, message: str) -> None:
    with pytest.raises(MaskError, match=message):
        as_degradation(dinv.physics.Inpainting((3, 6, 7), mask=mask))


@pytest.mark.parametrize(
    "stock",
    [
        dinv.physics.BlurFFT((3, 6, 7), filter=torch.ones(1, 1, 3, 3) / 9),
        dinv.physics.Downsampling(img_size=(3, 8, 8), factor=2, filter=None),
        dinv.physics.LinearPhysics(),
    ],
    ids=lambda stock: type(stock).__name__,
)
def test_any_other_linear_physics_is_taken_as_such(stock: dinv.physics.Physics) -> None:
    ours = as_degradation(stock)
    assert type(ours) is Linear and ours.physics is stock


def test_a_physics_that_is_not_linear_is_told_what_to_do() -> None:
    with pytest.raises(
        SettingsError, match=r"^PhaseRetrieval is not linear.*subclass bigprior.Degradation.*pass a deep"
    ):
        as_degradation(dinv.physics.PhaseRetrieval(Linear(dinv.physics.LinearPhysics())))


def test_demosaicing_is_no_inpainting() -> None:
    with pytest.raises(SettingsError, match="differs from channel to channel"):
        as_degradation(dinv.physics.Demosaicing((6, 8)))


def test_a_degradation_that_is_made_of_no_physics_says_so() -> None:
    class Rotated(Degradation):
        name = "rotated"

    with pytest.raises(SettingsError, match="rotated is made of no deepinv physics: pass a Rotated"):
        Rotated.of_physics(dinv.physics.Denoising())


def test_without_a_mask_ours_is_what_finds_the_hole() -> None:
    assert as_degradation(Inpainting()).mask is None

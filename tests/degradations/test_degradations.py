"""Every registered degradation meets the same properties; then what is particular to each."""

import deepinv as dinv
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from bigprior.degradations import DEGRADATIONS, Colorization, Degradation, Denoising, Inpainting, degradation, task_of
from bigprior.errors import ImageError, MaskError, SettingsError, UnknownNameError
from bigprior.evaluation.metrics import METRICS
from bigprior.phi import PHI_NETWORKS
from bigprior.priors.gan import InversionSettings

#: Independent formula of each ``f``, in double precision numpy; a new degradation needs a line here.
FORMULAS = {
    "colorization": lambda x: (0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2])[:, None],
    "inpainting": lambda x: np.concatenate([np.zeros_like(x[..., :2]), x[..., 2:]], axis=3),
    "denoising": lambda x: x,
}
SIDES = st.integers(1, 9)
VALUES = [0.0, -0.0, 1.0, -3.5, 1.7, 1e-45, -1e-42, 1.1754942e-38, 3.4e38, -3.4e38, 1 / 3]
every = pytest.mark.parametrize("name", sorted(DEGRADATIONS))


def made(name: str, height: int = 5, width: int = 7) -> Degradation:
    if name != "inpainting":
        return degradation(name)
    mask = torch.ones(1, 1, height, width)
    mask[..., :2] = 0
    return degradation(name, mask=mask)


def bits(x: Tensor) -> Tensor:
    return x.contiguous().view(torch.int32)


@every
@given(n=st.integers(1, 3), height=SIDES, width=SIDES, seed=st.integers(0, 2**31))
@example(n=1, height=1, width=1, seed=0)
def test_g_undoes_g_inv_bit_for_bit(name: str, n: int, height: int, width: int, seed: int) -> None:
    physics = degradation(name)
    rng = torch.Generator().manual_seed(seed)
    y = torch.randn(n, physics.channels, height, width, generator=rng) * 10 ** float(
        torch.randint(-44, 38, (), generator=rng)
    )
    flat = y.view(-1)
    flat[: len(VALUES)] = torch.tensor(VALUES)[: len(flat)]
    fidelity = physics.g_inv(y)
    assert fidelity.shape == (n, 3, *physics.picture_size(y))
    assert fidelity.dtype == torch.float32
    assert torch.equal(bits(physics.g(fidelity)), bits(y))


@every
def test_f_is_the_formula_on_any_picture(name: str) -> None:
    if name not in FORMULAS and not DEGRADATIONS[name].__module__.startswith("bigprior."):
        pytest.skip("another package's, whose formula it knows itself")
    x = torch.rand(2, 3, 5, 7)
    wanted = FORMULAS[name](x.double().numpy())
    np.testing.assert_allclose(made(name).f(x), wanted, atol=1e-6)
    np.testing.assert_allclose(made(name).A(x), wanted, atol=1e-6)


@every
def test_it_is_a_deepinv_physics_and_its_measurements_pass_its_own_check(name: str) -> None:
    physics = made(name)
    assert isinstance(physics, dinv.physics.Physics)
    y = physics(torch.rand(2, 3, 5, 7))
    assert y.shape[:2] == (2, physics.channels)
    assert physics.check(y) is y
    assert physics.measure(y).y is y


@every
def test_what_we_ask_of_a_degradation_hides_nothing_of_deepinvs(name: str) -> None:
    ours, theirs = vars(Degradation), dir(DEGRADATIONS[name].stock or dinv.physics.LinearPhysics)
    assert {attribute for attribute in ours if not attribute.startswith("_")}.isdisjoint(theirs)


@every
def test_the_adjoint_is_the_adjoint(name: str) -> None:
    physics, x = made(name, 6, 8), torch.randn(1, 3, 6, 8, dtype=torch.float32)
    v = torch.randn_like(physics.A(x))
    torch.testing.assert_close((physics.A(x) * v).sum(), (x * physics.A_adjoint(v)).sum(), atol=1e-4, rtol=1e-4)


@every
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers_are_refused(name: str, bad: float) -> None:
    y = torch.rand(2, DEGRADATIONS[name].channels, 5, 7)
    y[1, -1, 4, 6] = bad
    for asked in (made(name).check, made(name).measure):
        with pytest.raises(ImageError, match="NaN or infinity"):
            asked(y)


@every
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((1, 2, 5, 7), torch.float32),
        ((1, 4, 5, 7), torch.float32),
        ((3, 5, 7), torch.float32),
        ((1, 1, 3, 5, 7), torch.float32),
        ((1, "C", 0, 7), torch.float32),
        ((0, "C", 5, 7), torch.float32),
        ((1, "C", 5, 7), torch.uint8),
        ((1, "C", 5, 7), torch.int64),
        ((1, "C", 5, 7), torch.bool),
        ((1, "C", 5, 7), torch.complex64),
        ((1, "C", 5, 7), torch.float64),
    ],
    ids=str,
)
def test_tensors_that_are_no_measurement_are_refused(name: str, shape: tuple, dtype: torch.dtype) -> None:
    channels = DEGRADATIONS[name].channels
    shape = tuple(channels if s == "C" else s for s in shape)
    with pytest.raises(ImageError, match=rf"{name} takes a float.*\(N, {channels}, H, W\).*{str(dtype)[6:]}"):
        made(name).check(torch.zeros(shape, dtype=dtype))


@every
def test_the_class_says_how_it_meets_any_size(name: str) -> None:
    assert DEGRADATIONS[name].placement in ("tiles", "whole", "hole")
    assert DEGRADATIONS[name].name == name


@every
def test_the_name_and_the_verb_are_both_understood(name: str) -> None:
    assert task_of(name) is task_of(DEGRADATIONS[name].verb) is DEGRADATIONS[name]
    assert type(degradation(DEGRADATIONS[name].verb)) is DEGRADATIONS[name]
    verbs = [physics.verb for physics in DEGRADATIONS.values()]
    assert len({*verbs, *DEGRADATIONS}) == 2 * len(DEGRADATIONS)


@every
def test_what_the_class_names_is_registered(name: str) -> None:
    physics = DEGRADATIONS[name]
    assert physics.phi in PHI_NETWORKS
    assert set(physics.learning) <= set(physics.protocols)
    assert set(physics.paper) <= set(InversionSettings.model_fields)
    assert set(physics.metrics) <= set(METRICS)


def test_an_unknown_degradation_is_told_the_known_ones() -> None:
    for asked in (degradation, task_of):
        with pytest.raises(
            UnknownNameError,
            match="colorization, deblurring, demosaicing, denoising, inpainting, jpeg-compression, linear, poisson, "
            "upscaling",
        ):
            asked("melting")


# Colorization


def test_luminance_of_the_primaries() -> None:
    primaries = torch.eye(3).view(3, 3, 1, 1)
    assert Colorization().f(primaries).flatten().tolist() == pytest.approx([0.299, 0.587, 0.114], abs=1e-7)


def test_the_fidelity_of_a_grey_picture_is_grey() -> None:
    y = torch.rand(2, 1, 3, 4)
    assert torch.equal(Colorization().g_inv(y), torch.cat([y, y, y], 1))


@given(height=SIDES, width=SIDES, seed=st.integers(0, 2**31), extremes=st.booleans())
def test_a_consistent_prior_has_the_measurements_luminance_and_is_a_picture(
    height: int, width: int, seed: int, extremes: bool
) -> None:
    rng = torch.Generator().manual_seed(seed)
    y, prior = torch.rand(2, 1, height, width, generator=rng), torch.rand(2, 3, height, width, generator=rng)
    if extremes:  # black, white and saturated colours
        y, prior = y.mul(3).sub(1).clamp(0, 1), prior.mul(5).sub(2).clamp(0, 1)
    physics = Colorization()
    result = physics.consistent(prior, y)
    torch.testing.assert_close(physics.f(result), y, atol=1e-6, rtol=0)
    assert result.min() >= 0
    assert result.max() <= 1


def test_chroma_that_fits_is_kept_and_what_does_not_fit_is_only_scaled() -> None:
    physics, y = Colorization(), torch.full((1, 1, 1, 1), 0.5)
    mild = torch.tensor([0.5, 0.4, 0.6]).view(1, 3, 1, 1)
    chroma = mild - physics.f(mild)
    torch.testing.assert_close(physics.consistent(mild, y), y + chroma)
    strong = torch.tensor([1.0, 0.0, 1.0]).view(1, 3, 1, 1)  # its luminance is 0.413, so that chroma is up to 0.587
    kept = (physics.consistent(strong, y) - y) / (strong - 0.413)
    torch.testing.assert_close(kept, torch.full_like(kept, 0.5 / 0.587), atol=1e-5, rtol=0)


# Inpainting


def test_a_mask_of_its_own_for_each_picture() -> None:
    mask = (torch.rand(3, 1, 4, 5) > 0.5).float()
    x = torch.rand(3, 3, 4, 5)
    physics = Inpainting(mask)
    assert torch.equal(physics.f(x), torch.where(mask.bool().expand_as(x), x, 0))
    assert torch.equal(physics.known_phi(x), 1 - mask)


def test_phi_is_known_where_the_mask_is_and_nowhere_else(any_task: str) -> None:
    y = torch.rand(2, DEGRADATIONS[any_task].channels, 5, 7)
    assert degradation(any_task).known_phi(y) is None
    if any_task == "inpainting":
        phi = made(any_task).known_phi(y)
        assert phi is not None
        assert phi.shape == (2, 1, 5, 7)
        assert torch.equal(phi[..., :2], torch.ones(2, 1, 5, 2))
        assert torch.equal(phi[..., 2:], torch.zeros(2, 1, 5, 5))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.ones(1, 1, 4, 4), "all known"),
        (torch.zeros(1, 1, 4, 4), "all hole"),
        (torch.stack([torch.eye(4), torch.zeros(4, 4)])[:, None], "all hole"),
        (torch.stack([torch.eye(4), torch.ones(4, 4)])[:, None], "all known"),
        (torch.eye(4)[None, None] * 255, "other than 0 and 1"),
        (torch.eye(4)[None, None] * 0.5, "other than 0 and 1"),
        (torch.full((1, 1, 4, 4), float("nan")), "other than 0 and 1"),
        (torch.eye(4), "expected"),
        (torch.eye(4)[None], "expected"),
        (torch.eye(4).expand(1, 3, 4, 4), "expected"),
    ],
    ids=lambda v: v if isinstance(v, str) else str(tuple(v.shape)),
)
def test_masks_that_make_no_sense_are_refused(mask: Tensor, message: str) -> None:
    with pytest.raises(MaskError, match=message):
        Inpainting(mask)


@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (1, 3, 5, 4), (1, 3, 1, 1), (1, 3, 8, 8)])
def test_a_mask_of_another_size_is_refused_with_both_sizes(shape: tuple[int, ...]) -> None:
    with pytest.raises(MaskError, match=f"mask is 4x4 but the image is {shape[3]}x{shape[2]}"):
        Inpainting(torch.eye(4)[None, None]).check(torch.rand(shape))


def test_another_number_of_masks_than_pictures_is_refused_by_their_numbers() -> None:
    physics = Inpainting(torch.eye(4).expand(2, 1, 4, 4))
    physics.check(torch.rand(2, 3, 4, 4))
    with pytest.raises(MaskError, match=r"2 masks.*3"):
        physics.check(torch.rand(3, 3, 4, 4))


def test_boolean_and_integer_masks_are_taken() -> None:
    for mask in (torch.eye(4).bool(), torch.eye(4).to(torch.uint8)):
        assert torch.equal(Inpainting(mask[None, None]).mask, torch.eye(4)[None, None])


def test_without_a_mask_the_exactly_black_pixels_are_the_hole() -> None:
    y = torch.rand(2, 3, 4, 5) + 0.1
    y[0, :, 1, 2] = 0
    y[1, :, 3, :2] = 0
    y[1, 0, 0, 0] = 0  # one dark channel is no hole
    wanted = torch.ones(2, 1, 4, 5)
    wanted[0, 0, 1, 2] = wanted[1, 0, 3, 0] = wanted[1, 0, 3, 1] = 0
    m = Inpainting().measure(y)
    assert torch.equal(m.degradation.mask, wanted)
    assert torch.equal(m.hole, 1 - wanted)
    assert m.known_phi is None  # it is a guess


def test_a_given_mask_is_not_looked_for() -> None:
    physics = made("inpainting")
    assert physics.measure(torch.zeros(1, 3, 5, 7)).degradation is physics


@pytest.mark.parametrize("y", [torch.full((1, 3, 4, 4), 0.5), torch.zeros(1, 3, 4, 4)], ids=["no black", "all black"])
def test_without_a_mask_and_without_a_hole_it_says_so_to_whom_has_to_know(y: Tensor) -> None:
    m = Inpainting().measure(y)
    assert m.searching and m.known_phi is None  # phi may find it
    asked = (lambda: m.f(y), lambda: m.hole, lambda: m.condition, lambda: m.degradation.decomposable())
    for ask in (*asked, lambda: m[:1].crop(0, 0, 2, 2).padded(4, 4).resized(3, 3).hole):
        with pytest.raises(MaskError, match=r"no mask was given .* pass a mask"):
            ask()


def test_without_a_mask_a_picture_cannot_be_degraded() -> None:
    with pytest.raises(MaskError, match="mask"):
        Inpainting().f(torch.rand(1, 3, 4, 4))


# Denoising


def test_the_noise_is_that_of_sigma() -> None:
    x = torch.zeros(1, 3, 200, 200)
    assert Denoising(0.2)(x).std().item() == pytest.approx(0.2, rel=0.01)
    assert torch.equal(Denoising()(x), x)
    assert (Denoising().sigma, Denoising(0.0).sigma, Denoising(0.2).sigma) == (None, 0.0, 0.2)
    assert (Denoising().known_sigma, Denoising(0.2).known_sigma) == (None, 0.2)


@pytest.mark.parametrize("sigma", [-0.01, 1.01, 25, float("nan")])
def test_a_sigma_in_other_units_is_refused(sigma: float) -> None:
    with pytest.raises(SettingsError, match=r"in \[0, 1\]"):
        Denoising(sigma)


def test_noise_that_is_told_to_grow_with_light() -> None:
    made = Denoising.from_settings({"iso_gain": 2, "sigma": 3})
    y = torch.rand(2, 3, 8, 8)
    shot = made.known_shot
    assert shot is not None and made.record(y)["iso_gain"] == pytest.approx([2] * len(y))
    torch.testing.assert_close(255**2 * shot.variance(y), 2 * 255 * y + 9)  # levels squared, at each level
    assert Denoising(iso_gain=0.01).known_sigma == 0 and Denoising(0.1).known_shot is None
    noise = made.noise_in(y)
    assert noise.known and noise.sigma[0].square().item() == pytest.approx(float(shot.variance(y)[0].mean()))
    for kept in (made.select(slice(0, 1)), made.crop(y, 0, 0, 4, 4)[1], Denoising.join([made, made])):
        assert (kept.iso_gain, kept.sigma) == (made.iso_gain, made.sigma)
    assert made.blind().known_shot is None
    with pytest.raises(SettingsError, match="in several ways"):
        Denoising.join([made, Denoising(3 / 255)])
    with pytest.raises(SettingsError, match="iso_gain is 300: expected grey levels squared per grey level"):
        Denoising.from_settings({"iso_gain": 300})
    with pytest.raises(SettingsError, match="iso_gain is 2: expected a variance per light"):
        Denoising(iso_gain=2)


# Colorization with hints


@pytest.fixture
def hinted() -> Colorization:
    hints = torch.zeros(1, 1, 5, 7)
    hints[..., 1:3, 2:6] = 1
    return Colorization(hints)


def test_hints_leave_colours_where_they_are_known(hinted: Colorization) -> None:
    x = torch.rand(2, 3, 5, 7)
    y, where = hinted.f(x), hinted.hints.expand(2, 3, 5, 7) > 0
    assert torch.equal(y[where], x[where])
    assert torch.equal(y[~where], Colorization().f(x).expand_as(x)[~where])
    assert torch.equal(bits(hinted.g(hinted.g_inv(y))), bits(y)) and hinted.check(y) is y
    v = torch.randn_like(y)
    torch.testing.assert_close((hinted.A(x) * v).sum(), (x * hinted.A_adjoint(v)).sum(), atol=1e-4, rtol=1e-4)
    condition = hinted.condition(y)
    assert torch.equal(condition[:, 3:4], torch.ones(2, 1, 5, 7)) and torch.equal(condition[:, 4:] > 0, where[:, :1])
    again = hinted.consistent(torch.rand_like(y), y)
    assert torch.equal(again[where], y[where])
    torch.testing.assert_close(Colorization().f(again), Colorization().f(y), atol=1e-6, rtol=0)


def test_parts_of_a_picture_have_their_hints(hinted: Colorization) -> None:
    y = hinted.f(torch.rand(1, 3, 5, 7))
    window, physics = hinted.crop(y, 1, 2, 3, 4)
    assert torch.equal(window, y[..., 1:4, 2:6]) and torch.equal(physics.hints, hinted.hints[..., 1:4, 2:6])
    larger, physics = hinted.pad(y, 6, 9)
    assert larger.shape[2:] == physics.hints.shape[2:] == (6, 9)
    smaller, physics = hinted.resize(y, 3, 4)
    assert smaller.shape[2:] == physics.hints.shape[2:] == (3, 4) and physics.hints.any()
    both = Colorization.join([hinted, hinted])
    assert both.hints.shape[0] == 2 and torch.equal(both.select(slice(1, 2)).hints, hinted.hints)
    assert hinted.blind().hints is None


@pytest.mark.parametrize("hints", [torch.eye(4), torch.full((1, 1, 4, 4), 0.5), torch.eye(4).expand(1, 3, 4, 4)])
def test_hints_that_make_no_sense_are_refused(hints: Tensor) -> None:
    with pytest.raises(SettingsError, match=r"hints are .*expected"):
        Colorization(hints)
    with pytest.raises(ImageError, match=r"hints are .* but the picture is"):
        Colorization(torch.eye(4)[None, None]).check(torch.rand(1, 3, 5, 5))

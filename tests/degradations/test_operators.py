"""Every degradation whose phi is known in closed form meets the same properties; then what is particular to each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bigprior import ConstantPhi, Restorer
from bigprior.degradations import OPERATORS, Deblurring, Degradation, Demosaicing, Upscaling, task_of
from bigprior.errors import BigpriorError, ImageError, SettingsError
from bigprior.noise import Noise
from bigprior.ops.mosaic import PATTERNS
from bigprior.priors.precomputed import PrecomputedPrior

#: Each with every kernel of its own; an operator of deepinv's is tested in test_linear.
MADE = {
    "upscaling": (
        Upscaling(2),
        Upscaling(3, "box"),
        Upscaling(4, "gauss"),
        Upscaling(2, torch.tensor([0.1, 0.2, 0.4, 0.2, 0.1])),
    ),
    "deblurring": (Deblurring(), Deblurring(torch.rand(3, 5, generator=torch.Generator().manual_seed(0)))),
    "demosaicing": tuple(Demosaicing(pattern) for pattern in PATTERNS),
}
EACH = [physics for kind in MADE.values() for physics in kind]
every = pytest.mark.parametrize("physics", EACH, ids=lambda p: f"{p.name}-{EACH.index(p)}")
SIZES = [(1, 1), (1, 4), (5, 3), (6, 8)]


def none(n: int) -> Noise:
    return Noise(torch.zeros(n), torch.zeros(n), True)


def some(sigma: float, n: int) -> Noise:
    return Noise(torch.full((n,), sigma), torch.full((n,), sigma), True)


def pair(physics: Degradation, height: int, width: int) -> tuple[Tensor, Tensor]:
    y = torch.rand(2, physics.channels, height, width)
    x = torch.rand(2, 3, *physics.picture_size(y))
    return x, physics.f(x)


def test_every_operator_is_here() -> None:
    assert set(MADE) | {"linear", "jpeg-compression", "poisson"} == set(OPERATORS)  # which have tests of their own
    assert all(
        task_of(kind.verb) is task_of(name) is kind and (kind.weighs or kind.stabilised)
        for name, kind in OPERATORS.items()
    )


@every
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_layers_of_any_size_sum_exactly_and_are_what_was_measured(
    physics: Degradation, size: tuple[int, int]
) -> None:
    x, y = pair(physics, *size)
    result = Restorer(PrecomputedPrior(x.flip(3)[:1]), ConstantPhi()).restore(y[:1], physics.with_sigma(0.0))
    assert torch.equal(result.restored, result.measured + result.hallucinated)
    assert float(result.phi.min()) >= 0 and float(result.phi.max()) <= 1 and 0 <= result.mean_share <= 1
    fused = physics.terms(y, torch.rand_like(x), none(2), 0.0)
    torch.testing.assert_close(physics.A(fused.measured), y, atol=2e-5, rtol=0)
    assert physics.A(fused.hallucinated).abs().max() < 2e-5
    assert torch.equal(physics.g(physics.g_inv(y)), y) and physics.g_inv(y).shape == x.shape


@every
def test_what_f_does_not_see_is_made_up(physics: Degradation) -> None:
    x, y = pair(physics, 6, 8)
    unseen = physics.terms(torch.zeros_like(y), x, none(2), 0.0).hallucinated
    for sigma in (0.1, 1e-3, 0.0):
        fused = physics.terms(y, unseen, some(sigma, 2), 0.0)
        assert physics.A(fused.hallucinated).abs().max() < 1e-4


@every
def test_the_adjoint_is_the_adjoint_and_the_gradient(physics: Degradation) -> None:
    x, y = pair(physics, 5, 6)
    v = torch.randn_like(y)
    torch.testing.assert_close((physics.A(x) * v).sum(), (x * physics.A_adjoint(v)).sum(), atol=1e-3, rtol=1e-4)
    (slope,) = torch.autograd.grad((physics.A(x.requires_grad_()) - y - v).square().sum() / 2, x)
    torch.testing.assert_close(slope, physics.A_adjoint(-v), atol=1e-4, rtol=1e-4)


@every
def test_more_noise_makes_more_up_and_rho_less(physics: Degradation) -> None:
    x, y = pair(physics, 6, 8)
    shares = [float(physics.terms(y, x, some(s, 2), rho).share.mean()) for s, rho in ((0.02, 0.1), (0.02, 0), (0.5, 0))]
    assert shares == sorted(shares)


@every
def test_the_proximal_operator_is_the_best(physics: Degradation) -> None:
    x, y = pair(physics, 4, 6)
    z = torch.rand_like(x)

    def cost(u: Tensor) -> float:
        return float((physics.A(u) - y).square().sum() / 0.1**2 + (u - z).square().sum() / 0.2**2)

    best = physics.proximal(z, y, torch.full((2,), 0.1), 0.2)
    assert all(cost(best) < cost(best + 1e-2 * torch.randn_like(x)) for _ in range(5))


@every
def test_a_picture_of_a_batch_is_as_alone(physics: Degradation) -> None:
    x, y = pair(physics, 6, 8)
    both, alone = physics.terms(y, x, some(0.1, 2), 0.0), physics.terms(y[1:], x[1:], some(0.1, 1), 0.0)
    torch.testing.assert_close(both.hallucinated[1:], alone.hallucinated, atol=1e-6, rtol=0)


# Upscaling


def test_a_box_is_the_mean_of_a_square_and_its_details_are_made_up() -> None:
    physics, x = Upscaling(2, "box"), torch.rand(1, 3, 8, 6)
    y = physics.f(x)
    torch.testing.assert_close(y, torch.nn.functional.avg_pool2d(x, 2))
    fused = physics.terms(y, x, none(1), 0.0)
    torch.testing.assert_close(fused.measured, physics.g_inv(y), atol=1e-6, rtol=0)
    torch.testing.assert_close(fused.hallucinated, x - physics.g_inv(y), atol=1e-6, rtol=0)


def test_bicubic_is_that_of_matlab() -> None:
    import deepinv as dinv

    x = torch.rand(1, 3, 24, 20)
    theirs = dinv.physics.DownsamplingMatlab(factor=2).A(x)
    torch.testing.assert_close(Upscaling(2).f(x), theirs, atol=1e-5, rtol=0)


def test_windows_are_of_whole_pixels() -> None:
    physics, y = Upscaling(2), torch.rand(1, 3, 6, 8)
    m = physics.measure(y)
    assert m.size == (12, 16) and torch.equal(m.crop(2, 4, 6, 8).y, y[..., 1:4, 2:6])
    assert m.padded(14, 16).y.shape[2:] == (7, 8) and m.resized(6, 8).y.shape[2:] == (3, 4)
    with pytest.raises(SettingsError, match="expected multiples of the factor"):
        m.crop(1, 0, 4, 4)


@pytest.mark.parametrize(
    "settings", [{"factor": 1}, {"factor": 2.5}, {"kernel": "sinc"}, {"sigma": -1}, {"sigma": 300}, {"other": 1}]
)
def test_upscaling_refuses_what_it_does_not_take(settings: dict[str, object]) -> None:
    with pytest.raises(BigpriorError, match=next(iter(settings))):
        Upscaling.from_settings(settings)


# Deblurring


def test_a_blur_is_a_convolution() -> None:
    kernel = torch.zeros(3, 5)
    kernel[0, 4] = 1  # one up, two to the right
    x = torch.rand(1, 3, 6, 7)
    torch.testing.assert_close(Deblurring(kernel).f(x), x.roll((-1, 2), (2, 3)), atol=1e-6, rtol=0)
    inside = (..., slice(0, 5), slice(2, 7))
    torch.testing.assert_close(Deblurring(kernel, border="smooth").f(x)[inside], x.roll((-1, 2), (2, 3))[inside])


def test_a_photograph_goes_on_smoothly_and_its_layers_sum() -> None:
    physics = Deblurring.from_settings({"gauss": 1.0, "sigma": 2.55})
    x = torch.rand(1, 3, 20, 24)
    y = physics.f(x)
    result = Restorer(PrecomputedPrior(x), ConstantPhi()).restore(y, physics)
    assert torch.equal(result.restored, result.measured + result.hallucinated)
    assert result.provenance["kernel"]["deviation_px"] == pytest.approx([0.98, 0.98], abs=0.03)
    v = torch.randn_like(y)
    torch.testing.assert_close((physics.A(x) * v).sum(), (x * physics.A_adjoint(v)).sum(), atol=1e-3, rtol=1e-4)


def test_kernels_come_by_name_and_by_file(tmp_path: Path) -> None:
    np.save(tmp_path / "k.npy", np.ones((3, 5)))
    assert torch.allclose(
        Deblurring.from_settings({"kernel": str(tmp_path / "k.npy")}).kernel, torch.tensor(1 / 15).double()
    )
    line = Deblurring.from_settings({"motion": "5,0"}).kernel
    assert float(line.sum()) == pytest.approx(1) and float(line[line.shape[0] // 2].sum()) > 0.9
    for bad in ({}, {"gauss": 1.0, "motion": "5,0"}, {"gauss": 0}, {"motion": "far"}, {"kernel": "none.npy"}):
        with pytest.raises(SettingsError):
            Deblurring.from_settings(bad)


# Demosaicing


def test_a_mosaic_has_the_colours_of_its_pattern_and_two_of_three_samples_are_made_up() -> None:
    x = torch.rand(1, 3, 5, 6)
    for pattern in PATTERNS:
        physics, y = Demosaicing(pattern.upper()), torch.empty(1, 1, 5, 6)
        for place, colour in enumerate(pattern):
            rows, columns = slice(place // 2, None, 2), slice(place % 2, None, 2)
            y[:, :, rows, columns] = x[:, ["rgb".index(colour)], rows, columns]
        assert torch.equal(physics.f(x), y) and physics.g_inv(y).shape == x.shape
        fused = physics.terms(y, 1 - x, none(1), 0.0)
        assert torch.equal(fused.phi.sum(dim=1), torch.full((1, 5, 6), 2.0))
        restored = fused.measured + fused.hallucinated
        torch.testing.assert_close(restored, torch.where(fused.phi > 0, 1 - x, x), atol=1e-6, rtol=0)
        result = Restorer(PrecomputedPrior(1 - x), ConstantPhi()).restore(y, physics.with_sigma(0.0))
        assert torch.equal(result.phi, fused.phi) and result.provenance["pattern"] == pattern


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_window_of_a_mosaic_begins_with_its_own_colours(pattern: str) -> None:
    physics, x = Demosaicing(pattern), torch.rand(1, 3, 7, 8)
    m = physics.measure(physics.f(x))
    for top, left in ((0, 0), (1, 0), (0, 1), (3, 2)):
        part = m.crop(top, left, 4, 5)
        assert torch.equal(part.f(x[..., top : top + 4, left : left + 5]), part.y)
    larger = m.padded(10, 9)
    assert torch.equal(larger.y[..., :7, :8], m.y) and m.resized(4, 4).y.shape == (1, 1, 4, 4)


def test_noise_of_a_mosaic_is_found_whatever_its_colours_are() -> None:
    ramp = torch.linspace(0, 1, 96).expand(1, 96, 96)
    x = torch.stack([ramp, 0.3 * ramp, 1 - ramp], dim=1)
    for sigma in (0.0, 5 / 255, 20 / 255):
        y = Demosaicing().f(x)
        y = y + sigma * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
        found = Demosaicing().measure(y).noise
        assert found is not None and float(found.sigma) == pytest.approx(sigma, rel=0.1, abs=2e-4)
    told = Demosaicing(sigma=torch.tensor([0.1, 0.2])).measure(torch.rand(2, 1, 2, 2))
    assert told.noise is not None and told[1:].noise is not None and float(told[1:].noise.sigma) == pytest.approx(0.2)


def test_a_picture_with_colours_is_no_mosaic_and_other_patterns_are_refused() -> None:
    with pytest.raises(ImageError, match="no mosaic"):
        Demosaicing().of_photograph(torch.rand(1, 3, 4, 4))
    grey = torch.rand(1, 1, 4, 4)
    assert torch.equal(Demosaicing().of_photograph(grey.expand(-1, 3, -1, -1)), grey)
    for settings in ({"pattern": "rgbg"}, {"sigma": 300}, {"factor": 2}):
        with pytest.raises(SettingsError, match=next(iter(settings))):
            Demosaicing.from_settings(settings)

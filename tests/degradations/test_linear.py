"""Any linear measurement: what must hold of every one of them, whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable

import deepinv as dinv
import pytest
import torch
from torch import Tensor

from bigprior import ConstantPhi, Restorer
from bigprior.degradations import Linear, as_degradation, task_of
from bigprior.errors import ImageError, SettingsError
from bigprior.noise import Noise
from bigprior.priors.precomputed import PrecomputedPrior

PHYSICS = dinv.physics
H, W = 12, 10


class Mean(PHYSICS.LinearPhysics):
    """A person's own operator: the mean of each row, of every channel; no picture."""

    def A(self, x: Tensor, **kwargs: object) -> Tensor:  # noqa: N802
        return x.mean(dim=3)

    def A_adjoint(self, y: Tensor, **kwargs: object) -> Tensor:  # noqa: N802
        return y[..., None].expand(-1, -1, -1, W) / W


def blur(sigma: float) -> Tensor:
    return PHYSICS.functional.blur.gaussian_blur(sigma=(sigma, sigma))


def lines() -> Tensor:
    """Which rows of a scan were taken: every third, and the lowest frequencies."""
    mask = torch.zeros(H, W)
    mask[::3], mask[H // 2 - 1 : H // 2 + 1] = 1, 1
    return mask


#: A few of deepinv's, with singular values and without, of pictures and of other spaces, of colours, grey and complex.
OPERATORS: dict[str, Callable[[], PHYSICS.LinearPhysics]] = {
    "BlurFFT": lambda: PHYSICS.BlurFFT((3, H, W), filter=blur(0.7)),
    "Downsampling": lambda: PHYSICS.Downsampling(img_size=(3, H, W), factor=2, filter="bilinear", padding="circular"),
    "Inpainting": lambda: PHYSICS.Inpainting((3, H, W), mask=(torch.rand(3, H, W) > 0.5).float()),
    "CompressedSensing": lambda: PHYSICS.CompressedSensing(m=40, img_size=(3, H, W)),
    "of grey": lambda: PHYSICS.CompressedSensing(m=30, img_size=(1, H, W)),
    "Mean": Mean,
    "MRI": lambda: PHYSICS.MRI(mask=lines()),
    "of two channels": lambda: PHYSICS.CompressedSensing(m=50, img_size=(2, H, W)),
}
COMPLEX = ("MRI", "of two channels")
every = pytest.mark.parametrize("name", OPERATORS)


def made(name: str, n: int = 2, sigma: float | None = None) -> tuple[Linear, Tensor, Tensor]:
    """An operator, pictures and their measurements without noise."""
    torch.manual_seed(1)
    physics = OPERATORS[name]()
    x = torch.rand(n, 3, H, W)
    linear = Linear(physics, sigma)
    if name in COMPLEX:
        x[:, 1], x[:, 2] = x[:, 1] - 0.5, 0
    y = physics.A(x[:, :2] if name in COMPLEX else x.mean(dim=1, keepdim=True) if name == "of grey" else x)
    found = linear.measure(y).degradation
    assert isinstance(found, Linear)
    return found, x, y


def noise(sigma: float, n: int = 2) -> Noise:
    return Noise(torch.full((n,), sigma), torch.full((n,), sigma), True)


@every
def test_the_layers_sum_exactly_and_phi_is_a_share(name: str) -> None:
    physics, x, y = made(name, sigma=0.05)
    result = Restorer(PrecomputedPrior(x.flip(3)[:1]), ConstantPhi()).restore(y[:1], physics)
    assert torch.equal(result.restored, result.measured + result.hallucinated)
    assert result.restored.shape == x[:1].shape and result.phi.shape == (1, 1, *x.shape[2:])
    assert result.phi.min() >= 0 and result.phi.max() <= 1 and 0 <= result.mean_share <= 1
    assert result.provenance["physics"] == type(physics.physics).__name__


@every
def test_without_noise_what_is_measured_gives_the_measurement(name: str) -> None:
    physics, x, y = made(name)
    fused = physics.terms(y, torch.rand_like(x), None, 0.0)
    torch.testing.assert_close(physics.A(fused.measured), y, atol=1e-5, rtol=1e-5)
    assert physics.A(fused.hallucinated).abs().max() < 1e-5 * max(1, float(y.abs().max()))


@every
def test_what_a_does_not_see_is_made_up_and_all_that_it_sees_is_measured(name: str) -> None:
    physics, x, y = made(name)
    unseen = physics.terms(torch.zeros_like(y), torch.rand_like(x), None, 0.0).hallucinated  # A of it is 0
    offs = [physics.A(physics.terms(y, unseen, noise(s), 0.0).hallucinated).abs().max() for s in (0.1, 1e-4)]
    assert max(offs) < 1e-4
    again = physics.terms(torch.zeros_like(y), unseen, noise(0.1), 0.0)
    torch.testing.assert_close(again.hallucinated, unseen, atol=1e-4, rtol=0)


@every
def test_the_adjoint_is_the_adjoint_and_the_gradient_of_a(name: str) -> None:
    physics, x, y = made(name)
    v = torch.randn_like(y)
    torch.testing.assert_close((physics.A(x) * v).sum(), (x * physics.A_adjoint(v)).sum(), atol=1e-3, rtol=1e-3)
    x = x.requires_grad_()
    (slope,) = torch.autograd.grad((physics.A(x) - y - v).square().sum() / 2, x)
    torch.testing.assert_close(slope, physics.A_adjoint(-v), atol=1e-3, rtol=1e-3)


@every
def test_g_gives_the_measurement_back(name: str) -> None:
    physics, x, y = made(name)
    fidelity = physics.g_inv(y)
    assert fidelity.shape == x.shape
    if y.shape == x.shape:
        assert torch.equal(physics.g(fidelity), y)
    else:
        torch.testing.assert_close(physics.g(fidelity), y, atol=1e-4, rtol=1e-4)


@every
def test_pictures_do_not_depend_on_their_neighbours(name: str) -> None:
    physics, x, y = made(name)
    both, alone = physics.terms(y, x, noise(0.1), 0.0), physics.terms(y[1:], x[1:], noise(0.1, 1), 0.0)
    if name not in ("BlurFFT", "Downsampling"):  # an FFT of several rounds in another order
        assert torch.equal(both.hallucinated[1:], alone.hallucinated) and torch.equal(both.phi[1:], alone.phi)
    torch.testing.assert_close(both.measured[1:], alone.measured, atol=1e-6, rtol=0)


@every
def test_more_noise_makes_more_up_and_rho_less(name: str) -> None:
    physics, x, y = made(name)
    shares = [float(physics.terms(y, x, noise(s), rho).share.mean()) for s, rho in ((0.02, 0.1), (0.02, 0), (0.5, 0))]
    assert shares == sorted(shares)


@every
def test_the_proximal_operator_is_between_a_guess_and_the_measurement(name: str) -> None:
    physics, x, y = made(name)
    z, sigma = torch.rand_like(x), torch.full((2,), 0.1)
    if name in COMPLEX:
        z[:, 2] = 0

    def cost(u: Tensor) -> float:
        return float((physics.A(u) - y).square().sum() / 0.1**2 + (u - z).square().sum() / 0.2**2)

    best = physics.proximal(z, y, sigma, 0.2)
    assert all(cost(best) < cost(best + 1e-2 * torch.randn_like(x)) for _ in range(5))


@pytest.mark.parametrize("name", COMPLEX)
def test_a_complex_picture_is_in_two_channels_and_the_last_stays_empty(name: str) -> None:
    physics, x, y = made(name, n=1, sigma=0.05)
    result = Restorer(PrecomputedPrior(torch.rand_like(x)), ConstantPhi()).restore(y, physics)
    layers = (result.restored, result.measured, result.hallucinated, result.fidelity)
    assert all(float(layer[:, 2].abs().max()) == 0 and layer[:, 1].abs().max() > 0.01 for layer in layers)
    full = Linear(PHYSICS.MRI(img_size=(2, H, W)), 0.0)
    k = full.measure(PHYSICS.MRI(img_size=(2, H, W)).A(x[:, :2])).degradation.physics.A(x[:, :2])
    torch.testing.assert_close(full.measure(k).fidelity, x, atol=1e-5, rtol=0)


def test_singular_vectors_and_solvers_agree() -> None:
    x, sigma = torch.rand(1, 3, H, W), torch.full((1,), 0.1)
    closed, solved = (
        Linear(PHYSICS.BlurFFT((3, H, W), filter=blur(0.7))),
        Linear(PHYSICS.Blur(filter=blur(0.7), padding="circular")),
    )
    y = closed.A(x)
    torch.testing.assert_close(solved.A(x), y)
    torch.testing.assert_close(
        closed.proximal(1 - x, y, sigma, 0.3), solved.proximal(1 - x, y, sigma, 0.3), atol=1e-4, rtol=0
    )


@pytest.mark.slow
def test_tomography_of_few_angles() -> None:
    physics = Linear(PHYSICS.Tomography(angles=5, img_width=W, normalize=True, circle=False))
    x = torch.rand(1, 3, W, W)
    y = physics.A(x)
    fused = physics.terms(y, torch.rand_like(x), None, 0.0)
    assert (physics.A(fused.measured) - y).square().mean() < 1e-6 * y.square().mean()  # what deepinv solves it to
    assert physics.A(fused.hallucinated).square().mean() < 1e-6 * y.square().mean()
    assert 0 < float(fused.share) < 1 and physics.g_inv(y).shape == x.shape


def test_noise_is_that_of_the_physics_unless_it_is_told() -> None:
    physics = PHYSICS.BlurFFT((3, H, W), filter=blur(1.0), noise_model=PHYSICS.GaussianNoise(0.1))
    assert as_degradation(physics).known_sigma == pytest.approx(0.1)
    assert Linear(physics, 0.2).known_sigma == 0.2 and Linear(OPERATORS["Mean"]()).known_sigma == 0
    with pytest.raises(SettingsError, match=r"PoissonNoise has noise that is not white: pass a sigma"):
        Linear(PHYSICS.BlurFFT((3, H, W), filter=blur(1.0), noise_model=PHYSICS.PoissonNoise()))


def test_what_is_no_linear_measurement_is_refused() -> None:
    with pytest.raises(SettingsError, match="not linear"):
        Linear(PHYSICS.Physics())  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="sigma is -1"):
        Linear(Mean(), -1)
    for wrong in (torch.rand(2, 40).double(), torch.full((2, 40), float("nan")), torch.rand(40)):
        with pytest.raises(ImageError):
            Linear(OPERATORS["CompressedSensing"]()).measure(wrong)
    with pytest.raises(ImageError, match="is no measurement of this CompressedSensing"):
        Linear(OPERATORS["CompressedSensing"]()).measure(torch.rand(1, 41))
    physics, _, y = made("Mean")
    for part in (lambda: physics.crop(y, 0, 0, 2, 2), lambda: physics.resize(y, 4, 4), lambda: physics.pad(y, 20, 20)):
        with pytest.raises(SettingsError, match="measurements of a Mean: use a prior that takes any size"):
            part()


def test_it_goes_by_its_name() -> None:
    assert task_of("linear") is task_of("reconstruct") is Linear

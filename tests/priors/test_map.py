"""The paper's special cases as theorems that run: Eq. 3 and Eq. 6 to 10 are Eq. 5."""

import numpy as np
import pytest
import torch

from bigprior.degradations import Denoising, Inpainting
from bigprior.errors import SettingsError
from bigprior.filters import dictionary
from bigprior.filters.gradients import sparse_gradients
from bigprior.fusion import fuse
from bigprior.phi import ConstantPhi
from bigprior.priors.map import DictionaryMAP, GaussianMAP, GradientMAP, beta_of
from bigprior.restorer import Restorer

RNG = np.random.default_rng(0)


def noisy(height: int = 20, width: int = 24, sigma: float = 0.1) -> np.ndarray:
    steps = (np.arange(height)[:, None] > height // 2) * 0.3 + (np.arange(width) > width // 3) * 0.2
    return steps[..., None] + 0.25 + sigma * RNG.standard_normal((height, width, 3))


def restored(prior, y: torch.Tensor, sigma: float = 0.1):  # type: ignore[no-untyped-def]
    return Restorer(prior, ConstantPhi()).restore(y, Denoising(sigma))


def test_the_gaussian_map_estimate_is_the_closed_form() -> None:
    y, mean, deviation, sigma = torch.rand(2, 3, 8, 9), torch.rand(2, 3, 8, 9), torch.rand(2, 3, 8, 9) / 4, 0.1
    s = (deviation.double() / sigma) ** 2  # Eq. 7
    closed = y.double() / (1 + 1 / s) + mean.double() / (1 + s)  # Eq. 6
    result = restored(GaussianMAP(mean, deviation), y, sigma)
    assert (result.restored - closed).abs().max() < 1e-6
    assert (result.phi - 1 / (1 + s)).abs().max() < 1e-6  # Eq. 8
    assert torch.equal(result.restored, fuse(y, mean, result.phi))


def test_it_is_the_most_probable_pixel() -> None:
    """Of a fine grid of values, none has a greater posterior density (Eq. 2)."""
    y, mean, deviation, sigma = (torch.full((1, 3, 1, 1), v) for v in (0.8, 0.3, 0.2, 0.1))
    grid = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    density = -((grid - 0.8) ** 2) / (2 * 0.1**2) - (grid - 0.3) ** 2 / (2 * 0.2**2)
    assert restored(GaussianMAP(mean, deviation), y).restored[0, 0, 0, 0] == pytest.approx(
        float(grid[density.argmax()]), abs=1e-5
    )
    assert sigma.shape == y.shape


def test_a_surer_prior_and_a_worse_signal_give_it_more() -> None:
    y, mean = torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)

    def phi(deviation: float, sigma: float) -> float:
        return float(restored(GaussianMAP(mean, torch.full((1, 1, 1, 1), deviation)), y, sigma).phi.mean())

    assert phi(0.1, 0.1) == pytest.approx(0.5)
    assert phi(0.05, 0.1) > 0.5 > phi(0.2, 0.1)
    assert phi(0.1, 0.2) > 0.5 > phi(0.1, 0.05)


def test_found_distributions_follow_the_picture() -> None:
    y = torch.from_numpy(noisy(40, 48).transpose(2, 0, 1)[None]).float()
    phi = restored(GaussianMAP(), y).phi[0, 0]
    assert phi[20:22, :12].mean() < phi[4:12, 4:10].mean() - 0.1  # the edge is taken from the measurement
    assert torch.equal(restored(GaussianMAP(), y, 0.0).restored, y)


@pytest.mark.parametrize(
    "arguments", [(torch.rand(1, 3, 4, 4), None), (torch.rand(1, 3, 4, 4), -torch.ones(1, 1, 4, 4))]
)
def test_a_distribution_has_both(arguments) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SettingsError, match=r"expected 0 or more|pass both"):
        GaussianMAP(*arguments)


@pytest.mark.parametrize("gamma", [1.0, 0.8, 0.5])
def test_few_gradients_are_a_fusion_with_the_neighbours(gamma: float) -> None:
    y = noisy()
    beta = 0.2
    found = sparse_gradients(y, beta, gamma)
    assert np.abs((1 - found.phi) * y + found.phi * found.prior - found.image).max() < 1e-5
    # phi = 1 / (1 + S), S = 2 / (beta gamma sum w), from the picture's differences alone.
    total = np.zeros((*y.shape[:2], 1))
    for axis in (0, 1):
        square = np.square(np.diff(found.image, axis=axis)).sum(2, keepdims=True)
        weight = (square + 1e-6) ** (gamma / 2 - 1)
        for edges in ([1, 0], [0, 1]):
            total += np.pad(weight, [edges if i == axis else [0, 0] for i in range(3)])
    signal_to_noise = 2 / (beta * gamma * total)
    assert np.abs(1 / (1 + signal_to_noise) - found.phi).mean() < 0.01


def test_total_variation_is_scikit_images() -> None:
    """Of grey pictures, Eq. 3 with both differences apart; theirs takes them together, as good as the same here."""
    from skimage.restoration import denoise_tv_chambolle

    y = noisy(sigma=0.05)[..., :1]
    theirs = denoise_tv_chambolle(y, weight=0.1, eps=1e-7, max_num_iter=2000, channel_axis=2)
    assert np.abs(sparse_gradients(y, 0.2, 1.0).image - theirs).mean() < 0.01


def test_no_other_picture_costs_less() -> None:
    y, beta = noisy(8, 9)[..., :1], 0.2

    def cost(x: np.ndarray) -> float:
        edges = sum(np.sqrt(np.diff(x, axis=axis) ** 2 + 1e-6).sum() for axis in (0, 1))
        return float(np.square(x - y).sum() + beta * edges)

    best = sparse_gradients(y, beta, 1.0).image
    for _ in range(50):
        assert cost(best) <= cost(best + 1e-2 * RNG.standard_normal(y.shape)) + 1e-9


def test_one_beta_makes_another_phi_of_each_pixel() -> None:
    y = torch.from_numpy(noisy(20, 24).transpose(2, 0, 1)[None]).float()
    result, more = (restored(GradientMAP(1.0, beta), y) for beta in (0.1, 0.4))
    assert result.phi.std() > 0.02 and more.phi.mean() > result.phi.mean()
    whole = restored(GradientMAP(1.0, 0.1, whole=True), y)
    assert torch.allclose(result.restored, whole.prior, atol=1e-5)  # the same picture, taken apart
    assert beta_of(1.0, 0.2) > beta_of(1.0, 0.1) > 0


def test_where_nothing_was_measured_phi_is_1_and_the_surroundings_go_on() -> None:
    ramp = np.linspace(0.2, 0.8, 16)[None, :, None].repeat(12, 0).repeat(3, 2)
    hole = np.zeros((12, 16), dtype=bool)
    hole[4:8, 6:10] = True
    found = sparse_gradients(np.where(hole[..., None], 0, ramp), 1e-3, 2.0, hole)
    assert np.abs(found.image - ramp)[hole].max() < 0.02
    assert np.abs(found.phi[hole] - 1).max() < 1e-9

    y = torch.from_numpy(ramp.transpose(2, 0, 1)[None]).float()
    mask = torch.from_numpy(~hole)[None, None].float()
    result = Restorer(GradientMAP(0.8), ConstantPhi()).restore(y * mask, Inpainting(mask))
    assert torch.equal(result.restored[..., 0, 0], y[..., 0, 0])
    assert (result.restored - y).abs().max() < 0.15


@pytest.mark.parametrize(("gamma", "beta"), [(0, None), (2.5, None), (1, 0), (1, -1.0)])
def test_powers_and_weights_out_of_range_are_refused(gamma: float, beta: float | None) -> None:
    with pytest.raises(SettingsError, match="expected"):
        GradientMAP(gamma, beta)


def test_epsilon_0_is_in_the_span_of_the_dictionary_and_more_leaves_it() -> None:
    y, sigma = noisy(16, 18), 0.1
    exact, some, loose = (dictionary.within(y, sigma, epsilon) for epsilon in (0.0, 0.5, 10.0))
    assert (exact.phi == 1).all() and np.array_equal(exact.image, exact.prior)
    assert 0 < some.phi.mean() < 1 and (loose.phi == 0).all() and np.array_equal(loose.image, y)
    assert np.abs((1 - some.phi) * y + some.phi * some.prior - some.image).max() == 0
    tensor = torch.from_numpy(y.transpose(2, 0, 1)[None]).float()
    shares = [float(restored(DictionaryMAP(epsilon), tensor).phi.mean()) for epsilon in (0.0, 0.3, 0.8)]
    assert shares[0] == 1 and shares[0] > shares[1] > shares[2]
    with pytest.raises(SettingsError, match="expected 0 or more"):
        DictionaryMAP(-1)


def test_the_nearest_point_within_epsilon_lies_on_the_line() -> None:
    """Eq. 9's x, found by search, is Eq. 5's with phi = 1 - epsilon / |y - P|."""
    y, p, epsilon = torch.tensor([1.0, 2.0, -1.0]), torch.tensor([0.5, 0.5, 0.0]), 0.4
    phi = 1 - epsilon / (y - p).norm()
    x = (1 - phi) * y + phi * p
    directions = torch.randn(2000, 3)
    ball = p + epsilon * directions / directions.norm(dim=1, keepdim=True)
    assert (x - p).norm() == pytest.approx(epsilon, abs=1e-6)
    assert (ball - y).norm(dim=1).min() >= (x - y).norm() - 1e-6


def test_a_pursuit_takes_the_atoms_that_a_patch_is_made_of() -> None:
    atoms = dictionary.cosines()
    assert torch.allclose(atoms.norm(dim=1), torch.ones(len(atoms)), atol=1e-5)
    codes = torch.zeros(5, len(atoms))
    for i in range(5):
        codes[i, torch.randperm(len(atoms))[:2]] = torch.tensor([2.0, -1.0])
    patches = codes @ atoms
    assert torch.allclose(dictionary.span(patches, atoms, 1e-3), patches, atol=2e-3)
    assert (dictionary.pursuit(patches, atoms, 100.0) == 0).all()

"""Shot noise: what its degradation knows of it, and what is found of it in a picture."""

import deepinv as dinv
import pytest
import torch
from torch import Tensor

from bigprior.degradations import Poisson, as_degradation
from bigprior.errors import SettingsError
from bigprior.phi.shot import ShotPhi
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.restorer import Restorer


def scene(height: int = 96, width: int = 96) -> Tensor:
    """A smooth picture with dark and light parts and an edge, (1, 3, H, W)."""
    rows, columns = torch.linspace(0, 3, height)[:, None], torch.linspace(0, 2, width)
    x = torch.stack([0.45 + 0.35 * torch.sin(rows + k * columns) for k in (1, 2, 3)])[None]
    x[..., width // 2 :] *= 0.6
    return x


def counted(x: Tensor, peak: float, read: float = 0.0) -> Tensor:
    rng = torch.Generator().manual_seed(5)
    return torch.poisson(peak * x, generator=rng) / peak + read * torch.randn(x.shape, generator=rng)


@pytest.mark.parametrize("peak", [2, 4, 30, 200])
@pytest.mark.parametrize("read", [0.0, 0.02])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_peak_is_found_where_nobody_told_it(peak: float, read: float, channels: int) -> None:
    y = counted(scene(160, 160)[:, :channels], peak, read).expand(-1, 3, -1, -1)
    noise = Poisson(sigma=read).noise_in(y)
    assert 1 / float(noise.shot.gain) == pytest.approx(peak, rel=0.25)
    assert not noise.known
    assert Poisson(1 / peak, read).noise_in(y).known


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (9, 11)])
@pytest.mark.parametrize("value", [0.0, -1.0, 0.5, 2.0])
def test_any_picture_has_a_peak_that_can_be_worked_with(size: tuple[int, int], value: float) -> None:
    noise = Poisson().noise_in(torch.full((2, 3, *size), value))
    assert torch.isfinite(noise.shot.gain).all() and (noise.shot.gain > 0).all()


def test_each_picture_of_a_batch_has_its_own() -> None:
    y = torch.cat([counted(scene(), 4), counted(scene(), 30)])
    both = Poisson().noise_in(y).shot.gain
    for i in range(2):
        assert torch.equal(both[i : i + 1], Poisson().noise_in(y[i : i + 1]).shot.gain)
    physics = Poisson(torch.tensor([1 / 4, 1 / 30]))
    assert physics.select(slice(1, 2)).gain == pytest.approx(1 / 30)
    assert Poisson.join([Poisson(1 / 4), Poisson(1 / 30)]).gain.tolist() == pytest.approx([1 / 4, 1 / 30])
    with pytest.raises(SettingsError, match="2 gains but 1 pictures"):
        physics.check(y[:1])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"peak": 0}, "peak is 0: expected the count"),
        ({"peak": "many"}, "peak is many"),
        ({"sigma": -1}, "sigma is -1: expected a noise level from 0 to 255"),
        ({"gain": 1}, "takes no setting 'gain'"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Poisson.from_settings(settings)


def test_settings_are_as_a_person_writes_them() -> None:
    physics = Poisson.from_settings({"peak": 30, "sigma": 25.5})
    assert physics.gain == pytest.approx(1 / 30) and physics.sigma == pytest.approx(0.1)
    assert Poisson.from_settings({}).gain is None


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (9, 11)])
def test_the_measurement_comes_back_bit_for_bit_and_the_layers_sum(size: tuple[int, int]) -> None:
    x, physics = torch.rand(2, 3, *size), Poisson(1 / 30, 0.02)
    y = counted(x, 30, 0.02)
    assert torch.equal(physics.g(physics.g_inv(y)), y) and torch.equal(physics.f(x), x)
    result = Restorer(PrecomputedPrior(x[:1]), ShotPhi(physics.frame)).restore(y[:1], physics)
    assert torch.equal(result.restored, result.measured + result.hallucinated)
    assert result.phi.min() >= 0 and result.phi.max() <= 1 and result.restored.shape == x[:1].shape


def test_deepinv_s_own_shot_noise_is_taken_for_it() -> None:
    ours = as_degradation(dinv.physics.Denoising(dinv.physics.PoissonNoise(0.1)))
    assert type(ours) is Poisson and ours.gain == pytest.approx(0.1)

"""A denoiser and a measurement that take turns."""

from __future__ import annotations

import deepinv as dinv
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior import ConstantPhi, Restorer
from bigprior.degradations import Deblurring, Demosaicing, Denoising, Linear, Upscaling
from bigprior.errors import SettingsError
from bigprior.presets.loading import load_restorer
from bigprior.priors.plugandplay import PlugAndPlay, PlugAndPlaySettings


class Smooth(dinv.models.Denoiser):
    """Blurs a little, and keeps what it was told."""

    receptive_radius = 1

    def __init__(self) -> None:
        super().__init__()
        self.told = list[float]()

    def forward(self, x: Tensor, sigma: float, **_: object) -> Tensor:
        self.told.append(float(sigma))
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


@pytest.mark.parametrize(
    "physics",
    [
        Upscaling(2, sigma=0.01),
        Deblurring(sigma=0.01),
        Demosaicing("grbg", 0.01),
        Linear(dinv.physics.BlurFFT((3, 10, 8), torch.ones(1, 1, 3, 3) / 9)),
    ],
    ids=lambda p: p.name,
)
def test_it_agrees_with_the_measurement_and_a_picture_is_as_alone(physics) -> None:  # type: ignore[no-untyped-def]
    x = F.interpolate(torch.rand(2, 3, 3, 3), size=(10, 8), mode="bicubic")
    y, prior, calls = physics.f(x), PlugAndPlay(Smooth()), list[tuple[int, int]]()
    m = physics.measure(y)
    image = prior.project(m, progress=lambda *p: calls.append(p)).image
    assert image.shape == x.shape and calls[-1] == (16, 16) and len(calls) == 16
    assert (image - x).square().mean() < (m.fidelity.mean() - x).square().mean()
    torch.testing.assert_close(prior.project(m[1:]).image, image[1:], atol=1e-6, rtol=0)
    assert torch.equal(prior.project(m, seed=5).image, image) and not prior.draws


def test_the_level_falls_to_the_noise() -> None:
    network = Smooth()
    m = Upscaling(2, sigma=5 / 255).measure(torch.rand(1, 3, 4, 4))
    PlugAndPlay(network, PlugAndPlaySettings(steps=4)).project(m)
    assert network.told == sorted(network.told, reverse=True) and len(network.told) == 4
    assert (255 * network.told[0], 255 * network.told[-1]) == pytest.approx((49, 5))


def test_a_degradation_without_a_proximal_operator_is_refused() -> None:
    with pytest.raises(SettingsError, match="denoising has no proximal operator"):
        PlugAndPlay(Smooth()).project(Denoising(0.1).measure(torch.rand(1, 3, 4, 4)))


def test_the_default_preset_restores_what_weighs_by_itself() -> None:
    y = torch.rand(1, 3, 12, 10)
    for task, physics in (
        ("upscale", Upscaling(2)),
        ("linear", dinv.physics.BlurFFT((3, 12, 10), torch.ones(1, 1, 3, 3) / 9)),
    ):
        restorer = load_restorer(task=task, steps=2, rho=1e-3)
        result = restorer.restore(y, physics)
        assert torch.equal(result.restored, result.measured + result.hallucinated)
        assert result.provenance["weights"]["phi"] == "the degradation's own" and not restorer.draws
    for asked, error in (({"samples": 2}, "one answer"), ({"frame": "pixel"}, "leave phi and frame out")):
        with pytest.raises(SettingsError, match=error):
            load_restorer(task="upscaling", **asked)  # type: ignore[arg-type]
    assert Restorer(PlugAndPlay(Smooth()), ConstantPhi()).draws is False

"""A degradation whose measurement is smaller than the picture goes through every prior and the restorer."""

from collections.abc import Sequence
from typing import Any, Self

import deepinv as dinv
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.degradations import Degradation, Measurement
from bigprior.errors import ImageError, SettingsError
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.networks.encoder import CodeEncoder
from bigprior.networks.generators import PGGAN
from bigprior.ops.resampling import padded, resized
from bigprior.phi import BandPhi, ConstantPhi
from bigprior.priors.anysize import AnySize, for_any_size
from bigprior.priors.base import Prior, Projection
from bigprior.priors.compose import Blend
from bigprior.priors.diffusion import DiffusionPrior, DiffusionSettings
from bigprior.priors.feedforward import FeedForwardPrior
from bigprior.priors.gan import GANPrior, InversionSettings
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.progress import Progress
from bigprior.restorer import Restorer


class Halved(Degradation, dinv.physics.LinearPhysics):
    """Means of squares of 2x2 pixels: a measurement of half the picture's sides."""

    name = "halved"
    verb = "double"
    placement = "tiles"
    grid = 2

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def A(self, x: Tensor, **kwargs: Any) -> Tensor:  # noqa: N802
        return F.avg_pool2d(x, 2)

    def A_adjoint(self, y: Tensor, **kwargs: Any) -> Tensor:  # noqa: N802
        return self.g_inv(y) / 4

    def g_inv(self, y: Tensor) -> Tensor:
        return F.interpolate(y, scale_factor=2.0, mode="nearest")

    def g(self, x: Tensor) -> Tensor:
        return x[..., ::2, ::2]

    def consistent(self, prior: Tensor, y: Tensor) -> Tensor:
        return prior + self.g_inv(y - self.f(prior))

    def picture_size(self, y: Tensor) -> tuple[int, int]:
        return 2 * y.shape[2], 2 * y.shape[3]

    def crop(self, y: Tensor, top: int, left: int, height: int, width: int) -> tuple[Tensor, Self]:
        rows, columns = (slice(start // 2, (start + side) // 2) for start, side in ((top, height), (left, width)))
        return y[..., rows, columns], self

    def pad(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        return padded(y, height // 2, width // 2), self

    def resize(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        return resized(y, height // 2, width // 2), self


class HalvedAsAWhole(Halved):
    name = "halved-as-a-whole"
    placement = "whole"


class Bare(Degradation, dinv.physics.LinearPhysics):
    """Halved, by somebody who did not say how its measurements are cut."""

    name = "bare"
    verb = "bare"
    placement = "tiles"
    A, A_adjoint, g_inv, g, picture_size = Halved.A, Halved.A_adjoint, Halved.g_inv, Halved.g, Halved.picture_size


@pytest.fixture
def denoiser() -> DenoisingUNet:
    torch.manual_seed(6)
    return DenoisingUNet(widths=(8, 12), blocks=1)


def picture(n: int = 2, height: int = 32, width: int = 24) -> Tensor:
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(4))


def measured(x: Tensor, physics: Degradation | None = None) -> Measurement:
    physics = physics or Halved()
    return physics.measure(physics.f(x))


def test_the_measurement_is_smaller_and_nothing_of_it_is_lost() -> None:
    x = picture()
    m = measured(x)
    assert m.y.shape == (2, 3, 16, 12) and m.size == (32, 24) and m.fidelity.shape == x.shape
    assert repr(m) == "<Measurement 2x 24x32, halved>"
    assert torch.equal(Halved().g(m.fidelity), m.y)
    torch.testing.assert_close(m.f(m.fidelity), m.y)
    torch.testing.assert_close(m.f(m.consistent(torch.rand_like(x))), m.y)
    v = torch.rand_like(m.y)
    torch.testing.assert_close((Halved().A(x) * v).sum(), (x * Halved().A_adjoint(v)).sum(), rtol=1e-4, atol=0)


def test_its_parts_are_counted_in_the_pictures_pixels() -> None:
    x = picture()
    m = measured(x)
    torch.testing.assert_close(m.crop(4, 8, 16, 10).y, measured(x[..., 4:20, 8:18]).y)
    assert m.crop(4, 8, 16, 10).size == (16, 10)
    assert m.padded(40, 24).size == (40, 24) and m.resized(16, 16).size == (16, 16)
    assert Measurement.join([m[:1], m[1:]]).fingerprint() == m.fingerprint()


def test_who_does_not_say_how_its_measurements_are_cut_is_told_to() -> None:
    m = Bare().measure(torch.rand(1, 3, 8, 8))
    assert m.size == (16, 16)
    for cut in (lambda: m.crop(0, 0, 8, 8), lambda: m.padded(20, 20), lambda: m.resized(8, 8)):
        with pytest.raises(SettingsError, match=r"bare does not say how to \w+ its measurements.*give Bare a \w+\(\)"):
            cut()


@pytest.mark.parametrize("sampler", ["diffpir", "dps"])
def test_a_sampler_with_any_denoiser(denoiser: DenoisingUNet, sampler: str) -> None:
    prior = DiffusionPrior(denoiser, DiffusionSettings(sampler=sampler, steps=3, samples=2, precision="fp32"))
    m = measured(picture())
    found = prior.project(m, seed=1)
    assert found.image.shape == found.codes["spread"].shape == (2, 3, 32, 24)
    assert found.image.isfinite().all() and "sigma" not in found.codes
    assert torch.equal(found.image, prior.project(m, seed=1).image)
    alone = prior.project(m[1:], seed=1).image
    torch.testing.assert_close(found.image[1:], alone, atol=1e-5, rtol=0)


def test_a_sampler_through_singular_values_that_nobody_knows_is_refused_by_name(denoiser: DenoisingUNet) -> None:
    prior = DiffusionPrior(denoiser, DiffusionSettings(sampler="ddrm", steps=3))
    with pytest.raises(SettingsError, match=r"nobody knows the singular values of halved.*'diffpir' or 'dps'"):
        prior.project(measured(picture()))


@pytest.mark.parametrize("sampler", ["mean", "posterior"])
def test_where_nothing_is_known_pixel_by_pixel_a_sampler_without_conditions_is_asked_for(
    denoiser: DenoisingUNet, sampler: str
) -> None:
    prior = DiffusionPrior(denoiser, DiffusionSettings(sampler=sampler, steps=3))
    with pytest.raises(SettingsError, match=r"halved says nothing exactly .*diffpir"):
        prior.project(measured(picture()))


def test_a_precomputed_prior_is_of_the_pictures_size() -> None:
    x = picture()
    assert torch.equal(PrecomputedPrior(x).project(measured(x)).image, x)
    with pytest.raises(ImageError, match=r"precomputed priors are \(2, 3, 16, 12\) but .* need \(2, 3, 32, 24\)"):
        PrecomputedPrior(x[..., ::2, ::2]).project(measured(x))


@pytest.mark.parametrize("height_width", [(16, 16), (32, 24), (18, 50), (2, 2), (10, 16)])
@pytest.mark.parametrize("physics", [Halved(), HalvedAsAWhole()], ids=lambda physics: physics.placement)
def test_a_generator_at_any_size(tiny_generator: PGGAN, physics: Degradation, height_width: tuple[int, int]) -> None:
    prior = AnySize(GANPrior(tiny_generator, InversionSettings(codes=2, steps=3)), 16, batch=2)
    m = measured(picture(3, *height_width), physics)
    image = prior.project(m, seed=2).image
    assert image.shape == (3, 3, *height_width) and image.isfinite().all()
    alone = torch.cat([prior.project(m[i : i + 1], seed=2).image for i in range(3)])
    torch.testing.assert_close(image, alone, atol=1e-4, rtol=0)
    assert (m.f(image) - m.y).abs().mean() < (m.f(torch.full_like(image, 0.5)) - m.y).abs().mean()


@pytest.mark.parametrize("overlap", [0, 3, 5, 15])
def test_tiles_lie_on_the_grid_whatever_their_overlap(overlap: int) -> None:
    x = picture(1, 38, 54)

    class Echo(Prior):
        def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
            assert m.size == (16, 16) and m.y.shape[2:] == (8, 8)
            return Projection(m.fidelity.clone())

    image = AnySize(Echo(), 16, overlap=overlap).project(measured(x)).image
    torch.testing.assert_close(image, measured(x).fidelity, atol=1e-5, rtol=0)


def test_a_prior_whose_size_no_window_has_is_refused() -> None:
    with pytest.raises(SettingsError, match="windows of halved are multiples of 2 pixels, but this prior works at 15"):
        AnySize(PrecomputedPrior(picture()), 15).project(measured(picture()))


def test_an_inversion_explains_the_smaller_measurement(tiny_generator: PGGAN) -> None:
    with torch.no_grad():
        x = tiny_generator(torch.randn(2, 16)).clamp(0, 1)
    encoder = CodeEncoder(16, 3, 2, 16, tiny_generator.channels_at(2), width=4, hidden=8)
    for start in (None, encoder):
        settings = InversionSettings(codes=3, layer=2, steps=20, unseen=0.5, precision="fp32")
        found = GANPrior(tiny_generator, settings, encoder=start).project(measured(x))
        assert found.history is not None and (found.history[-1] < found.history[0]).all()


def test_another_size_than_the_generators_is_refused_by_the_pictures_size(tiny_generator: PGGAN) -> None:
    with pytest.raises(ImageError, match="measurement is 24x32 but the generator makes 16x16: use AnySize"):
        GANPrior(tiny_generator, InversionSettings(codes=2, steps=3)).project(measured(picture()))


def priors(denoiser: DenoisingUNet, generator: PGGAN, x: Tensor) -> Sequence[Prior]:
    plain = DiffusionSettings(sampler="diffpir", steps=2, precision="fp32")
    inverted = GANPrior(generator, InversionSettings(codes=2, steps=2))
    larger = FeedForwardPrior(torch.nn.Upsample(scale_factor=2))
    return (
        for_any_size(DiffusionPrior(denoiser, plain, resolution=16), "tiles"),
        for_any_size(inverted, "tiles"),
        PrecomputedPrior(x),
        larger,
        for_any_size(Blend(inverted, larger), "tiles"),
    )


@pytest.mark.parametrize("frame", ["pixel", "wavelet"])
def test_the_restorer_fuses_it_with_any_prior(denoiser: DenoisingUNet, tiny_generator: PGGAN, frame: str) -> None:
    x, physics = picture(), Halved()
    y = physics.f(x)
    for prior in priors(denoiser, tiny_generator, x):
        r = Restorer(prior, BandPhi(frame)).restore(y, physics, seed=1)
        assert r.restored.shape == x.shape and r.task == "halved"
        assert torch.equal(r.restored, r.measured + r.hallucinated)
        assert torch.equal(r.fidelity, physics.g_inv(y)) and torch.equal(r.measurement, y)
        assert r[1].measurement.shape == (1, 3, 16, 12)
        assert "noise" not in r.provenance
    assert torch.equal(Restorer(prior, ConstantPhi(0.0))(y, physics), physics.g_inv(y))


def test_a_grey_measurement_stays_grey(tiny_generator: PGGAN) -> None:
    y = torch.rand(1, 1, 8, 8).expand(-1, 3, -1, -1).contiguous()
    prior = GANPrior(tiny_generator, InversionSettings(codes=2, steps=2))
    restored = Restorer(prior, ConstantPhi(0.7))(y, Halved())
    assert torch.equal(restored, restored[:, :1].expand(-1, 3, -1, -1))

"""Priors made of priors, whatever those are made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

from bigprior.degradations import Colorization, Denoising, Measurement
from bigprior.errors import SettingsError
from bigprior.filters.collaborative import filtered
from bigprior.io.arrays import as_picture
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.networks.generators import PGGAN
from bigprior.noise import Noise
from bigprior.ops.shot import Shot
from bigprior.presets.loading import load_restorer
from bigprior.priors.anysize import AnySize, for_any_size
from bigprior.priors.base import Prior, Projection
from bigprior.priors.compose import Blend, ByNoise, WithWhite
from bigprior.priors.diffusion import DiffusionPrior, DiffusionSettings
from bigprior.priors.gan import GANPrior, InversionSettings
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.progress import Progress


class Noted(PrecomputedPrior):
    """A prior whose answer is known, that notes how it was asked."""

    def __init__(self, images: Tensor) -> None:
        super().__init__(images)
        self.seeds: list[int] = []

    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        self.seeds.append(seed)
        if progress is not None:
            progress(1, 2)
            progress(2, 2)
        return replace(super().propose(m), codes={"own": self.images.mean(dim=(1, 2, 3))})


class Limited(Noted):
    """A prior with a time budget."""

    def __init__(self, images: Tensor, budget: float = 8.0) -> None:
        super().__init__(images)
        self.budget = budget

    def within(self, share: float) -> "Limited":
        return Limited(self.images, self.budget * share)


# Blend


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_a_blend_is_the_mix_of_what_is_consistent(any_task: str, measure, weight: float) -> None:  # type: ignore[no-untyped-def]
    y, physics = measure(any_task, 2)
    first, second = torch.rand(2, 2, 3, 16, 16)
    m = physics.measure(y)
    image = Blend(PrecomputedPrior(first), PrecomputedPrior(second), weight=weight).project(m).image
    wanted = (1 - weight) * m.consistent(first) + weight * m.consistent(second)
    torch.testing.assert_close(image, wanted.clamp(0, 1), atol=1e-6, rtol=0)


def test_saturation_moves_the_mix_away_from_what_was_measured() -> None:
    y, (first, second) = torch.rand(2, 1, 8, 8) * 0.2 + 0.4, torch.rand(2, 2, 3, 8, 8)
    m = Colorization().measure(y)
    plain, strong = (
        Blend(PrecomputedPrior(first), PrecomputedPrior(second), saturation=s).propose(m).image for s in (1.0, 1.5)
    )
    torch.testing.assert_close(strong - y, 1.5 * (plain - y), atol=1e-6, rtol=0)
    torch.testing.assert_close(Colorization().f(strong), y, atol=1e-6, rtol=0)  # the luminance stays


def test_nothing_is_clipped_before_it_is_mixed() -> None:
    m = Denoising(0.1).measure(torch.rand(1, 3, 4, 4))
    bright, dark = torch.full((1, 3, 4, 4), 1.5), torch.full((1, 3, 4, 4), 0.1)
    blend = Blend(PrecomputedPrior(bright), PrecomputedPrior(dark))
    torch.testing.assert_close(blend.project(m).image, torch.full((1, 3, 4, 4), 0.8))
    assert float(Blend(PrecomputedPrior(bright), PrecomputedPrior(bright)).project(m).image.max()) == 1


def test_both_are_asked_with_the_same_seed_and_the_firsts_codes_are_kept() -> None:
    first, second = (Noted(images) for images in torch.rand(2, 2, 3, 8, 8))
    calls: list[tuple[int, int]] = []
    m = Denoising(0.1).measure(torch.rand(2, 3, 8, 8))
    found = Blend(first, second).project(m, seed=7, progress=lambda *p: calls.append(p))
    assert first.seeds == second.seeds == [7]
    assert torch.equal(found.codes["own"], first.images.mean(dim=(1, 2, 3)))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_blend_of_any_priors_meets_any_size(tiny_generator: PGGAN, our_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    inverted = GANPrior(tiny_generator, InversionSettings(codes=2, steps=2))
    asked = DiffusionPrior(DenoisingUNet((8, 12), blocks=1), DiffusionSettings(precision="fp32"), resolution=16)
    blend = Blend(inverted, asked, weight=0.3)
    y, physics = measure(our_task, 3, 21, 30)
    whole = AnySize(blend, 16, batch=2).project(physics.measure(y), seed=1).image
    assert whole.shape == (3, 3, 21, 30)
    alone = AnySize(blend, 16).project(physics.measure(y)[1:2], seed=1).image
    torch.testing.assert_close(whole[1:2], alone, atol=1e-4, rtol=0)


def test_a_blend_needs_help_with_sizes_where_either_does(tiny_generator: PGGAN) -> None:
    any_size, tiles = PrecomputedPrior(torch.rand(1, 3, 8, 8)), DiffusionPrior(DenoisingUNet((8, 12), blocks=1))
    inverted = GANPrior(tiny_generator, InversionSettings(codes=2, steps=2))
    assert Blend(any_size, tiles).any_size == {"tiles"} and Blend(tiles, any_size).resolution == 256
    assert Blend(any_size, inverted).any_size == frozenset() and Blend(any_size, inverted).resolution == 16
    assert for_any_size(Blend(any_size, tiles), "tiles").resolution == 256
    assert isinstance(for_any_size(Blend(any_size, tiles), "hole"), AnySize)
    plain = Blend(any_size, any_size)
    assert plain.resolution is None and for_any_size(plain, "hole") is plain


# ByNoise


def test_each_picture_is_left_to_the_prior_of_its_noise() -> None:
    y = torch.rand(3, 3, 24, 32)
    shape = torch.zeros(3, 8, 6, 8)
    shape[1] = torch.linspace(-1, 1, 8).view(8, 1, 1)  # coarse noise
    found = Noise(torch.full((3,), 0.1), torch.full((3,), 0.1), False, shape)
    white, other = Noted(torch.zeros(1, 3, 24, 32)), Noted(torch.ones(1, 3, 24, 32))
    calls: list[tuple[int, int]] = []
    m = Denoising().measure(y).with_noise(found)
    projection = ByNoise(white, other).project(m, seed=5, progress=lambda *p: calls.append(p))
    assert projection.image.mean(dim=(1, 2, 3)).tolist() == [0, 1, 0]
    assert projection.codes["own"].tolist() == [0, 1, 0]
    assert (white.seeds, other.seeds) == ([5, 5], [5])
    assert calls[-1][0] == calls[-1][1]
    with pytest.raises(SettingsError, match="has no noise to choose a prior by"):
        ByNoise(white, other).project(Colorization().measure(y[:, :1]))


# WithWhite


class Told(Noted):
    """Notes the noise that it was told of."""

    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        assert m.noise is not None
        self.noise = m.noise
        return super().propose(m, seed=seed, progress=progress)


def _camera_noise(sigma: float) -> Noise:
    level = torch.tensor([sigma / 255])
    return Noise(level, 1.2 * level, False, torch.linspace(-1, 1, 8).view(1, 8, 1, 1).expand(1, 8, 6, 8))


@pytest.mark.parametrize(
    ("removed", "share"),
    [(0.0, 0.0), (1.0, 0.0), (1.6, 0.3930), (3.0, 0.4706), (20.0, 0.1324)],  # of 255
)
def test_little_noise_of_a_camera_is_smoothed_as_white_noise_too(removed: float, share: float) -> None:
    y, found = torch.full((1, 3, 24, 32), 0.5), _camera_noise(3.0)
    camera, white = Told(y - removed / 255), Told(torch.ones_like(y))
    projection = WithWhite(camera, white, strength=1.5).project(Denoising().measure(y).with_noise(found), seed=4)
    assert torch.equal(camera.noise.sigma, 1.5 * found.sigma) and camera.noise.shape is found.shape
    assert torch.equal(projection.codes["sigma"], found.sigma)
    if not share:
        assert torch.equal(projection.image, camera.images) and white.seeds == []
        return
    mean = torch.lerp(camera.images, white.images, share)
    alike = filtered(y, mean, torch.tensor([(removed + 20) / 255]))
    torch.testing.assert_close(projection.image, torch.lerp(mean, alike, share), atol=4e-4, rtol=0)
    assert white.noise.shape is None
    assert 255 * float(white.noise.sigma) == pytest.approx(removed + 12, abs=1e-3)
    assert torch.equal(white.noise.sigma, white.noise.along_grey)
    assert (camera.seeds, white.seeds) == ([4], [4])


@pytest.mark.parametrize(("found", "kept"), [(1.0, 0.0), (1 / 0.175, 0.5), (9.0, 1.0)])
def test_texture_that_was_taken_for_noise_stays_as_it_is(found: float, kept: float) -> None:
    """Hardly any of it is removed, by how much noise was found; unless it was told, and so is known to be noise."""
    y, noise = torch.full((1, 3, 24, 32), 0.5), _camera_noise(found)
    first = y - 1 / 255
    prior = WithWhite(PrecomputedPrior(first), PrecomputedPrior(first))
    answer = prior.project(Denoising().measure(y).with_noise(noise)).image
    torch.testing.assert_close(answer, torch.lerp(first, y, kept))
    told = replace(noise, known=True)
    torch.testing.assert_close(prior.project(Denoising().measure(y).with_noise(told)).image, first)


@pytest.mark.parametrize("name", ["grass", "gravel", "brick"])
def test_clean_textures_stay_what_they_are(name: str) -> None:
    clean = as_picture(np.repeat(getattr(data, name)()[128:384, 128:384, None], 3, axis=2) / 255)
    restored = load_restorer(task="denoising").restore(clean, Denoising()).restored
    assert float((restored - clean).square().mean()) < 10**-4.5  # 45 dB; grass once had 35.6


def test_noise_is_needed_to_be_told_of() -> None:
    prior = PrecomputedPrior(torch.rand(1, 3, 24, 32))
    with pytest.raises(SettingsError, match="has no noise to be told of"):
        WithWhite(prior, prior).project(Colorization().measure(torch.rand(1, 1, 24, 32)))


def test_similar_patches_count_as_much_as_the_prior_for_white_noise() -> None:
    x = torch.arange(48.0).remainder(12).view(1, 1, 1, 48).expand(1, 3, 40, 48) / 12  # it repeats itself
    y = x + 8 / 255 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    first = torch.lerp(x, y, 0.3)  # leaves some of the noise
    m = Denoising().measure(y).with_noise(_camera_noise(8.0))
    image = WithWhite(PrecomputedPrior(first), PrecomputedPrior(first)).propose(m).image
    removed = (first - y).square().mean(dim=(1, 2, 3)).sqrt()
    share = float(1 / (2 + 2 * (255 * removed / 12).square()))
    expected = torch.lerp(first, filtered(y, first, removed + 20 / 255), share)
    torch.testing.assert_close(image, expected, atol=1e-5, rtol=0)
    assert float((image - x).square().mean()) < 0.7 * float((first - x).square().mean())


# Both


def test_a_limit_in_time_is_for_all_calls_of_what_it_is_made_of() -> None:
    images = torch.rand(1, 3, 8, 8)
    blend = Blend(Limited(images), Limited(images, 4.0), weight=0.3, saturation=1.2)
    part = blend.within(0.25)
    assert (part.first.budget, part.second.budget) == (2.0, 1.0)
    assert (part.weight, part.saturation) == (0.3, 1.2)
    assert (blend.first.budget, blend.second.budget) == (8.0, 4.0)
    chosen = ByNoise(Limited(images), Limited(images, 4.0)).within(0.5)
    assert (chosen.white.budget, chosen.other.budget) == (4.0, 2.0)
    both = WithWhite(Limited(images), Limited(images, 4.0), strength=2.0).within(0.5)
    assert (both.camera.budget, both.white.budget, both.strength) == (4.0, 2.0, 2.0)


def test_what_moves_it_moves_its_priors() -> None:
    made = Blend(PrecomputedPrior(torch.rand(1, 3, 8, 8)), PrecomputedPrior(torch.rand(1, 3, 8, 8)))
    assert isinstance(made, Prior)
    assert {tensor.device.type for tensor in (*made.to("meta").buffers(), *made.parameters())} == {"meta"}


def test_noise_that_grows_with_light_alone_is_made_white_for_the_first_prior() -> None:
    y = torch.rand(2, 3, 16, 16)
    shape = torch.stack([torch.zeros(8, 4, 4), torch.arange(8.0).view(8, 1, 1).expand(8, 4, 4)])
    shape[0, :, :2] += 0.5
    level = torch.full((2,), 0.1)
    noise = Noise(level, level, True, shape, Shot(torch.full((2,), 0.02), torch.zeros(2)))
    white, other = Noted(torch.full((1, 3, 16, 16), 0.3)), Noted(torch.full((1, 3, 16, 16), 0.6))
    image = ByNoise(white, other).propose(Denoising(iso_gain=0.02).measure(y).with_noise(noise)).image
    shot = noise.shot
    assert shot is not None and len(white.seeds) == len(other.seeds) == 1
    torch.testing.assert_close(image[:1], shot[:1].unbiased(torch.full((1, 3, 16, 16), 0.3)))
    assert torch.equal(image[1:], torch.full((1, 3, 16, 16), 0.6))

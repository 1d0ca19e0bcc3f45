"""A denoiser as a prior, for every task and sampler."""

import deepinv as dinv
import pytest
import skimage.data
import torch

import bigprior
from bigprior.degradations import Colorization, Degradation, Denoising, Inpainting
from bigprior.errors import MaskError, SettingsError
from bigprior.io.arrays import as_picture
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.ops.masks import centre_hole, smooth_fill
from bigprior.priors import diffusion
from bigprior.priors.anysize import AnySize
from bigprior.priors.base import Prior
from bigprior.priors.diffusion import DiffusionPrior, DiffusionSettings

SAMPLERS = ("mean", "drawn", "posterior", "ddrm", "diffpir", "dps")


class Blur(dinv.models.Denoiser):
    """A user's own denoiser: one that cannot be conditioned on anything."""

    def forward(self, x, sigma, **kwargs):
        return torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1)


@pytest.fixture
def denoiser() -> DenoisingUNet:
    torch.manual_seed(6)
    return DenoisingUNet(widths=(8, 12), blocks=1)


def prior_of(denoiser: torch.nn.Module, sampler: str, samples: int = 1) -> DiffusionPrior:
    return DiffusionPrior(denoiser, DiffusionSettings(sampler=sampler, steps=3, samples=samples, precision="fp32"))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_answers_every_task(denoiser, our_task, measure, sampler) -> None:
    if sampler == "ddrm" and our_task == "colorization":
        pytest.skip("deepinv's DDRM has no grey measurements")
    if sampler == "drawn" and our_task == "denoising":
        pytest.skip("of a noisy picture nothing is known exactly")
    y, physics = measure(our_task, n=2)
    prior = prior_of(denoiser, sampler)
    assert isinstance(prior, Prior)
    image = prior.project(physics.measure(y), seed=1).image
    assert image.shape == (2, 3, 16, 16) and image.dtype == torch.float32
    assert 0 <= float(image.min()) <= float(image.max()) <= 1
    assert torch.equal(image, prior.project(physics.measure(y), seed=1).image)


@pytest.mark.parametrize("sampler", ["mean", "posterior", "diffpir"])
def test_a_picture_does_not_depend_on_its_batch(denoiser, our_task, measure, sampler) -> None:
    y, physics = measure(our_task, n=3)
    prior = prior_of(denoiser, sampler)
    together = prior.project(physics.measure(y)).image
    alone = prior.project(physics.measure(y)[1:2]).image
    assert torch.allclose(together[1:2], alone, atol=1e-5)


def test_a_drawn_filling_is_another_for_another_seed_and_the_mean_is_not(denoiser, measure) -> None:
    with torch.no_grad():
        denoiser.tail.weight.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    y, physics = measure("inpainting", n=3)
    m, drawn, mean = physics.measure(y), prior_of(denoiser, "drawn"), prior_of(denoiser, "mean")
    assert (drawn.draws, mean.draws) == (True, False)
    one, other = (drawn.propose(m, seed=seed).image for seed in (0, 1))
    assert not torch.allclose(one, other, atol=0.01)
    assert torch.allclose(one[1:2], drawn.propose(m[1:2], seed=0).image, atol=1e-5)
    assert torch.equal(mean.propose(m, seed=0).image, mean.propose(m, seed=1).image)


def test_drawn_views_are_drawn_one_by_one_and_averaged(denoiser, measure) -> None:
    y, physics = measure("inpainting", n=1)
    m = physics.measure(y)
    prior = DiffusionPrior(denoiser, DiffusionSettings(sampler="drawn", views=2, precision="fp32"))
    rng = torch.Generator().manual_seed(5)
    known, most = m.condition, denoiser.sigma_max
    first, second = (denoiser.nothing(y, torch.randn(y.shape, generator=rng)) for _ in range(2))
    one, other = denoiser(first, most, known), denoiser(second, most, known.flip(3)).flip(3)
    assert torch.allclose(prior.propose(m, seed=5).image, ((one + other) / 2).clamp(0, 1), atol=1e-5)


def test_a_uniform_hole_is_filled_by_a_pattern_unless_it_is_drawn(denoiser) -> None:
    with torch.no_grad():
        denoiser.tail.weight.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    side = 12 * denoiser.step
    physics = Inpainting(centre_hole(side, side, side - 4))
    m = physics.measure(physics.f(torch.full((1, 3, side, side), 0.4)))
    middle, step = slice(5 * denoiser.step, 6 * denoiser.step), denoiser.step
    for sampler, repeats in (("mean", True), ("drawn", False)):
        image = prior_of(denoiser, sampler).propose(m).image[:, :, middle]
        one, next_one = image[..., 5 * step : 6 * step], image[..., 6 * step : 7 * step]
        assert torch.allclose(one, next_one, atol=1e-4) == repeats


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_views_make_the_answer_the_same_for_a_mirrored_picture(denoiser, views) -> None:
    torch.manual_seed(8)
    with torch.no_grad():
        for parameter in denoiser.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    prior = DiffusionPrior(denoiser, DiffusionSettings(views=views, precision="fp32"))
    y = torch.rand(1, 3, 16, 16)
    turns = [lambda x: x, lambda x: x.flip(3), lambda x: x.flip(2), lambda x: x.transpose(2, 3)]
    physics = Denoising(0.3)
    plain = prior.project(physics.measure(y)).image
    turned = [turn(prior.project(physics.measure(turn(y))).image) for turn in turns]
    same = [torch.allclose(image, plain, atol=1e-5) for image in turned]
    assert same == [True, views >= 2, views >= 4, views == 8]


def test_samples_have_a_mean_and_a_spread(denoiser, measure) -> None:
    y, physics = measure("inpainting", n=2)
    m = physics.measure(y)
    projection = prior_of(denoiser, "posterior", samples=3).project(m)
    assert projection.codes["spread"].shape == (2, 3, 16, 16)
    assert float(projection.codes["spread"].max()) > 0
    other = prior_of(denoiser, "posterior", samples=3).project(m, seed=9)
    assert not torch.equal(other.image, projection.image)


def test_known_noise_is_used_and_unknown_noise_is_found(denoiser) -> None:
    y = torch.rand(1, 3, 40, 40)
    told = DiffusionPrior(denoiser, DiffusionSettings(precision="fp32")).project(Denoising(0.3).measure(y))
    assert told.codes["sigma"].tolist() == pytest.approx([0.3])
    assert torch.allclose(told.image, denoiser(y, 0.3).clamp(0, 1))
    assert DiffusionPrior(denoiser).project(Denoising().measure(y)).codes["sigma"].item() > 0.05


def test_noise_that_all_channels_share_is_told_along_grey(denoiser) -> None:
    y = torch.rand(1, 1, 40, 40).expand(-1, 3, -1, -1)
    shown = DiffusionPrior(denoiser, DiffusionSettings(precision="fp32")).project(Denoising(0.1).measure(y))
    assert shown.codes["sigma"].tolist() == pytest.approx([0.1])
    assert torch.allclose(shown.image, denoiser(y, 0.1 * 3**0.5).clamp(0, 1), atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (8, 8)])
def test_tiny_and_flat_pictures_are_taken(denoiser, size) -> None:
    for y in (torch.rand(1, 3, *size), torch.full((1, 3, *size), 0.5)):
        image = DiffusionPrior(denoiser).project(Denoising().measure(y)).image
        assert image.shape == y.shape and bool(image.isfinite().all())


def test_an_own_denoiser_serves(measure) -> None:
    prior = DiffusionPrior(Blur(), DiffusionSettings(sampler="diffpir", steps=3))
    for task in ("inpainting", "colorization", "denoising"):
        y, physics = measure(task)
        assert prior.project(physics.measure(y)).image.shape == (1, 3, 16, 16)
    y, physics = measure("denoising")
    assert DiffusionPrior(Blur()).project(physics.measure(y)).image.shape == (1, 3, 16, 16)


def test_a_denoiser_that_cannot_be_conditioned_is_not_asked_to_be(measure) -> None:
    with pytest.raises(SettingsError, match="a Blur cannot be conditioned on what is known: use 'ddrm'"):
        DiffusionPrior(Blur(), DiffusionSettings(sampler="posterior"))
    y, physics = measure("colorization")
    with pytest.raises(SettingsError, match=r"a Blur cannot be conditioned .* in colorization: .*diffpir"):
        DiffusionPrior(Blur()).project(physics.measure(y))


@pytest.mark.parametrize("sampler", ["mean", "drawn", "posterior"])
def test_where_nothing_is_known_exactly_nothing_can_be_conditioned_on(denoiser, sampler) -> None:
    class Blurred(Degradation):
        name, placement = "blurred", "whole"

    with pytest.raises(SettingsError, match="blurred says nothing exactly"):
        prior_of(denoiser, sampler).project(Blurred().measure(torch.rand(1, 3, 16, 16)))


def test_what_is_known_is_what_is_conditioned_on() -> None:
    grey, hole = torch.rand(2, 1, 8, 8), Inpainting(centre_hole(8, 8))
    told = Colorization().condition(grey)
    assert torch.allclose((told[:, :3] + 1) / 2, grey.expand(-1, 3, -1, -1))
    assert bool((told[:, 3] == 1).all()) and bool((told[:, 4] == 0).all())
    y = hole.f(torch.rand(2, 3, 8, 8))
    told = hole.condition(y)
    assert torch.equal(told[:, 3:4], hole.mask.expand(2, -1, -1, -1)) and torch.equal(told[:, 3], told[:, 4])
    assert torch.equal(told[:, :3], 2 * smooth_fill(y, hole.mask.expand(2, -1, -1, -1)) - 1)
    assert Denoising(0.1).condition(y) is None


def test_other_sizes_are_placed(denoiser) -> None:
    prior = AnySize(DiffusionPrior(denoiser, resolution=16), 16)
    y = torch.rand(1, 1, 20, 30)
    image = prior.project(Colorization().measure(y)).image
    assert torch.allclose(Colorization().f(image), y, atol=1e-5)


def test_without_a_mask_the_hole_is_found_or_refused(denoiser) -> None:
    hole = centre_hole(16, 16)
    x = torch.rand(1, 3, 16, 16) * 0.9 + 0.1
    for sampler in SAMPLERS:
        prior = prior_of(denoiser, sampler)
        found, told = (prior.project(p.measure(x * hole)).image for p in (Inpainting(), Inpainting(hole)))
        assert torch.equal(found, told)
        with pytest.raises(MaskError, match="no mask was given"):
            prior.project(Inpainting().measure(x))


@pytest.mark.parametrize("sampler", [sampler for sampler in SAMPLERS if sampler != "drawn"])
def test_known_levels_are_each_pictures_own(denoiser, sampler) -> None:
    y, levels = torch.rand(3, 3, 16, 16), torch.tensor([0.1, 0.5, 0.3])
    prior = prior_of(denoiser, sampler)
    together = prior.project(Denoising(levels).measure(y), seed=4)
    assert torch.equal(together.codes["sigma"], levels)
    for i, level in enumerate(levels.tolist()):
        alone = prior.project(Denoising(level).measure(y[i : i + 1]), seed=4)
        torch.testing.assert_close(together.image[i : i + 1], alone.image, atol=1e-5, rtol=0)


def test_a_large_picture_is_seen_one_way(denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.nn.init.normal_(denoiser.tail.weight, std=0.1)
    m = Denoising(0.1).measure(torch.rand(1, 3, 24, 32))
    once, twice = (DiffusionPrior(denoiser, DiffusionSettings(views=n, precision="fp32")) for n in (1, 2))
    assert not torch.equal(twice.propose(m).image, once.propose(m).image)
    monkeypatch.setattr(diffusion, "_LARGE", 24 * 32 - 1)
    assert torch.equal(twice.propose(m).image, once.propose(m).image)


def test_progress_reaches_its_total_over_views_and_over_samples(denoiser) -> None:
    m = Denoising(0.1).measure(torch.rand(2, 3, 16, 16))
    for settings in (DiffusionSettings(views=4), DiffusionSettings(sampler="posterior", steps=2)):
        calls: list[tuple[int, int]] = []
        DiffusionPrior(denoiser, settings).project(m, progress=lambda *p, calls=calls: calls.append(p))
        assert calls == [(i + 1, len(calls)) for i in range(len(calls))] and len(calls) > 1


@pytest.mark.slow
def test_alternatives_of_a_hole_differ_go_on_with_what_is_around_and_come_again() -> None:
    photo = as_picture(skimage.data.coffee()[60:316, 150:406] / 255)
    hole = torch.zeros(1, 1, 256, 256)
    hole[..., 60:130, 90:170] = 1
    physics, restorer = Inpainting(1 - hole), bigprior.load_restorer(task="inpainting", samples=2, steps=6)
    y = physics.f(photo)
    first, second, again = (restorer.restore(y, physics, seed=seed).restored for seed in (0, 1, 0))
    assert restorer.draws and torch.equal(first, again)
    inside = (..., slice(60, 130), slice(90, 170))
    assert (first - second)[inside].abs().mean() > 8 / 255  # which nobody overlooks
    usual = (photo[..., 59, 90:170] - photo[..., 58, 90:170]).abs().mean()
    for image in (first, second):
        assert torch.equal(image * (1 - hole), y)
        assert (
            image[..., 60, 90:170] - image[..., 59, 90:170]
        ).abs().mean() < usual + 4 / 255  # no edge where it begins

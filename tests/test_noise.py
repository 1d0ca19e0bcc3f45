"""How much noise is found, in pictures of every kind that people have."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut
from torch import Tensor

from bigprior.io.arrays import as_picture, to_pil
from bigprior.networks.noise_estimator import NoiseEstimator
from bigprior.noise import Noise, noise_by, noise_of
from bigprior.ops.shot import Shot
from bigprior.presets.store import load_part

CLEAN = as_picture(astronaut()[:256, :256] / 255)


def as_jpeg(image: Tensor, quality: int, subsampling: int) -> Tensor:
    file = io.BytesIO()
    to_pil(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return as_picture(np.asarray(Image.open(file)) / 255)


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.2])
@pytest.mark.parametrize("side", [48, 100, 256])
def test_white_noise_is_found(sigma: float, side: int) -> None:
    clean = CLEAN[:, :, 100 : 100 + side, :side]
    found = noise_of(clean + sigma * torch.randn_like(clean))
    assert found.sigma.item() == pytest.approx(sigma, rel=0.06)
    assert torch.equal(found.along_grey, found.sigma)
    assert not found.known


@pytest.mark.parametrize("sigma", [0.06, 0.1, 0.2])
def test_noise_of_grey_pictures_is_found(sigma: float) -> None:
    grey = CLEAN.mean(dim=1, keepdim=True)
    y = (grey + sigma * torch.randn_like(grey)).expand(-1, 3, -1, -1)
    found = noise_of(y)
    assert found.sigma.item() == pytest.approx(sigma, rel=0.1)
    assert found.along_grey.item() == pytest.approx(3**0.5 * found.sigma.item())
    known = noise_of(y, sigma)
    assert known.known
    assert known.sigma.item() == pytest.approx(sigma) and known.along_grey.item() == pytest.approx(3**0.5 * sigma)


@pytest.mark.parametrize("quality", [75, 85, 95])
def test_noise_is_found_where_colours_were_kept_at_half_the_resolution(quality: int) -> None:
    sigma = 25 / 255
    y = as_jpeg(CLEAN + sigma * torch.randn_like(CLEAN), quality, subsampling=2)
    left = float((y - CLEAN).mean(dim=1).std())
    found = noise_of(y)
    assert found.sigma.item() == pytest.approx(left, rel=0.15)
    assert found.along_grey.item() == pytest.approx(3**0.5 * found.sigma.item())
    assert noise_of(y, sigma).along_grey.item() == pytest.approx(sigma)  # what a person says is not corrected


def test_hardly_any_noise_is_found_in_clean_pictures() -> None:
    for y in (CLEAN, as_jpeg(CLEAN, 90, subsampling=2), CLEAN.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)):
        assert noise_of(y).along_grey.item() < 4 / 255


def test_pictures_are_looked_at_one_by_one() -> None:
    white = CLEAN + 0.1 * torch.randn_like(CLEAN)
    grey = white[:, :1].expand(-1, 3, -1, -1)
    both, alone = noise_of(torch.cat([white, grey])), Noise.join([noise_of(white), noise_of(grey)])
    for level in ("sigma", "along_grey"):
        assert getattr(both, level).tolist() == pytest.approx(getattr(alone, level).tolist())
        assert torch.equal(getattr(both[1:], level), getattr(both, level)[1:])


def test_a_level_that_is_known_is_of_all_pictures_or_of_each() -> None:
    y = torch.cat([CLEAN, CLEAN[:, :1].expand(-1, 3, -1, -1)])
    for levels in (0.1, torch.tensor(0.1), torch.tensor([0.1]), torch.tensor([0.1, 0.1])):
        assert noise_of(y, levels).sigma.tolist() == pytest.approx([0.1, 0.1])
    each = noise_of(y, torch.tensor([0.1, 0.2]))
    assert each.sigma.tolist() == pytest.approx([0.1, 0.2])
    assert each.along_grey.tolist() == pytest.approx([0.1, 3**0.5 * 0.2])


def test_of_several_batches_the_noise_is_known_if_it_is_of_all() -> None:
    known, found = noise_of(CLEAN, 0.1), noise_of(CLEAN)
    assert Noise.join([known, known]).known
    assert not Noise.join([known, found]).known
    assert known.to("meta").sigma.device.type == known.to("meta").along_grey.device.type == "meta"
    assert known.to("meta").known


def test_its_shape_goes_where_it_goes() -> None:
    whole = Noise(torch.rand(3), torch.rand(3), False, torch.rand(3, 8, 4, 5))
    again = Noise.join([whole[:1], whole[1:]])
    assert again.shape is not None and torch.equal(again.shape, whole.shape)
    assert whole.to("meta").shape.device.type == "meta" and whole.times(2).shape is whole.shape
    assert whole.levels().shape is None and torch.equal(whole.levels().sigma, whole.sigma)
    assert Noise.join([whole, whole.levels()]).shape is None  # white, where one of them is taken for that


def test_a_picture_that_is_too_small_to_say_is_taken_to_have_none() -> None:
    for height, width in ((1, 1), (3, 900), (9, 12), (16, 16)):
        assert noise_of(torch.rand(2, 3, height, width)).along_grey.tolist() == [0, 0]
    assert noise_of(torch.rand(1, 3, 24, 40)).along_grey.item() > 0


@pytest.mark.parametrize("size", [(8, 200), (16, 60), (200, 10), (22, 22)])
@pytest.mark.parametrize("grey", [True, False])
def test_noise_of_strips_and_small_pictures_is_found(size: tuple[int, int], grey: bool) -> None:
    part = CLEAN[:, :, 40 : 40 + size[0], 30 : 30 + size[1]]
    part = part.mean(dim=1, keepdim=True) if grey else part
    y = part + 0.1 * torch.randn_like(part)
    assert noise_of(y.expand(-1, 3, -1, -1)).sigma.item() == pytest.approx(0.1, rel=0.2)


class Said(NoiseEstimator):
    """An estimator whose words are known: the logarithm of a variance, by scale."""

    def __init__(self, levels: list[float]) -> None:
        super().__init__((8, 8), blocks=1)
        self.levels = 2 * torch.tensor(levels).log().repeat_interleave(2).view(1, -1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.levels.expand(len(x), -1, -(-x.shape[2] // 4), -(-x.shape[3] // 4))


def test_a_network_says_how_coarse_noise_is_and_deepinvs_estimator_how_much_where_it_is_white() -> None:
    y = CLEAN[:, :, :80, :93] + 0.1 * torch.randn_like(CLEAN[:, :, :80, :93])
    white = noise_by(Said([0.09] * 4), y)
    assert bool(white.white.all()) and not white.known
    assert white.shape is not None and not white.shape.any()
    assert torch.equal(white.sigma, noise_of(y).sigma)
    # It is white as well where deepinv's estimator, which sees no other, finds as much.
    assert bool(noise_by(Said([0.02, 0.1, 0.2, 0.4]), y).white.all())
    coarse = noise_by(Said([0.02, 0.05, 0.1, 0.2]), CLEAN[:, :, :80, :93])
    assert not bool(coarse.white.any())
    assert coarse.shape is not None and coarse.shape.shape == (1, 8, 20, 24)
    # The variance of a pixel: three details in four at the finest scale, of the rest three in four at the next, ...
    variance = 0.75 * 0.02**2 + 0.1875 * 0.05**2 + 3 / 64 * 0.1**2 + 4 / 256 * 0.2**2
    assert coarse.sigma.item() == pytest.approx(variance**0.5, rel=1e-5)
    assert float(coarse.shape[0, 0, 0, 0].exp() * coarse.along_grey) == pytest.approx(0.02, rel=1e-5)
    assert coarse.times(2).sigma.item() == pytest.approx(2 * coarse.sigma.item())


def test_what_is_told_of_noise_is_taken_and_the_rest_is_found() -> None:
    clean, coarse = CLEAN[:, :, :80, :93], Said([0.02, 0.05, 0.1, 0.2])
    found, told = noise_by(coarse, clean), noise_by(coarse, clean, 0.1)
    assert told.sigma.item() == pytest.approx(0.1) and told.known and not found.known
    assert found.shape is not None and told.shape is not None and torch.equal(told.shape, found.shape)
    assert float(told.along_grey / found.along_grey) == pytest.approx(float(0.1 / found.sigma), rel=1e-5)
    # Where it is white, there is nothing else to find.
    y = clean + 0.1 * torch.randn_like(clean)
    white = noise_by(Said([0.1] * 4), y, torch.tensor([0.07]))
    assert bool(white.white.all()) and white.sigma.item() == pytest.approx(0.07)
    # Whether it is, can be told too.
    assert bool(noise_by(coarse, clean, grain="fine").white.all())
    assert not bool(noise_by(Said([0.02, 0.1, 0.2, 0.4]), y, grain="coarse").white.any())


def test_noise_of_one_channel_and_of_a_few_pixels_is_not_taken_for_less() -> None:
    """The estimator of white noise sees the least noisy channel, and nothing in a picture of a few pixels."""
    clean, found = CLEAN[:, :, :80, :93], Said([20 / 255 / 3**0.5] * 4)
    one_channel = clean + 20 / 255 * torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1) * torch.randn_like(clean)
    strip = (clean + 20 / 255 * torch.randn_like(clean))[:, :, :12, :30]
    for y in (one_channel, strip):
        assert noise_by(found, y).sigma.item() == pytest.approx(20 / 255 / 3**0.5, rel=1e-3)


def test_noise_that_is_not_everywhere_is_not_white_though_as_much_is_found() -> None:
    class Half(Said):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found = super().forward(x).clone()
            found[..., : found.shape[3] // 2] -= 2 * torch.log(torch.tensor(6.0))
            return found

    y = CLEAN[:, :, :80, :96].clone()
    y[..., 48:] += 30 / 255 * torch.randn_like(y[..., 48:])
    found = noise_by(Half([30 / 255] * 4), y)
    assert not bool(found.white.any()) and found.shape is not None
    left, right = found.shape[0, 0, 10, 2], found.shape[0, 0, 10, -3]
    assert float((right - left).exp()) == pytest.approx(6, rel=1e-4)


def test_shot_noise_is_not_white_though_it_is_so_at_every_scale() -> None:
    class Brighter(Said):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            ramp = torch.linspace(-0.75, 0.75, -(-x.shape[3] // 4))
            return super().forward(x) + 2 * ramp

    y = CLEAN[:, :, :80, :96] + 25 / 255 * torch.randn_like(CLEAN[:, :, :80, :96])
    assert not bool(noise_by(Brighter([25 / 255] * 4), y).white.any())
    assert bool(noise_by(Said([25 / 255] * 4), y).white.all())
    weak = CLEAN[:, :, :80, :96] + 8 / 255 * torch.randn_like(y)
    assert bool(noise_by(Brighter([8 / 255] * 4), weak).white.all())


def in_light(x: Tensor, gain: float, read: float, seed: int = 0) -> Tensor:
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    return (x + (gain * x + read**2).sqrt() * noise).clamp(0, 1)


@pytest.mark.parametrize(("gain", "read"), [(0.015, 0.0), (0.05, 0.0), (0.01, 0.03)])
def test_how_noise_grows_with_light_is_found(gain: float, read: float) -> None:
    estimator = load_part("photographs", "noise")
    found = noise_by(estimator, in_light(CLEAN, gain, read))
    assert found.shot is not None and not found.known and not bool(found.white.any())
    light = torch.tensor([0.3, 0.8]).view(1, 1, 1, 2)
    true = Shot(torch.tensor([gain]), torch.tensor([read])).variance(light).sqrt()
    torch.testing.assert_close(found.shot.variance(light).sqrt(), true, rtol=0.12, atol=0)
    told = noise_by(estimator, in_light(CLEAN, gain, read), 0.2)
    assert told.known and told.sigma.item() == pytest.approx(0.2)  # how much is told, where it is is found
    torch.testing.assert_close(told.shape, found.shape)


def test_white_noise_does_not_grow_with_light_even_where_it_is_clipped() -> None:
    estimator = load_part("photographs", "noise")
    for sigma in (10, 25, 50):
        y = CLEAN + sigma / 255 * torch.randn(CLEAN.shape, generator=torch.Generator().manual_seed(sigma))
        assert noise_by(estimator, y).shot is None
        assert noise_by(estimator, y.clamp(0, 1)).shot is None
    assert noise_by(estimator, CLEAN).shot is None


@pytest.mark.parametrize("size", [(1, 400), (7, 300), (256, 9), (5, 5)])
def test_noise_in_light_of_strips_and_small_pictures_is_no_error(size: tuple[int, int]) -> None:
    light = torch.linspace(0.1, 0.9, size[1]).expand(1, 3, *size)
    found = noise_by(load_part("photographs", "noise"), in_light(light, 0.02, 0.0))
    assert bool(found.sigma.isfinite().all()) and (min(size) >= 8 or found.shot is None)


def test_how_noise_grows_in_one_picture_does_not_depend_on_its_neighbours() -> None:
    estimator = load_part("photographs", "noise")
    white = CLEAN + 25 / 255 * torch.randn(CLEAN.shape, generator=torch.Generator().manual_seed(1))
    both = noise_by(estimator, torch.cat([in_light(CLEAN, 0.03, 0.0), white]))
    assert both.white.tolist() == [False, True] and both.shot is not None
    alone = noise_by(estimator, in_light(CLEAN, 0.03, 0.0))
    assert alone.shot is not None
    torch.testing.assert_close(both.shot.gain, torch.cat([alone.shot.gain, torch.zeros(1)]), rtol=1e-4, atol=0)
    assert both.shot.read[1].item() == pytest.approx(both.sigma[1].item())


def test_noise_that_went_through_a_jpeg_is_not_white_though_its_grey_is() -> None:
    """Its colours are kept at half the resolution: the estimator of white noise hears of the grey alone."""
    clean = CLEAN[:, :, :96, :96]
    y = as_jpeg(clean + 25 / 255 * torch.randn_like(clean), 85, subsampling=2)
    heard = float(noise_of(y).sigma)
    assert not bool(noise_by(Said([heard] * 4), y).white.any())
    grey = (clean.mean(dim=1, keepdim=True) + 0.1 * torch.randn(1, 1, 96, 96)).expand(-1, 3, -1, -1)
    assert bool(noise_by(Said([0.1] * 4), grey).white.all())


def test_areas_that_say_nothing_do_not_dilute_what_is_found() -> None:
    sigma, part = 0.06, CLEAN[:, :, :96]
    noisy = part + sigma * torch.randn_like(part)
    for value in (1.0, 0.3):
        y = torch.full((1, 3, 320, 256), value)
        y[:, :, 112:208] = noisy
        empty = torch.ones(1, 1, 320, 256, dtype=torch.bool)
        empty[:, :, 112:208] = False
        found, alone = noise_of(y, blank=empty), noise_of(noisy)
        assert found.sigma.item() == pytest.approx(alone.sigma.item(), rel=0.05)
        assert found.along_grey.item() == pytest.approx(alone.along_grey.item(), rel=0.05)
        assert noise_of(y).sigma.item() < 0.8 * alone.sigma.item()
    grey = y.mean(dim=1, keepdim=True).expand_as(y)
    assert noise_of(grey, blank=empty).sigma.item() == pytest.approx(sigma / 3**0.5, rel=0.1)
    assert noise_of(y, blank=torch.ones_like(empty)).sigma.item() == 0


def test_of_a_large_picture_what_is_not_blank_is_looked_at() -> None:
    y, empty = torch.ones(1, 3, 600, 1400), torch.ones(1, 1, 600, 1400, dtype=torch.bool)
    y[..., -256:, -256:] = CLEAN + 0.1 * torch.randn_like(CLEAN)
    empty[..., -256:, -256:] = False
    assert noise_of(y, blank=empty).sigma.item() == pytest.approx(0.1, rel=0.06)


def test_a_networks_word_counts_where_the_picture_is_not_blank() -> None:
    class Dark(Said):
        def forward(self, x: Tensor) -> Tensor:
            said = super().forward(x).clone()
            said[:, :, : said.shape[2] // 2] = -14
            return said

    y = 0.5 + 0.1 * torch.randn(1, 3, 96, 96)
    empty = torch.zeros(1, 1, 96, 96, dtype=torch.bool)
    empty[:, :, :48] = True
    network = Dark([0.1, 0.1, 0.1, 0.1])
    found = noise_by(network, y, blank=empty)
    assert bool(found.white) and found.sigma.item() == pytest.approx(0.1, rel=0.1)
    assert not bool(noise_by(network, y).white)


def test_noise_that_is_told_to_grow_with_light_is_as_coarse_as_it_is_found() -> None:
    light = torch.cat([torch.full((1, 3, 64, 32), value) for value in (0.1, 0.9)], dim=3)
    shot = Shot(torch.tensor([0.01]), torch.tensor([0.02]))
    white = noise_by(Said([0.1] * 4), light, shot=shot)
    assert white.known and white.shape is not None
    assert (white.shape - white.shape[:, :1]).abs().max() < 1e-6  # as strong at every scale
    at = (white.along_grey.view(1, 1, 1, 1) * white.shape.exp()).square()[0, 0, 8]
    torch.testing.assert_close(at[[2, 13]], 0.01 * torch.tensor([0.1, 0.9]) + 0.02**2)
    assert white.sigma.item() == pytest.approx(float(shot.variance(light).mean().sqrt()), rel=1e-3)
    found = noise_by(Said([0.1 * math.exp(scale / 2) for scale in range(4)]), light, shot=shot)
    assert found.shape is not None and found.sigma.item() == pytest.approx(white.sigma.item(), rel=1e-4)
    steps = found.shape.mean((0, 2, 3))
    torch.testing.assert_close(steps[2:] - steps[:-2], torch.full((6,), 0.5))  # as coarse as the network has it
    two = noise_by(Said([0.1] * 4), light.repeat(2, 1, 1, 1), shot=shot)
    assert two.shape is not None and two.shot is not None and len(two.shot.gain) == 2
    torch.testing.assert_close(two.shape, white.shape.repeat(2, 1, 1, 1))
    fine = noise_by(Said([0.1 * math.exp(scale / 2) for scale in range(4)]), light, grain="fine", shot=shot)
    assert fine.shape is not None
    torch.testing.assert_close(fine.shape, white.shape)

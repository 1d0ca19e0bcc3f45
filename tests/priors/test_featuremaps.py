"""A generator that bends to a picture: further than its codes reach, by changes that stay small."""

import pytest
import torch
from torch import Tensor

from bigprior.degradations import Denoising, Inpainting
from bigprior.errors import SettingsError
from bigprior.networks.generators import Generator
from bigprior.networks.generators.pggan import PGGAN
from bigprior.priors.featuremaps import FeatureMapSettings, bent
from bigprior.priors.gan import GANPrior
from bigprior.priors.inversion import InversionSettings

QUICK = InversionSettings(codes=1, layer=1, steps=5, code_every=1, perceptual=0, precision="fp32")


def bending(**settings: float) -> InversionSettings:
    return QUICK.model_copy(update={"feature_maps": FeatureMapSettings(steps=8, **settings)})


def test_it_goes_on_where_the_codes_end_and_leaves_the_generator_as_it_is(any_generator: Generator) -> None:
    side = any_generator.resolution
    m = Denoising().measure(torch.rand(1, 3, side, side))
    before = {k: v.clone() for k, v in any_generator.state_dict().items()}
    codes = GANPrior(any_generator, QUICK).project(m)
    result = GANPrior(any_generator, bending()).project(m)
    assert torch.equal(result.codes["z"], codes.codes["z"])
    assert result.history is not None and result.history.shape == (13, 1)
    assert result.history[-1] < result.history[5] <= result.history[4] * 1.1
    assert all(torch.equal(any_generator.state_dict()[k], v) for k, v in before.items())
    assert not any(p.requires_grad or p.grad is not None for p in any_generator.parameters())
    assert torch.equal(GANPrior(any_generator, QUICK).project(m).image, codes.image)


def test_no_change_is_the_generators_own_picture(tiny_generator: PGGAN) -> None:
    state = tiny_generator.requires_grad_(False).first(torch.randn(1, 16), 2)
    settings = FeatureMapSettings(steps=1, lr=1e-12, weight_lr=0)
    image, losses = bent(tiny_generator, state, 2, settings, lambda x: (x.square().mean((1, 2, 3)), torch.ones(1)))
    torch.testing.assert_close(image, tiny_generator.second(state, 2), atol=1e-5, rtol=0)
    assert losses.shape == (1, 1)


def test_a_larger_penalty_bends_less(tiny_generator: PGGAN) -> None:
    tiny_generator.requires_grad_(False)
    state, goal = tiny_generator.first(torch.randn(1, 16), 2), torch.rand(1, 3, 16, 16)
    own = tiny_generator.second(state, 2)

    def moved(**settings: float) -> Tensor:
        def loss(x: Tensor) -> tuple[Tensor, Tensor]:
            return (x - goal).square().flatten(1).mean(1), torch.ones(1)

        return (bent(tiny_generator, state, 2, FeatureMapSettings(steps=40, **settings), loss)[0] - own).square().mean()

    assert moved(maps=1e4, weights=1e4) < 0.5 * moved(maps=0, weights=0)
    assert moved(weight_lr=0, maps=0) < moved(weight_lr=0.01, maps=0, weights=0)


def test_a_picture_does_not_depend_on_its_batch_and_masks_stay_with_their_pictures(tiny_generator: PGGAN) -> None:
    mask = torch.ones(2, 1, 16, 16)
    mask[0, :, :4], mask[1, :, :, 8:] = 0, 0
    y = Inpainting(mask).f(torch.rand(2, 3, 16, 16))
    prior = GANPrior(tiny_generator, bending())
    whole = prior.project(Inpainting(mask).measure(y))
    alone = torch.cat([prior.project(Inpainting(mask[i : i + 1]).measure(y[i : i + 1])).image for i in range(2)])
    torch.testing.assert_close(whole.image, alone, atol=1e-4, rtol=0)


def test_noise_that_is_known_is_not_fitted_and_a_budget_is_kept(tiny_generator: PGGAN) -> None:
    y = torch.rand(1, 3, 16, 16)
    prior = GANPrior(tiny_generator, bending())
    history = prior.project(Denoising(1.0).measure(y)).history
    assert history is not None and (history[-8:] == history[-1]).all()  # nothing was left to explain
    settings = bending().model_copy(update={"budget_s": 1e-9})
    history = GANPrior(tiny_generator, settings).project(Denoising().measure(y)).history
    assert history is not None and (history[1:] == history[1]).all()


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"lr": 0}, {"maps": -1}, {"weight_lr": -1}])
def test_settings_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        FeatureMapSettings(**wrong)

"""Multi-code inversion of a tiny generator."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from bigprior.degradations import DEGRADATIONS, Colorization, Degradation, Denoising, Inpainting
from bigprior.errors import BigpriorError, ImageError, MaskError, SettingsError
from bigprior.networks.encoder import CodeEncoder
from bigprior.networks.generators import PGGAN, State
from bigprior.priors.anysize import AnySize
from bigprior.priors.base import Prior
from bigprior.priors.gan import GANPrior, paper_settings
from bigprior.priors.inversion import OPTIMIZERS, InversionSettings

QUICK = InversionSettings(codes=3, layer=2, steps=6, lr=0.1, code_every=1, precision="fp32")


def reachable(generator: PGGAN, n: int = 2) -> Tensor:
    """Pictures that the generator can make."""
    with torch.no_grad():
        return generator(torch.randn(n, generator.z_dim, generator=torch.Generator().manual_seed(9))).clamp(0, 1)


def test_the_loss_falls_in_every_task(tiny_generator: PGGAN, any_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    _, physics = measure(any_task, 2)
    y = physics.f(reachable(tiny_generator))
    prior = GANPrior(tiny_generator, QUICK.model_copy(update={"steps": 20}))
    result = prior.project(physics.measure(y))
    assert isinstance(prior, Prior)
    assert result.history is not None
    assert (result.history[-1] < 0.7 * result.history[0]).all()
    assert result.image.shape == (2, 3, 16, 16)
    assert result.image.min() >= 0
    assert result.image.max() <= 1


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_lowers_the_loss(tiny_generator: PGGAN, name: str) -> None:
    settings = QUICK.model_copy(update={"optimizer": name, "steps": 10})
    history = GANPrior(tiny_generator, settings).project(Denoising().measure(reachable(tiny_generator))).history
    assert history is not None
    assert (history[-1] < history[0]).all()


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_a_picture_does_not_depend_on_its_batch(tiny_generator: PGGAN, name: str) -> None:
    prior = GANPrior(tiny_generator, QUICK.model_copy(update={"optimizer": name}))
    y = torch.cat([reachable(tiny_generator), torch.rand(2, 3, 16, 16)])
    whole = prior.project(Denoising().measure(y), seed=3)
    for i in range(len(y)):
        alone = prior.project(Denoising().measure(y[i : i + 1]), seed=3)
        torch.testing.assert_close(whole.image[i : i + 1], alone.image, atol=1e-4, rtol=0)
        torch.testing.assert_close(whole.history[:, i : i + 1], alone.history, atol=1e-4, rtol=0)


def test_masks_of_their_own_stay_with_their_pictures(tiny_generator: PGGAN) -> None:
    mask = torch.ones(2, 1, 16, 16)
    mask[0, :, :4], mask[1, :, :, 8:] = 0, 0
    y = Inpainting(mask).f(reachable(tiny_generator))
    prior = GANPrior(tiny_generator, QUICK)
    whole = prior.project(Inpainting(mask).measure(y)).image
    alone = torch.cat([prior.project(Inpainting(mask[i : i + 1]).measure(y[i : i + 1])).image for i in range(2)])
    torch.testing.assert_close(whole, alone, atol=1e-4, rtol=0)


def test_the_hole_of_a_measurement_is_not_looked_at(tiny_generator: PGGAN) -> None:
    mask = torch.ones(1, 1, 16, 16)
    mask[..., 4:9, 5:12] = 0
    x, prior = reachable(tiny_generator, 1), GANPrior(tiny_generator, QUICK)
    y = Inpainting(mask).f(x)
    result = prior.project(Inpainting(mask).measure(y)).image
    assert torch.equal(prior.project(Inpainting().measure(y)).image, result)  # the hole is the black pixels
    with pytest.raises(MaskError, match="no mask was given"):
        prior.project(Inpainting().measure(x + 0.1))


def test_the_same_seed_gives_the_same_and_another_seed_another(tiny_generator: PGGAN) -> None:
    prior, y = GANPrior(tiny_generator, QUICK), reachable(tiny_generator)
    first = prior.project(Denoising().measure(y), seed=5)
    torch.manual_seed(77)
    second = prior.project(Denoising().measure(y), seed=5)
    assert torch.equal(first.image, second.image)
    assert torch.equal(first.codes["z"], second.codes["z"])
    assert not torch.equal(first.image, prior.project(Denoising().measure(y), seed=6).image)


def test_codes_and_history_have_names_and_shapes(any_generator: PGGAN) -> None:
    side, layer = any_generator.resolution, min(3, any_generator.layers)
    settings = QUICK.model_copy(update={"layer": layer})
    result = GANPrior(any_generator, settings).project(Denoising().measure(torch.rand(2, 3, side, side)))
    assert result.codes["z"].shape == (2, 3, any_generator.z_dim)
    assert result.codes["alpha"].shape == (2, 3, any_generator.channels_at(layer))
    assert result.history is not None
    assert result.history.shape == (6, 2)
    assert repr(result) == f"<Projection 2x {side}x{side}>"
    for tensor in (result.image, result.history, *result.codes.values()):
        assert not tensor.requires_grad


def test_the_codes_make_the_picture_again(tiny_generator: PGGAN) -> None:
    prior = GANPrior(tiny_generator, QUICK)
    result = prior.project(Denoising().measure(reachable(tiny_generator)))
    with torch.no_grad():
        assert torch.equal(prior.compose(result.codes["z"], result.codes["alpha"]).clamp(0, 1), result.image)


@pytest.mark.parametrize("layer", range(7))
def test_composition_is_equation_13_divided_by_the_number_of_codes(tiny_generator: PGGAN, layer: int) -> None:
    prior = GANPrior(tiny_generator, QUICK.model_copy(update={"layer": layer}))
    z, alpha = torch.randn(2, 3, 16), torch.randn(2, 3, tiny_generator.channels_at(layer))
    with torch.no_grad():
        for b in range(2):
            states = [tiny_generator.first(z[b, n : n + 1], layer) for n in range(3)]
            maps = [state.features * weights.view(1, -1, 1, 1) for state, weights in zip(states, alpha[b], strict=True)]
            wanted = tiny_generator.second(State(sum(maps) / 3), layer)
            torch.testing.assert_close(prior.compose(z, alpha)[b : b + 1], wanted, atol=1e-5, rtol=1e-4)


def test_one_step_is_plain_gradient_descent_from_the_papers_start(tiny_generator: PGGAN) -> None:
    settings = InversionSettings(
        codes=2,
        layer=2,
        steps=1,
        optimizer="sgd",
        lr=0.5,
        alpha_lr=0.25,
        decay=False,
        perceptual=0,
        l1=0.3,
        precision="fp32",
    )
    y = torch.rand(1, 1, 16, 16)
    codes = GANPrior(tiny_generator, settings).project(Colorization().measure(y), seed=8).codes
    z = torch.randn(1, 2, 16, generator=torch.Generator().manual_seed(8)).requires_grad_()
    alpha = torch.full((1, 2, 16), 0.5, requires_grad=True)
    maps = tiny_generator.first(z[0], 2).features * alpha[0][:, :, None, None]
    x = tiny_generator.second(State(maps.mean(0, keepdim=True)), 2)
    residual = 0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:] - y
    (residual.square().mean() + 0.3 * residual.abs().mean()).backward()
    torch.testing.assert_close(codes["z"], (z - 0.5 * z.grad).detach(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(codes["alpha"], (alpha - 0.25 * alpha.grad).detach(), atol=1e-5, rtol=1e-4)


def test_a_single_code(tiny_generator: PGGAN) -> None:
    settings = InversionSettings(codes=1, layer=0, steps=20, lr=0.1)
    result = GANPrior(tiny_generator, settings).project(Denoising().measure(reachable(tiny_generator)))
    assert result.codes["z"].shape == (2, 1, 16)
    assert result.history is not None
    assert (result.history[-1] < result.history[0]).all()


def test_the_weights_are_frozen_and_see_no_gradient(tiny_generator: PGGAN) -> None:
    before = {k: v.clone() for k, v in tiny_generator.state_dict().items()}
    GANPrior(tiny_generator, QUICK).project(Denoising().measure(reachable(tiny_generator)))
    for name, parameter in tiny_generator.named_parameters():
        assert not parameter.requires_grad
        assert parameter.grad is None
        assert torch.equal(parameter, before[name])
    assert not tiny_generator.training


def test_it_optimises_where_gradients_are_off(tiny_generator: PGGAN) -> None:
    prior, y = GANPrior(tiny_generator, QUICK), reachable(tiny_generator)
    with torch.no_grad():
        off = prior.project(Denoising().measure(y)).image
    assert torch.equal(off, prior.project(Denoising().measure(y)).image)


class Counting(PGGAN):
    """A generator that notes how many codes pass its first layers at once."""

    def __init__(self, generator: PGGAN) -> None:
        super().__init__(**generator.settings)
        self.load_state_dict(generator.state_dict())
        self.calls = list[int]()

    def first(self, z: Tensor, layer: int) -> State:
        self.calls.append(len(z))
        return super().first(z, layer)


def test_codes_move_once_in_a_few_steps(tiny_generator: PGGAN) -> None:
    y = reachable(tiny_generator, 2)
    counting = Counting(tiny_generator)
    settings = QUICK.model_copy(update={"steps": 7, "code_every": 3})
    seldom = GANPrior(counting, settings).project(Denoising().measure(y))
    assert counting.calls == [6, 6, 6, 6]  # two pictures' three codes, at steps 0, 3 and 6, and for the last picture
    start = torch.randn(1, 3, 16, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(seldom.codes["z"][:1], start)
    assert seldom.history is not None and seldom.history[-1].mean() < seldom.history[0].mean()


def test_codes_at_rest_are_those_of_the_start_and_pass_once_for_all_pictures(tiny_generator: PGGAN) -> None:
    y, counting = reachable(tiny_generator, 2), Counting(tiny_generator)
    result = GANPrior(counting, QUICK.model_copy(update={"code_every": 0})).project(Denoising().measure(y))
    assert counting.calls == [3, 3]  # three codes, for all the steps and for the last picture
    start = torch.randn(1, 3, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(result.codes["z"], start.expand(2, -1, -1))
    assert result.history is not None and (result.history[-1] < result.history[0]).all()


def test_half_precision_is_nearly_the_same(tiny_generator: PGGAN) -> None:
    y = reachable(tiny_generator, 1)
    full = GANPrior(tiny_generator, QUICK).project(Denoising().measure(y)).image
    half = (
        GANPrior(tiny_generator, QUICK.model_copy(update={"precision": "bf16"})).project(Denoising().measure(y)).image
    )
    assert half.dtype == torch.float32 and not torch.equal(full, half)
    assert (full - half).abs().mean() < 0.05


def test_a_known_noise_level_is_not_fitted(tiny_generator: PGGAN) -> None:
    """Where the residual is down to the noise, a picture is done, whatever its neighbours still need."""
    settings = QUICK.model_copy(update={"steps": 60, "decay": False})
    prior, sigma = GANPrior(tiny_generator, settings), 0.2
    y = torch.cat([reachable(tiny_generator, 1), torch.rand(1, 3, 16, 16)])
    whole = prior.project(Denoising(sigma).measure(y))
    blind = prior.project(Denoising().measure(y))
    residual = (whole.image - y).square().flatten(1).mean(1)
    assert residual[0] <= sigma**2
    assert (blind.image - y)[0].square().mean() < residual[0]
    assert torch.equal(whole.image[1], blind.image[1])  # never that close: all steps were made
    alone = prior.project(Denoising(sigma).measure(y[:1]))
    torch.testing.assert_close(alone.image, whole.image[:1], atol=1e-4, rtol=0)
    assert alone.history is not None
    assert len(alone.history) < 60


def test_progress_counts_the_steps(tiny_generator: PGGAN) -> None:
    calls: list[tuple[int, int]] = []
    prior = GANPrior(tiny_generator, QUICK)
    m = Denoising().measure(reachable(tiny_generator))
    prior.project(m, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(i, 6) for i in range(1, 7)]


def test_the_papers_loss_runs_in_every_task(tiny_generator: PGGAN, any_task: str, measure, vgg_weights: Path) -> None:  # type: ignore[no-untyped-def]
    y, physics = measure(any_task, 1)
    settings = QUICK.model_copy(update={"perceptual_term": "vgg", "steps": 2})
    history = GANPrior(tiny_generator, settings, vgg=str(vgg_weights)).project(physics.measure(y)).history
    assert history is not None
    assert history.isfinite().all()


# Settings


def test_the_papers_settings_are_the_papers() -> None:
    colour = paper_settings(Colorization)
    assert (colour.codes, colour.layer, colour.steps, colour.perceptual) == (20, 6, 1500, 0.001)
    for task in (Inpainting, Denoising):
        settings = paper_settings(task)
        assert (settings.codes, settings.layer, settings.steps, settings.perceptual) == (30, 4, 3000, 0.0001)
    for task in (Colorization, Inpainting, Denoising):
        settings = paper_settings(task)
        assert (settings.optimizer, settings.lr, settings.alpha_lr, settings.decay) == ("sgd", 1.0, 1.0, False)
        assert (settings.l2, settings.l1, settings.perceptual_term) == (1.0, 0.0, "vgg")


def test_every_degradation_has_the_papers_settings_or_says_that_it_has_none(any_task: str) -> None:
    try:
        assert isinstance(paper_settings(DEGRADATIONS[any_task]), InversionSettings)
    except SettingsError as error:
        assert any_task in str(error)


def test_a_task_that_the_paper_does_not_treat() -> None:
    class Deblurring(Degradation):
        name = "deblurring"

    with pytest.raises(SettingsError, match="no settings for deblurring"):
        paper_settings(Deblurring)


@pytest.mark.parametrize(
    "wrong",
    [
        {"codes": 0},
        {"steps": 0},
        {"layer": -1},
        {"lr": 0},
        {"code_every": -1},
        {"lr": -1},
        {"l2": -1},
        {"perceptual_term": "lpips"},
        {"step": 3},
    ],
)
def test_settings_out_of_range_or_unknown_are_refused(wrong: dict) -> None:
    with pytest.raises((ValidationError, BigpriorError), match=next(iter(wrong))):
        InversionSettings(**wrong)


def test_an_optimizer_or_a_layer_that_is_not_there(tiny_generator: PGGAN) -> None:
    with pytest.raises(SettingsError, match="adam, "):
        GANPrior(tiny_generator, InversionSettings(optimizer="adagrad"))
    with pytest.raises(SettingsError, match="composing layer is 7: this generator splits at 0 to 6"):
        GANPrior(tiny_generator, InversionSettings(layer=7))


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (1, 3, 16, 15), (1, 1, 16, 16)])
def test_another_size_or_kind_of_measurement_is_refused(tiny_generator: PGGAN, shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="16x16: use AnySize" if shape[1] == 3 else "denoising takes"):
        GANPrior(tiny_generator, QUICK).project(Denoising().measure(torch.rand(shape)))


def test_the_best_of_a_few_starts_is_each_pictures_own(tiny_generator: PGGAN) -> None:
    """The pictures of two known draws begin at those draws."""
    settings = QUICK.model_copy(update={"starts": 4, "steps": 1, "codes": 1, "layer": 0, "lr": 1e-9, "alpha_lr": 1e-9})
    rng = torch.Generator().manual_seed(6)
    draws = torch.cat([torch.randn(1, 1, 16, generator=rng) for _ in range(4)])
    with torch.no_grad():
        y = tiny_generator(draws[[2, 0], 0]).clamp(0, 1)
    codes = GANPrior(tiny_generator, settings).project(Denoising().measure(y), seed=6).codes
    torch.testing.assert_close(codes["z"], draws[[2, 0]])


def test_a_budget_ends_an_inversion_but_not_before_its_first_step(tiny_generator: PGGAN) -> None:
    settings = QUICK.model_copy(update={"steps": 100_000, "budget_s": 0.3})
    result = GANPrior(tiny_generator, settings).project(Denoising().measure(reachable(tiny_generator)))
    assert result.history is not None and 1 < len(result.history) < 100_000
    assert result.history[-1].mean() < result.history[0].mean()
    short = GANPrior(tiny_generator, settings.model_copy(update={"budget_s": 1e-9}))
    history = short.project(Denoising().measure(reachable(tiny_generator))).history
    assert history is not None and len(history) == 1


def test_tiles_share_one_budget(tiny_generator: PGGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float | None] = []
    plain = GANPrior.project

    def project(self: GANPrior, *arguments: object, **options: object) -> object:
        given.append(self.settings.budget_s)
        return plain(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(GANPrior, "project", project)
    prior = GANPrior(tiny_generator, QUICK.model_copy(update={"budget_s": 6.0, "steps": 1}))
    AnySize(prior, 16, overlap=0, batch=2).project(Denoising().measure(torch.rand(1, 3, 16, 48)))
    assert given == pytest.approx([4.0, 2.0])
    assert prior.settings.budget_s == 6.0


def test_what_a_measurement_does_not_see_stays_near_the_encoders_picture(tiny_generator: PGGAN) -> None:
    encoder = CodeEncoder(16, 3, 2, 16, tiny_generator.channels_at(2), width=4, hidden=8)
    y = Colorization().f(reachable(tiny_generator))

    def colours(settings: InversionSettings) -> tuple[Tensor, Tensor]:
        prior = GANPrior(tiny_generator, settings, encoder=encoder)
        start = prior.compose(*encoder(Colorization().measure(y))).detach()
        result = prior.project(Colorization().measure(y))
        moved = (result.image - start) - Colorization().f(result.image - start)
        assert result.history is not None
        assert (result.history[-1] < result.history[0]).all()
        return moved.square().mean(), (Colorization().f(result.image) - y).square().mean()

    settings = QUICK.model_copy(update={"steps": 40, "code_every": 0})
    (free, fitted), (held, also) = (colours(settings.model_copy(update={"unseen": w})) for w in (0.0, 1.0))
    assert held < 0.5 * free
    assert also < 2 * fitted + 1e-3


def test_pictures_with_noise_levels_of_their_own_stop_at_their_own(tiny_generator: PGGAN) -> None:
    """The last one's noise is told to be none, so that it is fitted to the end."""
    y = reachable(tiny_generator, 1).repeat(3, 1, 1, 1)
    prior = GANPrior(tiny_generator, QUICK.model_copy(update={"steps": 60, "decay": False}))
    result = prior.project(Denoising(torch.tensor([0.25, 0.2, 0.0])).measure(y))
    residual = (result.image - y).square().flatten(1).mean(1)
    assert residual[0] <= 0.25**2 and residual[1] <= 0.2**2
    assert residual[2] < residual[1] < residual[0]
    alone = prior.project(Denoising().measure(y[:1]))
    torch.testing.assert_close(result.image[2:], alone.image, atol=1e-4, rtol=0)


# Latent spaces, and encoders of a generator's own


@pytest.mark.parametrize("name", ["stylegan", "stylegan2"])
def test_a_generator_with_styles_is_inverted_in_the_space_that_settings_name(small, name: str) -> None:  # type: ignore[no-untyped-def]
    generator, settings = small(name), QUICK.model_copy(update={"codes": 2, "layer": 1, "latent": "w+"})
    result = GANPrior(generator, settings).project(Denoising().measure(torch.rand(1, 3, 16, 16)))
    assert result.codes["z"].shape == (1, 2, generator.styles * generator.w_dim)
    assert generator.latent == "z"


def test_a_generator_without_styles_has_no_such_space(tiny_generator: PGGAN) -> None:
    GANPrior(tiny_generator, QUICK.model_copy(update={"latent": "z"}))
    with pytest.raises(SettingsError, match=r"latent is 'w\+': PGGAN has no styles"):
        GANPrior(tiny_generator, QUICK.model_copy(update={"latent": "w+"}))


@pytest.mark.parametrize("name", ["cvae-gan", "taesd"])
def test_a_generators_own_encoder_says_where_its_inversions_begin(small, name: str) -> None:  # type: ignore[no-untyped-def]
    generator = small(name)
    y = torch.rand(2, 3, 16, 16)
    still = QUICK.model_copy(update={"codes": 2, "layer": 1, "steps": 1, "lr": 1e-9, "alpha_lr": 1e-9})
    prior = GANPrior(generator, still)
    result = prior.project(Denoising().measure(y))
    with torch.no_grad():
        begun = generator(generator.guess(y))
    torch.testing.assert_close(result.image, begun.clamp(0, 1), atol=1e-4, rtol=0)
    assert not prior.draws
    moved = GANPrior(generator, still.model_copy(update={"steps": 20, "lr": 0.1, "alpha_lr": 0.1}))
    history = moved.project(Denoising().measure(y)).history
    assert history is not None and (history[-1] < history[0]).all()

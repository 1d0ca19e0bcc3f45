"""What every registered generator promises, and a small one with styles, such as a third party may register."""

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Self

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bigprior import registry
from bigprior.degradations import Colorization, Denoising
from bigprior.errors import SettingsError, UnknownNameError
from bigprior.evaluation.metrics import psnr
from bigprior.networks.generators import GENERATORS, PGGAN, FunctionGenerator, Generator, State
from bigprior.presets.importing import import_preset
from bigprior.presets.loading import load_restorer
from bigprior.presets.store import preset
from bigprior.priors.gan import GANPrior
from bigprior.priors.inversion import InversionSettings
from bigprior.registry import Registry


class Styled(Generator):
    """Makes 16x16 pictures of a learned 4x4 map; a style made from the code scales the channels of every layer."""

    resolution, z_dim, layers = 16, 6, 3

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.width = width
        self.constant = nn.Parameter(torch.randn(1, width, 4, 4))
        self.mapping = nn.Linear(self.z_dim, 5)
        self.scales = nn.ModuleList(nn.Linear(5, width) for _ in range(self.layers))
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(self.layers))
        self.output = nn.Conv2d(width, 3, 1)

    @property
    def settings(self) -> dict[str, int]:
        return {"width": self.width}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        network = cls(state["constant"].shape[1])
        network.load_state_dict(dict(state))
        return network

    def channels_at(self, layer: int) -> int:
        self.checked(layer)
        return self.width

    def first(self, z: Tensor, layer: int) -> State:
        style = self.mapping(z).tanh()
        return State(self._through(self.constant.expand(len(z), -1, -1, -1), style, 0, self.checked(layer)), style)

    def second(self, state: State, layer: int) -> Tensor:
        assert state.style is not None
        maps = self._through(state.features, state.style, self.checked(layer), self.layers)
        return self.output(maps).sigmoid()

    def _through(self, x: Tensor, style: Tensor, start: int, end: int) -> Tensor:
        for i in range(start, end):
            x = F.softplus(self.convolutions[i](x * (1 + self.scales[i](style))[:, :, None, None]))
            x = F.interpolate(x, scale_factor=2) if i < 2 else x
        return x


def built(name: str, small: Callable[[str], Generator]) -> Generator:
    """A small network of a registered architecture, one with styles, or a function."""
    if name == "styled":
        torch.manual_seed(2)
        network = Styled().eval()
        with torch.no_grad():  # a code is to matter
            for linear in (network.mapping, *network.scales):
                linear.weight.mul_(4)
        return network
    if name == "function":
        torch.manual_seed(4)
        layers = (nn.Unflatten(1, (6, 1)), nn.Flatten(), nn.Linear(6, 24), nn.Tanh(), nn.Linear(24, 3 * 8 * 8))
        return FunctionGenerator(
            nn.Sequential(nn.Flatten(), *layers, nn.Tanh(), nn.Unflatten(1, (3, 8, 8))), (2, 3), (-1, 1)
        )
    return small(name)


@pytest.fixture(params=[*sorted(GENERATORS), "styled", "function"])
def generator(request: pytest.FixtureRequest, small: Callable[[str], Generator]) -> Generator:
    """Every kind of generator."""
    return built(request.param, small)


@pytest.fixture(params=[*sorted(GENERATORS), "styled"])
def stored(request: pytest.FixtureRequest, small: Callable[[str], Generator]) -> Generator:
    """Every kind that a file of weights can hold."""
    return built(request.param, small)


def codes_of(generator: Generator, count: int = 2, seed: int = 3) -> Tensor:
    return generator.draw(count, torch.Generator().manual_seed(seed))


# Shapes, range, determinism


@torch.no_grad()
def test_pictures_have_their_side_and_range_and_codes_their_length(generator: Generator) -> None:
    z = codes_of(generator, 8)
    assert z.shape == (8, generator.z_dim)
    image = generator(z)
    assert image.shape == (8, 3, generator.resolution, generator.resolution)
    assert image.dtype == torch.float32 and image.isfinite().all()
    assert image.flatten(1).std(1).min() > 0.01 and (image[0] - image[1]).abs().max() > 0.05
    assert image.min() > -9 and image.max() < 10  # untrained networks with a linear output stray, not by a scale


@torch.no_grad()
def test_a_code_gives_the_same_picture_whatever_else_happens(generator: Generator) -> None:
    z = codes_of(generator)
    first = generator(z)
    torch.manual_seed(99)
    assert torch.equal(generator(z), first)
    assert torch.equal(codes_of(generator), z) and not torch.equal(codes_of(generator, seed=4), z)


@torch.no_grad()
def test_a_picture_does_not_depend_on_its_batch(generator: Generator) -> None:
    z = codes_of(generator, 3)
    torch.testing.assert_close(generator(z), torch.cat([generator(c[None]) for c in z]), atol=1e-5, rtol=0)


# Splits and composition


@torch.no_grad()
def test_it_can_be_split_at_every_layer(generator: Generator) -> None:
    z = codes_of(generator)
    whole = generator(z)
    for layer in range(generator.layers + 1):
        state = generator.first(z, layer)
        assert state.features.shape[:2] == (2, generator.channels_at(layer))
        assert state.style is None or len(state.style) == 2
        assert torch.equal(generator.second(state, layer), whole)


@torch.no_grad()
def test_it_goes_from_layer_to_layer_if_it_says_so(generator: Generator) -> None:
    z, last = codes_of(generator), generator.layers
    for layer in range(last + 1):
        state = generator.first(z, layer)
        assert torch.equal(generator.through(state, layer, layer).features, state.features)
        if generator.stepwise:
            on = generator.through(state, layer, last)
            torch.testing.assert_close(generator.second(on, last), generator(z), atol=1e-5, rtol=1e-5)
        elif layer < last:
            with pytest.raises(SettingsError, match="expected a stepwise generator"):
                generator.through(state, layer, last)


@torch.no_grad()
def test_what_it_guesses_of_its_pictures_are_codes(generator: Generator) -> None:
    pictures = generator(codes_of(generator)).clamp(0, 1)
    guessed = generator.guess(pictures)
    assert guessed is None or guessed.shape == codes_of(generator).shape


@pytest.mark.parametrize("off", [-1, 1])
def test_a_layer_that_is_not_there_is_refused(generator: Generator, off: int) -> None:
    layer = -1 if off < 0 else generator.layers + 1
    for ask in (
        lambda: generator.channels_at(layer),
        lambda: generator.first(torch.zeros(1, generator.z_dim), layer),
        lambda: generator.second(generator.first(torch.zeros(1, generator.z_dim), 0), layer),
    ):
        with pytest.raises(SettingsError, match=f"layer is {layer}: .* 0 to {generator.layers}"):
            ask()


def composed(generator: Generator, z: Tensor, alpha: Tensor, layer: int) -> Tensor:
    """Pictures of codes (B, N, z_dim), weighted by alpha (B, N, C)."""
    prior = GANPrior(generator, InversionSettings(codes=z.shape[1], layer=layer))
    with torch.no_grad():
        return prior.compose(z, alpha)


def test_one_code_of_weight_one_composes_to_its_own_picture(generator: Generator) -> None:
    z = codes_of(generator)
    with torch.no_grad():
        whole = generator(z)
    for layer in range(generator.layers + 1):
        alone = composed(generator, z[:, None], torch.ones(2, 1, generator.channels_at(layer)), layer)
        torch.testing.assert_close(alone, whole, atol=1e-6, rtol=1e-5)


def test_the_order_of_codes_is_of_no_consequence_and_each_has_its_weight(generator: Generator) -> None:
    z = codes_of(generator, 6).view(2, 3, -1)
    for layer in range(generator.layers + 1):
        alpha = torch.rand(2, 3, generator.channels_at(layer)) + 0.5
        image = composed(generator, z, alpha, layer)
        torch.testing.assert_close(composed(generator, z.flip(1), alpha.flip(1), layer), image, atol=1e-5, rtol=1e-4)
        without = alpha.clone()
        without[:, 2] = 0
        other = torch.cat([z[:, :2], codes_of(generator, 2, seed=8)[:, None]], 1)
        torch.testing.assert_close(
            composed(generator, other, without, layer), composed(generator, z, without, layer), atol=1e-5, rtol=1e-4
        )


def test_codes_that_all_pictures_share_pass_once(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    prior = GANPrior(generator, InversionSettings(codes=3, layer=min(1, generator.layers)))
    z, alpha = (
        codes_of(generator, 3)[None].repeat(4, 1, 1),
        torch.rand(4, 3, generator.channels_at(prior.settings.layer)),
    )
    apart = torch.cat([prior.compose(z[:1], weights[None]) for weights in alpha])
    counts, plain = list[int](), generator.first
    monkeypatch.setattr(generator, "first", lambda z, layer: counts.append(len(z)) or plain(z, layer))
    torch.testing.assert_close(prior.compose(z, alpha), apart, atol=1e-5, rtol=1e-4)
    assert counts == [3]


# On disk


def test_a_round_trip_through_safetensors_is_bit_for_bit(stored: Generator, tmp_path: Path) -> None:
    state, z = stored.state_dict(), codes_of(stored)
    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "generator.safetensors")
    again = type(stored).from_state_dict(load_file(tmp_path / "generator.safetensors")).eval()
    assert again.settings == stored.settings
    assert again.state_dict().keys() == state.keys()
    assert all(torch.equal(again.state_dict()[k], v) for k, v in state.items())
    with torch.no_grad():
        assert torch.equal(again(z), stored(z))


def test_it_is_built_again_from_its_settings(stored: Generator) -> None:
    again, z = type(stored)(**stored.settings), codes_of(stored)
    again.load_state_dict(stored.state_dict())
    with torch.no_grad():
        assert torch.equal(again.eval()(z), stored(z))


@pytest.mark.usefixtures("home")
def test_a_file_of_weights_becomes_a_preset_that_restores(  # type: ignore[no-untyped-def]
    stored: Generator, tmp_path: Path, our_task: str, measure
) -> None:
    name = next((name for name in GENERATORS if GENERATORS[name] is type(stored)), "styled")
    GENERATORS.register(name)(type(stored))
    try:
        save_file({k: v.contiguous() for k, v in stored.state_dict().items()}, tmp_path / "g.safetensors")
        settings = {our_task: {"codes": 2, "layer": 1, "steps": 2}}
        import_preset("theirs", tmp_path / "g.safetensors", architecture=name, settings=settings)
        side = stored.resolution
        y, physics = measure(our_task, 1, side, side + 5)
        restorer = load_restorer("theirs", our_task)
        assert restorer.restore(y, physics).restored.shape == (1, 3, side, side + 5)
        assert preset("theirs").architecture == name
    finally:
        if name == "styled":
            GENERATORS.remove(name)


# Inversion


def test_its_own_sample_is_found_again(generator: Generator) -> None:
    with torch.no_grad():
        y = generator(codes_of(generator))
    layer = min(2, generator.layers)
    settings = InversionSettings(codes=4, layer=layer, steps=300, code_every=1, alpha_lr=0.02, precision="fp32")
    result = GANPrior(generator, settings).project(Denoising().measure(y))
    assert psnr(result.image, y.clamp(0, 1)).min() >= 30
    another = psnr(y.flip(0).clamp(0, 1), y.clamp(0, 1))  # how near any of its pictures would be
    assert (psnr(result.image, y.clamp(0, 1)) >= another + 10).all()


def test_feature_maps_that_are_kept_between_steps_lead_on(generator: Generator) -> None:
    with torch.no_grad():
        y = Colorization().f(generator(codes_of(generator)).clamp(0, 1))
    for every in (0, 3):
        layer = min(1, generator.layers)
        settings = InversionSettings(codes=2, layer=layer, steps=12, code_every=every, precision="fp32")
        prior = GANPrior(generator, settings)
        result = prior.project(Colorization().measure(y))
        assert result.history is not None and (result.history[-1] < result.history[0]).all()
        with torch.no_grad():
            assert torch.equal(prior.compose(**result.codes).clamp(0, 1), result.image)


def test_gradients_are_those_of_differences(generator: Generator) -> None:
    generator = generator.double().requires_grad_(False)
    z = codes_of(generator, 2).double()[None].requires_grad_()
    for layer in (0, generator.layers):
        alpha = (torch.rand(1, 2, generator.channels_at(layer)).double() + 0.5).requires_grad_()
        prior = GANPrior(generator, InversionSettings(codes=2, layer=layer))

        def picture(z: Tensor, alpha: Tensor, prior: GANPrior = prior) -> Tensor:
            return prior.compose(z, alpha)[..., ::3, ::3]

        assert torch.autograd.gradcheck(picture, (z, alpha), fast_mode=True)


# The registry


def test_a_third_party_adds_one_by_registration_or_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("theirs", "bigprior.networks.generators:PGGAN", GENERATORS.group)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == "bigprior.generators" else [])
    theirs = Registry[type[Generator]](GENERATORS.kind, GENERATORS.group)
    assert theirs["theirs"] is PGGAN
    GENERATORS.register("styled")(Styled)
    try:
        assert GENERATORS["styled"] is Styled
    finally:
        GENERATORS.remove("styled")
    with pytest.raises(UnknownNameError, match=r"unknown generator 'styled': the known ones are .*pggan"):
        GENERATORS["styled"]


def test_what_lacks_a_half_is_no_generator() -> None:
    class Half(Generator):
        def second(self, state: State, layer: int) -> Tensor:
            return state.features

    with pytest.raises(TypeError, match="first"):
        Half()


def test_a_style_is_weighted_by_the_mean_of_its_codes_weights() -> None:
    states = State(torch.randn(2, 3, 8, 4, 4), torch.randn(2, 3, 5, 2))
    alpha = torch.rand(2, 3, 8)
    state = Styled().compose(states, alpha, 1)
    assert state.style is not None and states.style is not None
    for b in range(2):
        features = sum(alpha[b, n].view(8, 1, 1) * states.features[b, n] for n in range(3)) / 3
        style = sum(alpha[b, n].mean() * states.style[b, n] for n in range(3)) / 3
        torch.testing.assert_close(state.features[b], features)
        torch.testing.assert_close(state.style[b], style)

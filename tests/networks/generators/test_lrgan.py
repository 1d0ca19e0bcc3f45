"""LR-GAN's generator: what is pasted where, and the authors' naming."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from bigprior.errors import SettingsError, WeightsError
from bigprior.networks.generators import LRGAN, Generator


@pytest.fixture
def network(small: Callable[[str], Generator]) -> LRGAN:
    """Of three steps, 16x16."""
    generator = small("lr-gan")
    assert isinstance(generator, LRGAN)
    return generator


@torch.no_grad()
def test_a_foreground_without_a_mask_leaves_the_picture_and_a_full_one_replaces_it(network: LRGAN) -> None:
    z = network.draw(2, torch.Generator().manual_seed(0))
    background = network.first(z, 1).features
    mask = network.Gfgm[0]
    mask.weight.zero_()
    mask.bias.fill_(-50)
    torch.testing.assert_close(network(z), (background + 1) / 2)
    mask.bias.fill_(50)
    inside = slice(3, 13)  # of a picture 1.2 times as wide as the foreground
    moved = network.first(z, 2).features
    assert not torch.allclose(moved[..., inside, inside], background[..., inside, inside])
    torch.testing.assert_close(moved[..., 0, :], background[..., 0, :])  # outside of it


@torch.no_grad()
def test_a_foreground_is_moved_along_the_axes_that_the_authors_name(network: LRGAN) -> None:
    """Of the six numbers, the first three are those of the vertical axis."""
    network.Gfgm[0].weight.zero_()
    network.Gfgm[0].bias.fill_(50)
    z = network.draw(1, torch.Generator().manual_seed(0))
    before = network.first(z, 1).features
    network.Gtransform.weight.zero_()
    network.Gtransform.bias.copy_(torch.tensor([1.2, 0, 1, 0, 1.2, 0]))  # looks up lower places: it moves up
    there = (network.first(z, 2).features - before).abs().sum(1)[0] > 1e-6
    assert there[0, 8] and not there[12:].any()


@torch.no_grad()
def test_later_steps_do_not_change_earlier_ones(network: LRGAN) -> None:
    z = network.draw(1, torch.Generator().manual_seed(0))
    other = z.clone()
    other[:, 16:] += 1  # of the last step alone
    for layer in (1, 2):
        assert torch.equal(network.first(z, layer).features, network.first(other, layer).features)
    assert not torch.equal(network(z), network(other))


@torch.no_grad()
def test_the_authors_files_are_of_two_steps_and_may_hold_the_layers_of_more(network: LRGAN) -> None:
    state = {k: v for k, v in network.state_dict().items() if k != "arranged"}
    again = LRGAN.from_state_dict({f"module.{k}": v for k, v in state.items()})
    assert again.settings == network.settings | {"steps": 2}
    z = network.draw(2, torch.Generator().manual_seed(0))
    assert torch.equal(again.first(z[:, :16], 1).features, network.first(z, 1).features)
    with torch.device("meta"):
        names = set(LRGAN().state_dict())
    assert {
        "Gbgc.convt1.weight",
        "Gbgc.bn16.running_var",
        "Gbgi.0.bias",
        "Gfgc.convt16.weight",
        "Gfgi.0.weight",
    } <= names
    assert {"Gfgm.0.bias", "Gtransform.weight", "lstmcell.weight_hh"} <= names and "Gfgi.0.bias" not in names


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resolution": 48}, "resolution is 48"),
        ({"steps": 1}, "steps is 1"),
        ({"background": [4, 4]}, r"background is \[4, 4\]: expected channels of 4 sides"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        LRGAN(**settings)


def test_strangers_are_refused(network: LRGAN) -> None:
    def without(name: str) -> dict[str, Tensor]:
        return {k: v for k, v in network.state_dict().items() if k != name}

    for state, message in (
        ({}, "no transposed convolutions"),
        (without("Gfgc.convt4.weight"), "no transposed convolutions"),
        (without("Gtransform.bias"), r"unexpected 'Gtransform\.bias'"),
        (without("") | {"fc.bias": torch.ones(1)}, r"unexpected 'fc\.bias'"),
    ):
        with pytest.raises(WeightsError, match=message):
            LRGAN.from_state_dict(state)

"""CVAE-GAN's generator: classes, and where its encoder has inversions begin."""

from collections.abc import Callable

import pytest
import torch

from bigprior.errors import SettingsError, WeightsError
from bigprior.networks.generators import CVAEGAN, Generator


@pytest.fixture
def network(small: Callable[[str], Generator]) -> CVAEGAN:
    """Of three classes, 16x16."""
    generator = small("cvae-gan")
    assert isinstance(generator, CVAEGAN)
    return generator


@torch.no_grad()
def test_a_code_is_a_normal_one_and_a_class(network: CVAEGAN) -> None:
    z = network.draw(40, torch.Generator().manual_seed(0))
    assert z.shape == (40, 11) and network.z_dim == 11
    assert set(z[:, 8:].flatten().tolist()) == {0.0, 1.0} and (z[:, 8:].sum(1) == 1).all() and z[:, 8:].any(0).all()
    same = z[:1, :8].repeat(3, 1)
    pictures = network(network.of_class(same, torch.arange(3)))
    assert all(not torch.allclose(pictures[i], pictures[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


@torch.no_grad()
def test_a_guess_is_the_encoders_mean_told_the_shares_of_classes(network: CVAEGAN) -> None:
    pictures = network(network.draw(2, torch.Generator().manual_seed(0)))
    guess = network.guess(pictures)
    shares = network.classify(pictures).softmax(1)
    assert torch.equal(guess[:, 8:], shares)
    mean, log_variance = network.encode(pictures, shares)
    assert torch.equal(guess[:, :8], mean) and log_variance.shape == mean.shape


def test_strangers_are_refused(network: CVAEGAN) -> None:
    state = network.state_dict()
    for wrong, message in (
        ({}, r"no matrix statistics\.weight"),
        ({k: v for k, v in state.items() if not k.startswith("decoder.")}, "not a DCGAN generator"),
        ({k: v for k, v in state.items() if k != "encoder.0.weight"}, r"unexpected 'encoder\.0\.weight'"),
        (state | {"more": torch.ones(1)}, "unexpected 'more'"),
    ):
        with pytest.raises(WeightsError, match=message):
            CVAEGAN.from_state_dict(wrong)
    with pytest.raises(SettingsError, match="classes is 0"):
        CVAEGAN(classes=0)

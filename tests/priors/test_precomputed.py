"""Priors that were computed elsewhere."""

import pytest
import torch

from bigprior.degradations import DEGRADATIONS, Denoising
from bigprior.errors import ImageError
from bigprior.priors.base import Prior
from bigprior.priors.precomputed import PrecomputedPrior


def test_it_gives_what_it_was_given_in_every_task(our_task: str) -> None:
    images, physics = torch.rand(2, 3, 5, 7), DEGRADATIONS[our_task]()
    prior = PrecomputedPrior(images)
    assert isinstance(prior, Prior)
    result = prior.project(physics.measure(torch.rand(2, physics.channels, 5, 7)), seed=3)
    assert torch.equal(result.image, images)
    assert result.codes == {}


@pytest.mark.parametrize("shape", [(1, 3, 5, 7), (3, 3, 5, 7), (2, 3, 7, 5), (2, 3, 1, 1)])
def test_another_number_or_size_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="pass one for each"):
        PrecomputedPrior(torch.rand(2, 3, 5, 7)).project(Denoising().measure(torch.rand(shape)))


@pytest.mark.parametrize("shape", [(2, 1, 5, 7), (2, 4, 5, 7), (2, 3, 5, 7, 1)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="precomputed priors are"):
        PrecomputedPrior(torch.rand(shape)).project(Denoising().measure(torch.rand(2, 3, 5, 7)))


def test_it_moves_with_what_holds_it_and_is_no_weight_of_it() -> None:
    prior = PrecomputedPrior(torch.rand(2, 3, 5, 7))
    assert prior.to("meta").images.device.type == "meta"
    assert not prior.state_dict()

"""Pictures that are no photographs, and noise that is not white."""

import pytest
import torch

from bigprior.evaluation.unlike import drawn, with_other_noise


@pytest.mark.parametrize("number", range(5))
def test_they_are_pictures_and_come_again(number: int) -> None:
    x = drawn(number, 64)
    assert x.shape == (1, 3, 64, 64) and x.min() >= 0 and x.max() <= 1
    assert torch.equal(x, drawn(number, 64)) and not torch.equal(x, drawn(number + 5, 64))
    photo = torch.rand(1, 3, 20, 31)
    y = with_other_noise(photo, number)
    assert y.shape == photo.shape and torch.isfinite(y).all()
    assert torch.equal(y, with_other_noise(photo, number)) and not torch.equal(y, photo)

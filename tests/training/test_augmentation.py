import pytest
import torch

from bigprior.training.augmentation import random_scale, recoloured


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(16, 3, 8, 8, generator=rng())


def test_the_asked_share_gets_other_colours_in_range(pictures: torch.Tensor) -> None:
    before = pictures.clone()
    assert torch.equal(recoloured(pictures, 0, rng()), pictures)
    changed = (recoloured(pictures, 0.5, rng()) != pictures).flatten(1).any(1)
    assert 4 <= int(changed.sum()) <= 12
    all_of_them = recoloured(pictures, 1, rng())
    assert (all_of_them != pictures).flatten(1).any(1).all()
    assert all_of_them.min() >= 0 and all_of_them.max() <= 1
    assert torch.equal(pictures, before)
    assert torch.equal(all_of_them, recoloured(pictures, 1, rng()))


def test_tinted_light_makes_colours_as_sharp_as_luminance() -> None:
    grey = torch.rand(4, 1, 8, 8, generator=rng()).expand(-1, 3, -1, -1)
    out = recoloured(grey, 1, rng())
    light = out / grey
    # torchvision's weights of luminance sum to 0.9999.
    torch.testing.assert_close(light, light[:, :, :1, :1].expand_as(light), atol=1e-3, rtol=0)
    assert light.amax(1).sub(1).abs().max() < 1e-3, "the strongest channel keeps its range"
    assert float((light.amax(1) - light.amin(1)).min()) > 0.05


def test_smaller_copies_come_as_often_as_asked() -> None:
    g = rng()
    scales = [random_scale(0.6, g) for _ in range(500)]
    assert set(scales) == {1.0, 0.75, 0.5}
    assert scales.count(1.0) / 500 == pytest.approx(0.6, abs=0.06)
    assert random_scale(1, g) == 1 and random_scale(0, g) < 1

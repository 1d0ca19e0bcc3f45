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


def test_a_tint_makes_colours_as_sharp_as_luminance() -> None:
    grey = 0.1 + 0.8 * torch.rand(16, 1, 8, 8, generator=rng()).expand(-1, 3, -1, -1)
    out = recoloured(grey, 1, rng())
    tints = torch.stack([out / grey, (1 - out) / (1 - grey)])  # light, paint: one is the same all over a picture
    varies = (tints - tints[..., :1, :1]).abs().amax((2, 3, 4))
    # torchvision's weights of luminance sum to 0.9999.
    assert varies.amin(0).max() < 0.01
    assert set(varies.argmin(0).tolist()) == {0, 1}
    tint = tints[varies.argmin(0), torch.arange(16), :, 0, 0]
    assert (tint.amax(1) - 1).abs().max() < 0.01, "the strongest channel keeps its range"
    assert (tint.amax(1) - tint.amin(1)).min() > 0.05


def test_smaller_copies_come_as_often_as_asked() -> None:
    g = rng()
    scales = [random_scale(0.6, g, 0.25) for _ in range(500)]
    assert scales.count(1.0) / 500 == pytest.approx(0.6, abs=0.06)
    smaller = sorted(scale for scale in scales if scale < 1)
    assert 0.25 < smaller[0] < 0.26 and 0.97 < smaller[-1] < 1
    assert smaller[len(smaller) // 2] == pytest.approx(0.5, abs=0.05), "log-uniform"
    assert random_scale(1, g) == 1 and random_scale(0, g) < 1

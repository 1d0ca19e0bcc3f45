"""Colour for training, against scikit-image's."""

import pytest
import skimage.data
import torch
from skimage.color import rgb2lab

from bigprior.evaluation.metrics import colour_auc
from bigprior.ops.colour import ab_distance, ab_plane, has_colours


def test_it_is_scikit_images() -> None:
    x = torch.rand(2, 3, 20, 30).clamp(0.001)
    theirs = torch.from_numpy(rgb2lab(x.permute(0, 2, 3, 1).double().numpy())[..., 1:]).permute(0, 3, 1, 2)
    torch.testing.assert_close(ab_plane(x).double(), theirs, atol=2e-2, rtol=0)


def test_its_distance_is_what_the_auc_falls_short_of() -> None:
    x = torch.rand(1, 3, 40, 40)
    other = (x + 0.2 * torch.rand(1, 3, 40, 40)).clamp(0, 1)
    # Thresholds are whole numbers, 0 to 149: half of one is lost on average.
    assert 100 * (1 - float(ab_distance(other, x))) == pytest.approx(float(colour_auc(other, x)), abs=0.5)


def test_gradients_are_finite_for_black_white_and_the_same_picture() -> None:
    for value in (0.0, 1.0, 0.5):
        x = torch.full((1, 3, 2, 2), value, requires_grad=True)
        ab_distance(x, torch.full((1, 3, 2, 2), value)).sum().backward()
        assert x.grad is not None and x.grad.isfinite().all()


def test_a_toned_picture_has_no_colours_of_its_own() -> None:
    grey = torch.nn.functional.avg_pool2d(torch.rand(1, 1, 90, 120), 5, 1, 2) * 2 - 0.5
    grey = grey.clamp(0, 1)
    sepia = (grey * torch.tensor([1.07, 0.94, 0.72]).view(1, 3, 1, 1) + 0.02).clamp(0, 1)
    cyanotype = torch.cat([grey**2, grey**1.2, 0.3 + 0.7 * grey], dim=1)
    for toned in (grey.expand(1, 3, -1, -1), sepia, cyanotype, (255 * sepia).round() / 255):
        assert not has_colours(toned) and not has_colours(toned[..., :1, :1])
    scan = torch.nn.functional.interpolate(sepia, size=(450, 600), mode="bilinear")
    assert not has_colours((scan + 0.03 * torch.randn_like(scan)).clamp(0, 1))


def test_a_photograph_has_colours_even_where_they_are_few() -> None:
    photo = torch.from_numpy(skimage.data.coffee().copy()).permute(2, 0, 1)[None].float() / 255
    assert has_colours(photo)
    rose = photo.mean(dim=1, keepdim=True).expand(1, 3, -1, -1).clone()
    rose[..., 150:230, 200:280] = photo[..., 150:230, 200:280]  # one cup in a grey picture
    assert has_colours(rose)

"""What users compare with where pictures are blurred or small."""

from __future__ import annotations

import pytest
import torch
from skimage.data import astronaut, coffee

from bigprior.degradations import Deblurring, Demosaicing, Upscaling
from bigprior.evaluation.baselines import BASELINES, choose
from bigprior.evaluation.metrics import psnr, psnr_y


@pytest.mark.parametrize("name", ["bicubic", "wiener", "richardson-lucy", "tv"])
def test_each_improves_on_what_was_measured(name: str) -> None:
    x = torch.from_numpy(coffee()[100:164, 200:264]).permute(2, 0, 1)[None] / 255
    for physics in (Upscaling(2, sigma=0.002), Deblurring(sigma=0.002)):
        if not BASELINES[name].treats(type(physics)):
            continue
        y = physics.f(x) + 0.002 * torch.randn_like(physics.f(x))
        image = BASELINES[name].restore(y, physics, 0.002)
        assert image.shape == x.shape and image.dtype == torch.float32
        assert psnr(image, x) > psnr(physics.g_inv(y), x) + 0.5


def test_each_task_has_its_rows() -> None:
    assert {"bicubic", "tv"} <= set(choose("upscaling")[0]) and "wiener" not in choose("upscaling")[0]
    assert {"wiener", "richardson-lucy", "tv"} <= set(choose("deblurring")[0])


@pytest.mark.parametrize("name", ["malvar", "menon"])
def test_packages_give_mosaics_their_colours(name: str) -> None:
    pytest.importorskip("colour_demosaicing", reason="needs colour-demosaicing: pip install 'bigprior[bench]'")
    x = torch.from_numpy(astronaut()[40:104, 180:244]).permute(2, 0, 1)[None] / 255
    physics = Demosaicing("gbrg", 0.0)
    image = BASELINES[name].restore(physics.f(x), physics, None)
    assert image.shape == x.shape and psnr(image, x) > psnr(physics.g_inv(physics.f(x)), x) + 0.5


def test_luma_is_what_a_grey_picture_is_by_219_of_255() -> None:
    grey, other = torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), 0.6)
    assert float(psnr_y(grey, other)) == pytest.approx(
        float(psnr(grey, other)) - 20 * torch.tensor(219 / 255).log10().item()
    )

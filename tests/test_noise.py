"""How much noise is found, in pictures of every kind that people have."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut
from torch import Tensor

from bigprior.io.arrays import as_picture, to_pil
from bigprior.noise import noise_levels

CLEAN = as_picture(astronaut()[:256, :256] / 255)


def as_jpeg(image: Tensor, quality: int, subsampling: int) -> Tensor:
    file = io.BytesIO()
    to_pil(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return as_picture(np.asarray(Image.open(file)) / 255)


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.2])
@pytest.mark.parametrize("side", [48, 100, 256])
def test_white_noise_is_found(sigma: float, side: int) -> None:
    clean = CLEAN[:, :, 100 : 100 + side, :side]
    level, along_grey = noise_levels(clean + sigma * torch.randn_like(clean))
    assert level.item() == pytest.approx(sigma, rel=0.06)
    assert torch.equal(along_grey, level)


@pytest.mark.parametrize("sigma", [0.06, 0.1, 0.2])
def test_noise_of_grey_pictures_is_found(sigma: float) -> None:
    grey = CLEAN.mean(dim=1, keepdim=True)
    y = (grey + sigma * torch.randn_like(grey)).expand(-1, 3, -1, -1)
    level, along_grey = noise_levels(y)
    assert level.item() == pytest.approx(sigma, rel=0.1)
    assert along_grey.item() == pytest.approx(3**0.5 * level.item())
    told, along_grey = noise_levels(y, sigma)
    assert told.item() == pytest.approx(sigma) and along_grey.item() == pytest.approx(3**0.5 * sigma)


@pytest.mark.parametrize("quality", [75, 85, 95])
def test_noise_is_found_where_colours_were_kept_at_half_the_resolution(quality: int) -> None:
    sigma = 25 / 255
    y = as_jpeg(CLEAN + sigma * torch.randn_like(CLEAN), quality, subsampling=2)
    left = float((y - CLEAN).mean(dim=1).std())
    level, along_grey = noise_levels(y)
    assert level.item() == pytest.approx(left, rel=0.15)
    assert along_grey.item() == pytest.approx(3**0.5 * level.item())
    assert noise_levels(y, sigma)[1].item() == pytest.approx(sigma)  # what a person says is not corrected


def test_hardly_any_noise_is_found_in_clean_pictures() -> None:
    for y in (CLEAN, as_jpeg(CLEAN, 90, subsampling=2), CLEAN.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)):
        assert noise_levels(y)[1].item() < 4 / 255


def test_pictures_are_looked_at_one_by_one() -> None:
    white = CLEAN + 0.1 * torch.randn_like(CLEAN)
    grey = white[:, :1].expand(-1, 3, -1, -1)
    both = noise_levels(torch.cat([white, grey]))
    for together, alone in zip(both, zip(noise_levels(white), noise_levels(grey), strict=True), strict=True):
        assert together.tolist() == pytest.approx([float(level) for level in alone])

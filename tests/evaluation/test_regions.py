"""Scores of a part of a picture alone."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from bigprior.evaluation.metrics import lpips, psnr, ssim
from bigprior.evaluation.regions import region_scores


def pictures(side: int = 48) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    truth = torch.nn.functional.interpolate(torch.rand(1, 3, 6, 6, generator=rng), size=(side, side), mode="bicubic")
    image = (truth + 0.1 * torch.randn(truth.shape, generator=rng)).clamp(0, 1)
    return (255 * image).round() / 255, (255 * truth.clamp(0, 1)).round() / 255


def test_of_a_whole_picture_they_are_the_picture_s() -> None:
    image, truth = pictures()
    scores = region_scores(image, truth, torch.ones(1, 1, 48, 48))
    assert scores["psnr"] == pytest.approx(float(psnr(image, truth)), abs=1e-4)
    # The mean of the whole map has the borders too, which the picture's own score leaves out.
    a, b = ((255 * x[0].permute(1, 2, 0)).numpy().astype(np.uint8) for x in (image, truth))
    _, full = structural_similarity(a, b, channel_axis=2, data_range=255, full=True)
    assert scores["ssim"] == pytest.approx(float(full.mean()), abs=1e-6)
    assert full[3:-3, 3:-3].mean() == pytest.approx(float(ssim(image, truth)), abs=1e-6)
    assert scores["lpips"] == pytest.approx(float(lpips(image, truth)), rel=0.1)


def test_what_is_elsewhere_does_not_count() -> None:
    image, truth = pictures()
    region = torch.zeros(1, 1, 48, 48)
    region[..., 4:12, 4:12] = 1
    before = region_scores(image, truth, region)
    image[..., 30:, 30:] = truth[..., 30:, 30:]
    after = region_scores(image, truth, region)
    assert after["psnr"] == before["psnr"] and after["ssim"] == before["ssim"]
    assert after["lpips"] == pytest.approx(before["lpips"], rel=0.15)  # which sees far around a pixel
    same = region_scores(image, truth, 1 - (region + 1).clamp(max=1) + (image == truth).all(1, keepdim=True).float())
    assert same["psnr"] == math.inf


def test_a_tiny_picture_has_no_more_than_its_error() -> None:
    image, truth = pictures(6)
    scores = region_scores(image, truth, torch.ones(1, 1, 6, 6))
    assert math.isnan(scores["ssim"]) and math.isnan(scores["lpips"]) and scores["psnr"] > 10

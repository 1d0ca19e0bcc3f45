"""Each metric against another library, or against the formula written out another way."""

import math

import numpy as np
import pytest
import torch
from skimage import data
from skimage.color import rgb2lab

from bigprior.evaluation import metrics
from bigprior.ops.perceptual import lpips_network


@pytest.fixture(scope="module")
def pair():
    """A photograph (2, 3, 96, 96) and a noisy copy, both 8-bit values in [0, 1]."""
    photo = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None].float() / 255
    truth = torch.cat([photo[:, :, 20:116, 180:276], photo[:, :, 300:396, 200:296]])
    noise = 0.08 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    return (truth + noise).clamp(0, 1).mul(255).round() / 255, truth


def test_psnr_is_the_formula(pair):
    image, truth = pair
    expected = [-10 * math.log10(float(((a - b).double() ** 2).mean())) for a, b in zip(image, truth, strict=True)]
    assert metrics.psnr(image, truth).tolist() == pytest.approx(expected, abs=1e-6)
    assert torch.isinf(metrics.psnr(truth, truth)).all()


def test_ssim_is_the_formula(pair):
    def reference(a, b):
        """Wang et al. (2004) with a 7x7 uniform window inside the picture, unbiased variances, on 0..255."""
        a, b = (x.double().mul(255).round().numpy() for x in (a, b))
        n = 49

        def windows(x):
            return np.lib.stride_tricks.sliding_window_view(x, (7, 7), axis=(1, 2)).reshape(3, -1, n)

        wa, wb = windows(a), windows(b)
        ma, mb = wa.mean(2), wb.mean(2)
        va, vb = wa.var(2, ddof=1), wb.var(2, ddof=1)
        cov = ((wa - ma[..., None]) * (wb - mb[..., None])).sum(2) / (n - 1)
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        return ((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean()

    image, truth = pair
    expected = [reference(a, b) for a, b in zip(image, truth, strict=True)]
    assert metrics.ssim(image, truth).tolist() == pytest.approx(expected, abs=1e-6)
    assert metrics.ssim(truth, truth).tolist() == [1.0, 1.0]


def test_ssim_of_a_tiny_picture_is_unknown():
    assert math.isnan(metrics.ssim(torch.rand(1, 3, 5, 40), torch.rand(1, 3, 5, 40))[0])


def test_auc_counts_pixels_within_each_threshold(pair):
    image, truth = pair
    for i in range(len(truth)):
        lab = [rgb2lab(x[i].permute(1, 2, 0).double().numpy()) for x in (image, truth)]
        distance = np.linalg.norm(lab[0][..., 1:] - lab[1][..., 1:], axis=2)
        expected = 100 * sum((distance <= t).mean() for t in range(150)) / 150
        assert float(metrics.colour_auc(image[i : i + 1], truth[i : i + 1])) == pytest.approx(expected, abs=1e-9)
    assert metrics.colour_auc(truth, truth).tolist() == [100.0, 100.0]


def test_auc_does_not_hang_on_the_last_bit_of_a_white_pixel():
    white = torch.ones(1, 3, 8, 8)
    assert metrics.colour_auc(white - torch.tensor([0, 2e-7, 4e-7]).view(1, 3, 1, 1), white).item() == 100
    assert metrics.colour_auc(white - torch.tensor([0, 0, 1 / 255]).view(1, 3, 1, 1), white).item() < 100


def test_lpips_is_the_packages_forward_with_the_embedded_trunk(pair):
    image, truth = pair
    ours = metrics.lpips(image, truth)
    assert metrics.lpips(truth, truth).tolist() == [0.0, 0.0]
    assert (ours > 0.01).all()
    worse = (truth + 3 * (image - truth)).clamp(0, 1)
    assert (metrics.lpips(worse, truth) > ours).all()
    assert torch.isnan(metrics.lpips(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16))).all()


def test_lpips_with_full_precision_weights_agrees(pair, shared):
    from lpips import LPIPS
    from safetensors.torch import load_file

    trunk = load_file(shared / "weights" / "alexnet_features.safetensors")
    network = lpips_network(torch.device("cpu"))
    assert isinstance(network, LPIPS)
    before = metrics.lpips(*pair)
    embedded = {k: v.clone() for k, v in network.net.state_dict().items()}
    network.net.load_state_dict({k: trunk["features." + k.split(".", 1)[1]] for k in embedded})
    try:
        assert metrics.lpips(*pair).tolist() == pytest.approx(before.tolist(), abs=2e-4)
    finally:
        network.net.load_state_dict(embedded)


@pytest.mark.parametrize("name", metrics.METRICS)
def test_every_metric_clips_and_scores_each_picture_alone(name, pair):
    image, truth = pair
    metric = metrics.METRICS[name]
    wild = torch.where(truth == 1, 1.5, truth)
    assert torch.equal(metric(wild, truth), metric(truth, truth))
    both = metric(image, truth)
    assert both.dtype == torch.float64
    assert both.shape == (2,)
    assert float(metric(image[1:], truth[1:])) == pytest.approx(float(both[1]), abs=1e-6)

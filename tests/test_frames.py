"""The properties of every frame, and Haar against another library's."""

import numpy as np
import pytest
import pywt
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bigprior.degradations import DEGRADATIONS
from bigprior.errors import UnknownNameError
from bigprior.frames import FRAMES, WaveletFrame, frame
from bigprior.ops.colour import LUMINANCE

every = pytest.mark.parametrize("name", sorted(FRAMES))


@every
@settings(max_examples=25)
@given(height=st.integers(1, 150), width=st.integers(1, 150), seed=st.integers(0, 2**31))
@example(height=1, width=1, seed=0)
@example(height=64, width=128, seed=0)
def test_it_comes_back_and_keeps_its_energy_at_any_size(name: str, height: int, width: int, seed: int) -> None:
    x = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    w = frame(name)
    bands = w.analyse(x)
    torch.testing.assert_close(w.synthesise(bands, height, width), x, atol=2e-6, rtol=1e-6)
    energy = sum(float(band.double().square().sum()) for band in bands)
    assert energy == pytest.approx(float(x.double().square().sum()), rel=1e-6)
    for band, described in zip(bands, w.bands, strict=True):
        step = max(b.step for b in w.bands)
        size = [-(-side // step) * step // described.step for side in (height, width)]
        assert band.shape == (2, described.channels, *size)


@every
def test_synthesis_is_the_transpose_of_analysis(name: str) -> None:
    """<W x, c> = <x, W^T c> for any coefficients, also by automatic differentiation."""
    w, x = frame(name), torch.randn(1, 3, 30, 70, requires_grad=True)
    bands = w.analyse(x)
    c = [torch.randn_like(band) for band in bands]
    sum((a * b).sum() for a, b in zip(bands, c, strict=True)).backward()
    torch.testing.assert_close(x.grad, w.synthesise(c, 30, 70), atol=1e-5, rtol=1e-5)


@every
def test_white_noise_stays_white(name: str) -> None:
    noise = torch.randn(4, 3, 128, 128, generator=torch.Generator().manual_seed(6))
    for band in frame(name).analyse(noise)[:1]:
        flat = band.transpose(0, 1).flatten(1)
        covariance = flat @ flat.T / flat.shape[1]
        torch.testing.assert_close(covariance, torch.eye(len(flat)), atol=0.05, rtol=0)


@every
def test_a_window_has_the_coefficients_of_the_picture(name: str) -> None:
    w, x = frame(name), torch.rand(1, 3, 192, 256)
    for whole, part, band in zip(w.analyse(x), w.analyse(x[..., 64:, 128:]), w.bands, strict=True):
        torch.testing.assert_close(part, whole[..., 64 // band.step :, 128 // band.step :], atol=1e-5, rtol=0)


@pytest.mark.parametrize("levels", [1, 3])
def test_the_wavelets_are_those_of_pywavelets(levels: int) -> None:
    grey = torch.rand(1, 1, 16, 24)
    bands = WaveletFrame(levels).analyse(grey.expand(-1, 3, -1, -1))
    average, *details = pywt.wavedec2(grey[0, 0].double().numpy(), "haar", level=levels)
    np.testing.assert_allclose(bands[-1][0, 0], average * 3**0.5, atol=1e-5)
    for band, detail in zip(bands[:-1], reversed(details), strict=True):
        assert band[:, 3:].abs().max() < 1e-6  # a grey picture has no colour
        theirs = sorted(np.abs(part).sum() for part in detail)
        ours = sorted(float(part.abs().sum()) / 3**0.5 for part in band[0, :3])
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_luminance_is_along_that_of_the_degradation() -> None:
    x = torch.rand(1, 3, 5, 6)
    luminance, chrominance = frame("luminance").analyse(x)
    length = float(torch.tensor(LUMINANCE).norm())
    torch.testing.assert_close(luminance.abs() * length, DEGRADATIONS["colorization"]().f(x), atol=1e-6, rtol=1e-5)
    assert chrominance.shape == (1, 2, 5, 6)


def test_every_degradation_names_a_frame_and_bands_of_it() -> None:
    for degradation in DEGRADATIONS.values():
        kinds = {band.kind for band in frame(degradation.frame).bands}
        assert set(degradation.measured) <= kinds


def test_an_unknown_frame_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="wavelet"):
        frame("fourier")

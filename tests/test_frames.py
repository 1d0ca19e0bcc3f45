"""The properties of every frame, and Haar against another library's."""

import numpy as np
import pytest
import pywt
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bigprior.degradations import DEGRADATIONS
from bigprior.errors import UnknownNameError
from bigprior.frames import FRAMES, UndecimatedFrame, WaveletFrame, frame
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
        if described.side > described.step:  # on the corners of the pixels
            size = [height + 1, width + 1]
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
    for band, described in zip(frame(name).analyse(noise)[:1], frame(name).bands, strict=False):
        overlap = described.side // described.step
        flat = overlap * band.transpose(0, 1).flatten(1)
        covariance = flat @ flat.T / flat.shape[1]
        torch.testing.assert_close(covariance, torch.eye(len(flat)), atol=0.05, rtol=0)


@every
def test_a_window_has_the_coefficients_of_the_picture(name: str) -> None:
    w, x = frame(name), torch.rand(1, 3, 192, 256)
    for whole, part, band in zip(w.analyse(x), w.analyse(x[..., 64:, 128:]), w.bands, strict=True):
        edge = band.side // 2 if band.side > band.step else 0  # what goes on beyond a window's edge is its mirror image
        theirs = whole[..., 64 // band.step :, 128 // band.step :]
        torch.testing.assert_close(part[..., edge:, edge:], theirs[..., edge:, edge:], atol=1e-5, rtol=0)


def test_overlapping_wavelets_are_the_mean_of_those_of_every_shift() -> None:
    """Coefficients shrunk by a rule of their size alone: undecimated, and in squares from every corner (circular)."""
    x, levels = torch.rand(1, 3, 8, 8), 2
    mirrored = torch.cat([x, x.flip(2)], dim=2)
    mirrored = torch.cat([mirrored, mirrored.flip(3)], dim=3)
    squares, overlapping = WaveletFrame(levels), UndecimatedFrame(levels)

    def shrunk(c: torch.Tensor, scale: float) -> torch.Tensor:
        return c * (scale * c).square() / ((scale * c).square() + 0.1)

    shifts = [(i, j) for i in range(4) for j in range(4)]
    total = torch.zeros_like(mirrored)
    for shift in shifts:
        bands = squares.analyse(mirrored.roll(shift, (2, 3)))
        back = squares.synthesise([shrunk(c, 1.0) for c in bands], 16, 16)
        total += back.roll((-shift[0], -shift[1]), (2, 3)) / len(shifts)
    # A corner on an edge has half the energy of the others, and one in a corner of the picture a quarter.
    weight = torch.ones(9).index_fill(0, torch.tensor([0, 8]), 2**0.5)
    weight = weight[:, None] * weight
    scales = [band.side for band in overlapping.bands]
    found = [shrunk(c * weight, scale) / weight for c, scale in zip(overlapping.analyse(x), scales, strict=True)]
    torch.testing.assert_close(overlapping.synthesise(found, 8, 8), total[..., :8, :8], atol=1e-5, rtol=0)


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

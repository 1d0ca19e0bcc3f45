"""Bayer mosaics and the classical ways to guess what they lack."""

from __future__ import annotations

import pytest
import torch

from bigprior.ops.mosaic import PATTERNS, bilinear, malvar, shifted, sites


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("guess", [bilinear, malvar])
def test_samples_stay_and_flat_and_slanted_pictures_are_found(guess, pattern: str) -> None:  # type: ignore[no-untyped-def]
    slanted = (torch.arange(9.0)[:, None] + 2 * torch.arange(12.0)).expand(1, 3, 9, 12) / 40
    for x in (torch.full((1, 3, 9, 12), 0.3), slanted):
        where = sites(pattern, 9, 12)
        mosaic = torch.where(where, x, 0.0).sum(dim=1, keepdim=True)
        found = guess(mosaic, pattern)
        assert torch.equal(found[where], x[where])
        torch.testing.assert_close(found[..., 2:-2, 2:-2], x[..., 2:-2, 2:-2], atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (2, 2), (3, 1)])
def test_pictures_too_small_for_all_colours_have_some(size: tuple[int, int]) -> None:
    mosaic = torch.rand(2, 1, *size)
    for guess in (bilinear, malvar):
        assert guess(mosaic, "grbg").shape == (2, 3, *size) and torch.isfinite(guess(mosaic, "grbg")).all()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_they_are_those_of_the_package(pattern: str) -> None:
    package = pytest.importorskip(
        "colour_demosaicing", reason="needs colour-demosaicing: pip install 'bigprior[bench]'"
    )
    mosaic = torch.rand(1, 1, 11, 14, dtype=torch.float64)
    theirs = (package.demosaicing_CFA_Bayer_bilinear, package.demosaicing_CFA_Bayer_Malvar2004)
    for ours, other in zip((bilinear, malvar), theirs, strict=True):
        wanted = torch.from_numpy(other(mosaic[0, 0].numpy(), pattern.upper())).permute(2, 0, 1)[None]
        inside = (..., slice(3, -3), slice(3, -3))
        torch.testing.assert_close(ours(mosaic, pattern)[inside], wanted[inside])


def test_patterns_turn_into_each_other() -> None:
    assert [shifted("rggb", *by) for by in ((0, 0), (0, 1), (1, 0), (1, 1))] == ["rggb", "grbg", "gbrg", "bggr"]

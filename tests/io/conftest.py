"""Random pixels, and what reading a picture file should give."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bigprior.errors import BigpriorError, ImageError
from bigprior.io.pictures import Picture, read_picture


@pytest.fixture(scope="session")
def pixels() -> Callable[..., np.ndarray]:
    """``pixels(*shape, bits=8, seed=0)``: random integers of 8 or 16 bits."""

    def make(*shape: int, bits: int = 8, seed: int = 0) -> np.ndarray:
        kind = np.uint8 if bits == 8 else np.uint16
        return np.random.default_rng(seed).integers(0, 2**bits, shape, dtype=kind)

    return make


@pytest.fixture(scope="session")
def samples_of() -> Callable[[Picture], np.ndarray]:
    """``samples_of(picture)``: the picture as stored, HWC integers, with its alpha."""

    def make(picture: Picture) -> np.ndarray:
        planes = [picture.image[:, :1] if picture.is_grey else picture.image]
        planes += [] if picture.alpha is None else [picture.alpha]
        whole = (torch.cat(planes, 1)[0].permute(1, 2, 0).double() * (2**picture.bits - 1)).numpy()
        assert np.abs(whole - whole.round()).max() < 0.01
        return whole.round().astype(np.uint8 if picture.bits == 8 else np.uint16)

    return make


@pytest.fixture(scope="session")
def assert_reads(samples_of: Callable[[Picture], np.ndarray]) -> Callable[..., Picture]:
    """``assert_reads(path, wanted, bits=8)``: the file holds these samples; gives the picture."""

    def check(path: Path, wanted: np.ndarray, bits: int = 8) -> Picture:
        picture = read_picture(path)
        assert picture.bits == bits
        assert picture.image.dtype == torch.float32
        assert picture.image.shape == (1, 3, *wanted.shape[:2])
        np.testing.assert_array_equal(samples_of(picture), np.atleast_3d(wanted))
        return picture

    return check


@pytest.fixture(scope="session")
def assert_refused() -> Callable[..., None]:
    """``assert_refused(path, *words)``: it cannot be read, and the one line that says so has these words."""

    def check(path: Path, *words: str, error: type[BigpriorError] = ImageError) -> None:
        with pytest.raises(error) as caught:
            read_picture(path)
        message = str(caught.value)
        assert "\n" not in message
        assert all(word in message for word in (*words, path.name)), message

    return check

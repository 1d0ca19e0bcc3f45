"""Kernels of blur and of smaller pictures: by name, by numbers, or in a file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bigprior.errors import BigpriorError, SettingsError
from bigprior.io.pictures import read_picture


def gauss(deviation_px: float) -> Tensor:
    """A Gaussian blur's kernel, (K, K), of a standard deviation in pixels.

    Raises:
        SettingsError: none above 0, or one that no picture survives.
    """
    if not 0 < deviation_px <= 50:
        raise SettingsError(f"gauss is {deviation_px}: expected a standard deviation in pixels, above 0, up to 50")
    radius = max(1, math.ceil(3 * deviation_px))
    line = torch.exp(-torch.arange(-radius, radius + 1).double().square() / (2 * deviation_px**2))
    return normalised(torch.outer(line, line), "gauss")


def motion(length_px: float, angle: float) -> Tensor:
    """The kernel of a straight motion, (K, K): a line of a length in pixels, at an angle in degrees from the right.

    Raises:
        SettingsError: a length that is none.
    """
    if not 1 <= length_px <= 200 or not math.isfinite(angle):
        raise SettingsError(f"motion is {length_px},{angle}: expected a length of 1 to 200 pixels and degrees")
    radius = math.ceil(length_px / 2)
    at = torch.linspace(-(length_px - 1) / 2, (length_px - 1) / 2, 8 * math.ceil(length_px) + 1).double()
    turn = math.radians(angle)
    places = torch.arange(-radius, radius + 1).double()
    # Each point of the line is shared by the pixels around it, as much as it is near to them.
    rows = (1 - (places[:, None] + at * math.sin(turn)).abs()).clamp_min(0)
    columns = (1 - (places[:, None] - at * math.cos(turn)).abs()).clamp_min(0)
    return normalised(rows @ columns.T, "motion")


def shaken(length_px: float, rng: torch.Generator) -> Tensor:
    """The kernel of a camera that was not held still, (K, K): a path of a length in pixels that turns as it likes."""
    steps = 8 * math.ceil(length_px)
    turns = 0.15 * torch.randn(steps, generator=rng, dtype=torch.float64)
    angle = 2 * math.pi * torch.rand((), generator=rng, dtype=torch.float64) + turns.cumsum(0)
    path = torch.stack([angle.sin(), angle.cos()]).cumsum(1) * (length_px / steps)
    path = path - (path.amin(1, keepdim=True) + path.amax(1, keepdim=True)) / 2
    radius = math.ceil(float(path.abs().max())) + 1
    places = torch.arange(-radius, radius + 1).double()
    # Each point of the path is shared by the pixels around it, as much as it is near to them.
    rows, columns = ((1 - (places[:, None] - at).abs()).clamp_min(0) for at in path)
    return normalised(rows @ columns.T, "shake")


def read_kernel(file: Path | str) -> Tensor:
    """The kernel in a file, (K, L): a NumPy array, or a picture whose light is how much.

    Raises:
        SettingsError: no such file, or no kernel in it.
    """
    path = Path(file)
    try:
        if path.suffix.lower() == ".npy":
            values = torch.from_numpy(np.load(path, allow_pickle=False).astype(np.float64))
        else:
            values = read_picture(path).image[0].double().mean(dim=0)
    except (OSError, ValueError, TypeError, BigpriorError) as error:
        why = " ".join(str(error).split())
        raise SettingsError(f"kernel {path} cannot be read ({why}): expected an array in .npy, or a picture") from error
    return normalised(values, f"kernel {path}")


def normalised(kernel: Tensor, name: str) -> Tensor:
    """A kernel (K, L) whose sum is 1.

    Raises:
        SettingsError: another shape, numbers that are none, or a sum of 0 or less.
    """
    kernel = torch.as_tensor(kernel).double()
    if kernel.ndim != 2 or 0 in kernel.shape or not bool(torch.isfinite(kernel).all()) or float(kernel.sum()) <= 0:
        raise SettingsError(f"{name} is {tuple(kernel.shape)}: expected finite numbers (K, L) whose sum is above 0")
    return kernel / kernel.sum()

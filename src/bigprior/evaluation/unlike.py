"""Pictures that are unlike the photographs of a calibration: drawn by a program, or with noise that is not white."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from bigprior.io.arrays import as_picture, to_pil
from bigprior.ops.resampling import resized

_WORDS = ("what", "was", "measured", "and", "made", "up,", "pixel", "by", "pixel", "of", "a", "picture", "no", "camera")


def drawn(number: int, side: int = 256) -> Tensor:
    """A picture that is no photograph, (1, 3, side, side): a chart, a page of text, flat shapes, a ramp, a pattern."""
    rng = np.random.default_rng(number)
    return (_chart, _page, _shapes, _ramp, _pattern)[number % 5](rng, side)


def with_other_noise(x: Tensor, number: int) -> Tensor:
    """A photograph (1, 3, H, W) with noise that is not white: coarse, of light, of single pixels, of rows, a JPEG's."""
    rng = torch.Generator().manual_seed(number)
    kinds: tuple[Callable[[Tensor, torch.Generator], Tensor], ...] = (_coarse, _shot, _pixels, _rows, _jpeg)
    return kinds[number % 5](x, rng)


def _chart(rng: np.random.Generator, side: int) -> Tensor:
    figure = Figure(figsize=(side / 64, side / 64), dpi=64)
    axes = figure.add_subplot()
    for _ in range(int(rng.integers(1, 5))):
        axes.plot(rng.normal(size=40).cumsum())
    axes.bar(range(0, 40, 5), rng.random(8) * 3)
    axes.set_title("figures")
    return _painted(figure, side)


def _page(rng: np.random.Generator, side: int) -> Tensor:
    figure = Figure(figsize=(side / 64, side / 64), dpi=64)
    for line in range(18):
        figure.text(0.03, 0.94 - line / 19, " ".join(rng.choice(_WORDS, 9)), fontsize=7)
    return _painted(figure, side)


def _shapes(rng: np.random.Generator, side: int) -> Tensor:
    x = torch.from_numpy(rng.random(3)).float().view(1, 3, 1, 1).expand(1, 3, side, side).clone()
    rows, columns = np.mgrid[:side, :side]
    for _ in range(int(rng.integers(4, 12))):
        (top, left), radius = rng.integers(0, side, 2), int(rng.integers(side // 16, side // 4))
        inside = torch.from_numpy(np.hypot(rows - top, columns - left) < radius)
        x[0, :, inside] = torch.from_numpy(rng.random(3)).float()[:, None]
    return x


def _ramp(rng: np.random.Generator, side: int) -> Tensor:
    ends = torch.from_numpy(rng.random((1, 3, 2, 2))).float()
    return resized(ends, side, side).clamp(0, 1)


def _pattern(rng: np.random.Generator, side: int) -> Tensor:
    step = int(rng.integers(2, 16))
    squares = (np.add.outer(np.arange(side) // step, np.arange(side) // step) % 2).astype(np.float32)
    colours = torch.from_numpy(rng.random((2, 3, 1, 1))).float()
    return torch.lerp(colours[:1], colours[1:], torch.from_numpy(squares)[None, None])


def _painted(figure: Figure, side: int) -> Tensor:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return as_picture(np.asarray(canvas.buffer_rgba())[:side, :side, :3].copy())


def _sigma(rng: torch.Generator) -> float:
    return (10 + 30 * float(torch.rand((), generator=rng))) / 255


def _coarse(x: Tensor, rng: torch.Generator) -> Tensor:
    noise = torch.randn(1, 3, x.shape[2] // 3 + 1, x.shape[3] // 3 + 1, generator=rng)
    return x + _sigma(rng) * resized(noise, 3 * noise.shape[2], 3 * noise.shape[3])[..., : x.shape[2], : x.shape[3]]


def _shot(x: Tensor, rng: torch.Generator) -> Tensor:
    return x + 2 * _sigma(rng) * x * torch.randn(x.shape, generator=rng)


def _pixels(x: Tensor, rng: torch.Generator) -> Tensor:
    struck = torch.rand(1, 1, *x.shape[2:], generator=rng)
    return torch.where(struck < 0.02, 0.0, torch.where(struck > 0.98, 1.0, x))


def _rows(x: Tensor, rng: torch.Generator) -> Tensor:
    return x + _sigma(rng) * torch.randn(1, 3, x.shape[2], 1, generator=rng)


def _jpeg(x: Tensor, rng: torch.Generator) -> Tensor:
    stored = io.BytesIO()
    to_pil(x).save(stored, "JPEG", quality=10 + int(torch.randint(20, (), generator=rng)))
    return as_picture(Image.open(stored).convert("RGB"))

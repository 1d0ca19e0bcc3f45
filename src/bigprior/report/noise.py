"""What a camera's noise is like, as it was found: in light and dark, in grey and in colours, and how coarse."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from bigprior.networks.noise_estimator import SCALES
from bigprior.noise import Noise

#: Steps of intensity that places are sorted by, and the fewest places that a step's mean is shown of.
_STEPS, _FEWEST = 24, 12
_NAMES = ("grey", "colours")


def noise_figure(noise: Noise, picture: Tensor) -> Figure:
    """Two charts of the noise of one picture: its standard deviation by intensity, and by scale.

    Args:
        noise: with a shape.
        picture: (1, 3, H, W), RGB in [0, 1], in which it was found.

    Raises:
        ValueError: noise without a shape.
    """
    by_intensity, by_scale = noise_curves(noise, picture)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    light, coarse = figure.subplots(1, 2)
    for name, (intensities, levels) in zip(_NAMES, by_intensity, strict=True):
        light.plot(255 * intensities, 255 * levels, marker=".", label=name)
    light.set(
        xlabel="intensity, of 255", ylabel="noise at the finest scale, sigma of 255", title="how much, in which light"
    )
    for name, levels in zip(_NAMES, by_scale, strict=True):
        coarse.plot([2 ** (scale + 1) for scale in range(SCALES)], 255 * levels, marker=".", label=name)
    coarse.set(xlabel="scale, pixels", title="how coarse (white noise: a level line)")
    coarse.set_xscale("log", base=2)
    for axes in (light, coarse):
        axes.set_ylim(bottom=0)
        axes.legend()
    figure.suptitle(f"noise found: sigma {255 * float(noise.sigma):.1f} of 255")
    return figure


def noise_curves(noise: Noise, picture: Tensor) -> tuple[list[tuple[Tensor, Tensor]], list[Tensor]]:
    """The standard deviation of noise in grey and in colours: by intensity, at the finest scale; and by scale.

    Args:
        noise, picture: as for :func:`noise_figure`.

    Returns:
        For each of both, intensities and standard deviations; and standard deviations from the finest scale on; all in
        units of the picture.

    Raises:
        ValueError: noise without a shape.
    """
    variance = _variance(noise)
    intensity = F.adaptive_avg_pool2d(
        picture.mean(dim=1, keepdim=True).clamp(0, 1), (variance.shape[2], variance.shape[3])
    ).flatten()
    step = (intensity * _STEPS).long().clamp_max(_STEPS - 1)
    found = []
    for of_finest in variance[0, :2]:
        places = [step == i for i in range(_STEPS)]
        shown = [inside for inside in places if int(inside.sum()) >= min(_FEWEST, len(intensity))]
        means = [(intensity[i].mean(), of_finest.flatten()[i].mean().sqrt()) for i in shown]
        found.append((torch.stack([x for x, _ in means]), torch.stack([s for _, s in means])))
    by_scale = variance.mean(dim=(0, 2, 3)).sqrt().view(SCALES, 2).T
    return found, list(by_scale)


def noise_map(noise: Noise) -> Tensor:
    """The standard deviation of noise in grey at the finest scale, place by place: (1, 1, h, w) in [0, 1].

    Raises:
        ValueError: noise without a shape.
    """
    return _variance(noise)[:, :1].sqrt()


def _variance(noise: Noise) -> Tensor:
    """The variance of one picture's noise by scale and colour, place by place, (1, 8, h, w)."""
    if noise.shape is None:
        raise ValueError("this noise has no shape to draw")
    return (2 * (noise.shape[:1] + noise.along_grey[:1].log().view(1, 1, 1, 1))).exp()

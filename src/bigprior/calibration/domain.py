"""Whether a picture is like those that calibrated: a guarantee is for pictures that are drawn as they were.

A few cheap numbers of a restoration, such as how sharp it is at several scales and how what was removed from it looks,
and their Mahalanobis distance from those of the calibration's pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bigprior.calibration.signals import Parts, around
from bigprior.ops.colour import luminance
from bigprior.settings import Settings

#: Distances in pixels over which differences are looked at.
_SHIFTS = (1, 2, 4, 8)
#: Pictures that fewer than this share of the calibration's are as far as are called far.
FAR = 0.02
#: What is added to the variances, in units of them, so that few pictures say enough of all of them.
_SHRINK = 0.1


class Domain(Settings):
    """The pictures that calibrated.

    Attributes:
        mean: of the numbers, (K,).
        whitening: what makes their differences from it independent and of variance 1, K rows of K.
        distances: of each picture from the others, sorted.
    """

    mean: list[float]
    whitening: list[list[float]]
    distances: list[float]

    @classmethod
    def of(cls, numbers: Tensor) -> Domain:
        """Of the numbers (n, K) of pictures."""
        mean, whitening = _whitened(numbers)
        distances = []
        for i in range(len(numbers)):  # each by the others, as a new picture is
            others = torch.cat([numbers[:i], numbers[i + 1 :]])
            distances.append(float(_distance(numbers[i : i + 1], *_whitened(others))))
        rows = [[float(f"{x:.5g}") for x in row] for row in whitening.tolist()]
        return cls(
            mean=[float(f"{x:.6g}") for x in mean.tolist()],
            whitening=rows,
            distances=sorted(round(d, 3) for d in distances),
        )

    def distance(self, parts: Parts) -> Tensor:
        """How far each picture is, (N,): about 1 for one as those that calibrated."""
        return self.distance_of(numbers_of(parts))

    def distance_of(self, numbers: Tensor) -> Tensor:
        """The same, by the pictures' numbers (N, K)."""
        return _distance(numbers, *(torch.tensor(x, dtype=torch.float64) for x in (self.mean, self.whitening)))

    def as_far(self, distance: Tensor) -> Tensor:
        """The share of the calibration's pictures, and of this one, that are as far as this, (N,)."""
        known = torch.tensor(self.distances, dtype=torch.float64)
        farther = len(known) - torch.searchsorted(known, distance.double())
        return (1 + farther) / (1 + len(known))


@torch.no_grad()
def numbers_of(parts: Parts) -> Tensor:
    """The numbers that pictures are told apart by, (N, K), in double precision."""
    return torch.stack([torch.stack([x.double() for x in _numbers(parts[i : i + 1])]) for i in range(len(parts.phi))])


def _numbers(parts: Parts) -> list[Tensor]:
    """Of one picture."""
    x = parts.restored.clamp(0, 1)
    grey = luminance(x)
    found = []
    for shift in _SHIFTS:
        difference = _differences(grey, shift).abs()
        level = difference.square().mean().sqrt() + 1e-4
        # How much, how unevenly, and in how many places there is hardly anything.
        found += [level.log(), (difference.mean() / level + 0.02).log(), (difference < 0.004).float().mean()]
    found += [((grey < 0.01) | (grey > 0.99)).float().mean(), grey.mean(), (grey.std(correction=0) + 0.01).log()]
    levels = torch.histc(grey, 64, 0, 1) / grey.numel()
    found += [levels.square().sum().log(), ((x - grey).square().mean().sqrt() + 0.01).log()]
    found += [
        parts.free.mean(),
        around(parts.free, 8)[parts.free > 0].mean() if bool(parts.free.any()) else x.sum() * 0,
    ]
    return found + _of_what_was_removed(parts)


def _of_what_was_removed(parts: Parts) -> list[Tensor]:
    """How the measurement differs from the restored picture: white noise is as much everywhere and alike nowhere."""
    removed = parts.fidelity - parts.restored
    known = (parts.phi.mean(dim=1, keepdim=True) < 1).float() if bool((parts.phi < 1).any()) else parts.free
    removed *= known
    energy = removed.square().mean() + 1e-8
    level = energy.sqrt()
    across, down = (_mean(pairs) / energy for pairs in (removed[..., 1:] * removed[..., :-1], _below(removed)))
    channels = (removed.mean(dim=1).square().mean() / energy).clamp_max(1)
    local = around(removed.square().mean(dim=1, keepdim=True), 4)
    uneven = (local.std(correction=0) / energy + 0.02).log()
    light = around(parts.restored.mean(dim=1, keepdim=True), 4)
    light, strength = light - light.mean(), local - local.mean()
    with_light = (light * strength).sum() / (light.norm() * strength.norm()).clamp_min(1e-12)
    peaked = (removed.abs().mean() / level + 0.02).log()
    return [(level + 1e-3).log(), across, down, channels, uneven, with_light, peaked]


def _below(x: Tensor) -> Tensor:
    """Each pixel times the one below it."""
    return x[..., 1:, :] * x[..., :-1, :]


def _mean(x: Tensor) -> Tensor:
    """The mean of all, and 0 of nothing."""
    return x.sum() / max(1, x.numel())


def _differences(x: Tensor, shift: int) -> Tensor:
    """Of pixels so far apart, along both sides, as one row; of a picture that is smaller, nothing differs."""
    parts = [(x[..., shift:] - x[..., :-shift]).flatten(), (x[..., shift:, :] - x[..., :-shift, :]).flatten()]
    row = torch.cat(parts)
    return row if len(row) else x.new_zeros(1)


def _whitened(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (K,), and the inverse square root of the covariance, (K, K)."""
    numbers = numbers.double()
    mean = numbers.mean(dim=0)
    scale = numbers.std(dim=0).clamp_min(1e-3)
    z = (numbers - mean) / scale
    covariance = z.T @ z / max(1, len(z) - 1)
    covariance = (1 - _SHRINK) * covariance + _SHRINK * torch.eye(len(mean), dtype=torch.float64)
    values, vectors = torch.linalg.eigh(covariance)
    return mean, (vectors / values.sqrt()).T / scale


def _distance(numbers: Tensor, mean: Tensor, whitening: Tensor) -> Tensor:
    z = (numbers.double() - mean) @ whitening.T
    return z.square().mean(dim=1).sqrt()

"""The paper's measurements of pictures that are known, for training and for evaluation.

A picture's noise or mask depends on the protocol, its name and the draw alone, so that every method sees the same
pixels, whichever pictures it is run beside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bigprior.degradations import Colorization, Degradation, Denoising, Inpainting
from bigprior.errors import UnknownNameError
from bigprior.ops.masks import centre_hole, random_boxes

#: Simulates one picture (1, 3, H, W) with the given random numbers.
_One = Callable[[Tensor, torch.Generator], tuple[Tensor, Degradation]]


def _colorization(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    """The paper's grey pictures are 8-bit files whose values were cut, not rounded."""
    physics = Colorization()
    return (physics.f(x) * 255 + 1e-3).floor() / 255, physics


def _denoising(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    """Blind: sigma is a whole number in 5..50 on the 0..255 scale; noise is not clipped."""
    sigma = int(torch.randint(5, 51, (), generator=rng)) / 255
    return x + sigma * torch.randn(x.shape, generator=rng), Denoising(sigma)


def _denoising_25(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    return x + 25 / 255 * torch.randn(x.shape, generator=rng), Denoising(25 / 255)


def _centre(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    physics = Inpainting(centre_hole(x.shape[2], x.shape[3]))
    return physics.f(x), physics


def _boxes(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    physics = Inpainting(random_boxes(x.shape[2], x.shape[3], rng))
    return physics.f(x), physics


#: Every protocol by name.
PROTOCOLS: dict[str, _One] = {
    "colorization": _colorization,
    "denoising": _denoising,
    "denoising-25": _denoising_25,
    "inpainting-centre": _centre,
    "inpainting-boxes": _boxes,
}
#: Those that add noise.
NOISY = ("denoising", "denoising-25")


def simulate(protocol: str, truth: Tensor, names: Sequence[str], draw: int = 0) -> tuple[Tensor, Degradation]:
    """Measure a batch of known pictures.

    Args:
        protocol: a name in :data:`PROTOCOLS`.
        truth: (N, 3, H, W), RGB in [0, 1].
        names: of the pictures, one each: they seed the noise and the masks.
        draw: another number gives other noise and masks.

    Returns:
        The measurements (N, C, H, W), and one degradation for them all. Masks differ from picture to picture; a
        noise level does too, and is not told (the degradation is blind), except for ``denoising-25``.

    Raises:
        UnknownNameError: no such protocol.
    """
    if protocol not in PROTOCOLS:
        raise UnknownNameError("protocol", protocol, list(PROTOCOLS))
    pairs = []
    for x, name in zip(truth.split(1), names, strict=True):
        pairs.append(PROTOCOLS[protocol](x, _rng(protocol, name, draw)))
    physics = pairs[0][1]
    if isinstance(physics, Inpainting):
        physics = Inpainting(torch.cat([p.mask for _, p in pairs if isinstance(p, Inpainting)]))
    elif protocol == "denoising":
        physics = Denoising()
    return torch.cat([y for y, _ in pairs]), physics


def noise_level(protocol: str, name: str, draw: int = 0) -> float:
    """``sigma`` in [0, 1] of the picture called ``name``, for methods that are told.

    Raises:
        UnknownNameError: no such protocol, or one without noise.
    """
    if protocol not in NOISY:
        raise UnknownNameError("noisy protocol", protocol, list(NOISY))
    physics = PROTOCOLS[protocol](torch.zeros(1, 3, 1, 1), _rng(protocol, name, draw))[1]
    assert isinstance(physics, Denoising) and physics.sigma is not None
    return physics.sigma


def _rng(protocol: str, name: str, draw: int) -> torch.Generator:
    digest = hashlib.sha256(f"{protocol}/{name}/{draw}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

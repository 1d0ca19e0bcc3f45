"""A small network that removes Gaussian noise of any level: the engine of the diffusion prior."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import deepinv as dinv
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.degradations import CONDITION_CHANNELS
from bigprior.errors import SettingsError
from bigprior.io.weights import built
from bigprior.ops.winograd import Conv3x3

#: Spread of the pictures' values in [-1, 1], as in EDM.
_SIGMA_DATA = 0.5


class DenoisingUNet(dinv.models.Denoiser):  # type: ignore[misc]  # deepinv publishes no types
    """``D(x, sigma)``, the mean of clean pictures behind a noisy one; a deepinv ``Denoiser``, fully convolutional.

    EDM's preconditioning (Karras et al., NeurIPS 2022, Eq. 7 and Table 1) around a U-Net of residual blocks without
    normalisation. It can be conditioned on what is known exactly
    (:meth:`bigprior.degradations.Degradation.condition`); then it is the mean of the clean pictures that agree with
    that too, and a sampler around it samples from the posterior.

    Args:
        widths: channels from the finest level to the coarsest; each further level halves the side.
        blocks: residual blocks on each side of each level; one number for all, or one a level.
        shuffle: the finest level works on blocks of this side, folded into channels.
        conditional: whether it can be conditioned.
        noise_channels: of a description of noise that is not white, see :meth:`forward`; 0 if it takes none.

    Raises:
        SettingsError: not as many numbers of blocks as levels.
    """

    #: Noise levels, in [0, 1] pictures, beyond which more noise makes no difference, and below which there is none.
    sigma_max, sigma_min = 40.0, 0.001
    condition_channels = CONDITION_CHANNELS

    def __init__(
        self,
        widths: Sequence[int] = (64, 128, 192, 256),
        blocks: int | Sequence[int] = 2,
        shuffle: int = 2,
        conditional: bool = True,
        noise_channels: int = 0,
    ) -> None:
        super().__init__()
        counts = [blocks] * len(widths) if isinstance(blocks, int) else list(blocks)
        if len(counts) != len(widths):
            raise SettingsError(f"blocks are {counts} for {len(widths)} widths: give one number, or one a width")
        self.settings: dict[str, Any] = {
            "widths": list(widths),
            "blocks": blocks if isinstance(blocks, int) else counts,
            "shuffle": shuffle,
            "conditional": conditional,
            "noise_channels": noise_channels,
        }
        #: Channels of what it is conditioned on, and of a description of noise.
        self.condition_channels = CONDITION_CHANNELS if conditional else 0
        self.noise_channels = noise_channels
        self.shuffle = shuffle
        self.step = shuffle * 2 ** (len(widths) - 1)
        convolutions = [4 * n * 2**i for i, n in enumerate(counts[:-1])] + [2 * counts[-1] * 2 ** (len(widths) - 1), 2]
        #: No pixel depends on a pixel this far away; a multiple of the coarsest pixel, ``step``.
        self.receptive_radius = self.step * (math.ceil(shuffle * sum(convolutions) / self.step) + 1)
        noise_width = 128
        self.noise = nn.Sequential(nn.Linear(1, noise_width), nn.SiLU(), nn.Linear(noise_width, noise_width), nn.SiLU())

        def level(i: int) -> nn.Sequential:
            return nn.Sequential(*(_Block(widths[i], noise_width) for _ in range(counts[i])))

        inputs = 3 + self.condition_channels + noise_channels
        self.head = nn.Conv2d(inputs * shuffle**2, widths[0], 3, padding=1)
        *finer, coarsest = range(len(widths))
        self.down = nn.ModuleList(level(i) for i in finer)
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.middle = level(coarsest)
        self.grow = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(level(i) for i in finer)
        self.tail = nn.Conv2d(widths[0], 3 * shuffle**2, 3, padding=1)
        with torch.no_grad():  # the network starts as the best linear denoiser of each level
            for parameter in self.tail.parameters():
                parameter.zero_()

    def forward(
        self,
        x: Tensor,
        sigma: float | Tensor,
        condition: Tensor | None = None,
        noise: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        """Remove noise.

        Args:
            x: (N, 3, H, W), any size, RGB in [0, 1] with noise.
            sigma: standard deviation of the noise, in units of ``x``: a number, or one a picture (N,).
            condition: what is known exactly, (N, :data:`~bigprior.degradations.CONDITION_CHANNELS`, H, W), or None.
            noise: how the noise differs from white noise of ``sigma``, (N, ``noise_channels``, H, W): the logarithm of
                its standard deviation over ``sigma``, in grey and in colours, from the finest scale to the coarsest; or
                None, where it is white.

        Returns:
            The mean clean picture (N, 3, H, W), nominally in [0, 1]; at the most noise with a condition, the
            one-step estimate that was trained by :mod:`bigprior.training.losses`.
        """
        raw, base, out = self.precondition(x, sigma, condition, noise)
        return (base + out * raw + 1) / 2

    def nothing(self, like: Tensor, noise: Tensor | None = None) -> Tensor:
        """What a one-step estimate starts from: a picture that says nothing, as it is at the most noise.

        In a hole that is uniform, features are the same everywhere, and a picture made of them repeats itself at every
        pixel of the coarsest level: what is drawn there has to start from noise.

        Args:
            like: (N, 3, H, W), of which the shape counts.
            noise: as large, white and of variance 1; by default the mean of all is given, which is grey.
        """
        grey = torch.full_like(like, 0.5)
        return grey if noise is None else grey + self.sigma_max * noise

    def precondition(
        self, x: Tensor, sigma: float | Tensor, condition: Tensor | None, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The raw network's answer ``F``, and the ``base`` and ``c_out`` of ``D = base + c_out F``, on [-1, 1].

        Deviates: EDM's base is ``c_skip x``, which shrinks towards grey; where something is known it shrinks towards
        the condition's guess, ``c_skip x + (1 - c_skip) guess``, so that a network that says nothing answers with that.
        """
        count = x.shape[0]  # which an exported graph takes from its input; len() would be a constant there
        level = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).flatten().expand(count)
        s = 2 * level.clamp(self.sigma_min, self.sigma_max).view(-1, 1, 1, 1)
        total = (s**2 + _SIGMA_DATA**2).sqrt()
        seen, guess = [(2 * x - 1) / total], x.new_zeros(count, 3, 1, 1)
        if self.condition_channels:
            if condition is None:
                condition = x.new_zeros(count, self.condition_channels, *x.shape[2:])
            seen.append(condition)
            guess = condition[:, :3]
        if self.noise_channels:
            seen.append(x.new_zeros(count, self.noise_channels, *x.shape[2:]) if noise is None else noise)
        raw = self._network(torch.cat(seen, dim=1), s.log().flatten(1) / 4)
        return raw, torch.lerp(guess, 2 * x - 1, _SIGMA_DATA**2 / total**2), s * _SIGMA_DATA / total

    def _network(self, x: Tensor, noise_level: Tensor) -> Tensor:
        height, width = x.shape[2:]
        noise = self.noise(noise_level)
        x = F.pad(x, (0, -width % self.step, 0, -height % self.step), mode="replicate")
        x = self.head(F.pixel_unshuffle(x, self.shuffle).contiguous(memory_format=torch.channels_last))
        skips = []
        for blocks, shrink in zip(_levels(self.down), self.shrink, strict=True):
            x = _through(blocks, x, noise)
            skips.append(x)
            x = shrink(x)
        x = _through(self.middle, x, noise)
        for blocks, grow, skip in zip(reversed(_levels(self.up)), reversed(self.grow), reversed(skips), strict=True):
            x = _through(blocks, grow(x) + skip, noise)
        return F.pixel_shuffle(self.tail(x), self.shuffle)[:, :, :height, :width].float()

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], settings: Mapping[str, Any]) -> DenoisingUNet:
        """Build the network that ``settings`` describes around ``state``.

        Raises:
            WeightsError: they do not fit each other.
        """
        return built(cls, "a denoising U-Net", state, settings)


class _Block(nn.Module):
    """Two convolutions around a rectifier, whose channels the noise level scales, added to what came in."""

    def __init__(self, width: int, noise_width: int) -> None:
        super().__init__()
        self.first = Conv3x3(width, width)
        self.scale = nn.Linear(noise_width, width)
        self.second = Conv3x3(width, width)
        nn.init.zeros_(self.scale.weight)
        nn.init.zeros_(self.scale.bias)
        # Blocks start near the identity: without normalisation, a deep sum of them would start large.
        with torch.no_grad():
            self.second.weight.mul_(0.3)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """Features (N, C, h, w) and the noise level's embedding (N, D) to features."""
        h = F.relu(self.first(x), inplace=True)
        change: Tensor = self.second(h * (1 + self.scale(noise))[:, :, None, None])
        return x + change


def _levels(levels: nn.ModuleList) -> list[nn.Sequential]:
    return [level for level in levels if isinstance(level, nn.Sequential)]


def _through(blocks: Iterable[nn.Module], x: Tensor, noise: Tensor) -> Tensor:
    for block in blocks:
        x = block(x, noise)
    return x

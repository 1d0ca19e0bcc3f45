"""A generator as inversion sees it: several codes, composed at one of its layers (Gu et al., CVPR 2020; Eq. 13)."""

from __future__ import annotations

import torch
from torch import Tensor

from bigprior.errors import SettingsError
from bigprior.networks.generators.base import Generator, State


class MultiCode:
    """Codes (B, N, z_dim) and channel weights (B, N, C) to pictures; how they compose is the generator's own.

    Args:
        generator: of the pictures.
        codes: ``N``; 1 is single-code inversion.
        layer: ``l``, the composing layer.

    Raises:
        SettingsError: a layer that the generator does not have.
    """

    def __init__(self, generator: Generator, codes: int, layer: int) -> None:
        if layer > generator.layers:
            raise SettingsError(f"composing layer is {layer}: this generator splits at 0 to {generator.layers}")
        self.generator, self.codes, self.layer = generator, codes, layer

    def __call__(self, z: Tensor, alpha: Tensor) -> Tensor:
        """Codes and weights to pictures (B, 3, R, R) (Eq. 13)."""
        return self.picture(self.states(z), alpha)

    def states(self, z: Tensor) -> State:
        """``G_1^(l)`` of every code: (B, N, z_dim) to a state whose tensors begin with (B, N, ...)."""
        if len(z) > 1 and not z.requires_grad and bool((z == z[:1]).all()):  # codes that all pictures share
            return self.states(z[:1]).map(lambda shared: shared.expand(len(z), *shared.shape[1:]))
        states = self.generator.first(z.flatten(0, 1), self.layer)
        return states.map(lambda of_all: of_all.unflatten(0, z.shape[:2]))

    def picture(self, states: State, alpha: Tensor) -> Tensor:
        """``G_2^(l)`` of the composed states: pictures (B, 3, R, R), nominally in [0, 1]."""
        return self.generator.second(self.generator.compose(states, alpha, self.layer), self.layer)

    def draw(self, rng: torch.Generator) -> Tensor:
        """Codes (1, N, z_dim) of a random picture."""
        return self.generator.draw(self.codes, rng)[None]

    def even(self, batch: int) -> Tensor:
        """``alpha`` (batch, N, C) that weighs all codes alike: 1/N."""
        return torch.full((batch, self.codes, self.generator.channels_at(self.layer)), 1 / self.codes)

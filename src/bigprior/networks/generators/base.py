"""What a prior asks of a generative network: ``G(z)``, and ``G`` cut in two at a layer (Eq. 13)."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Generator(Protocol):
    """A generative network that can be split: ``second(first(z, l), l) == G(z)`` for every ``l`` in ``0..layers``.

    Any ``torch.nn.Module`` with these members can serve as a prior.
    """

    resolution: int  #: side of the square pictures that it makes, in pixels
    z_dim: int  #: length of one code
    layers: int  #: number of layers at whose inputs it can be split

    def __call__(self, z: Tensor) -> Tensor:
        """Codes (N, z_dim), drawn from a standard normal, to pictures (N, 3, H, W), RGB, nominally in [0, 1]."""
        ...

    def first(self, z: Tensor, layer: int) -> Tensor:
        """``G_1^(l)``: codes (N, z_dim) to the feature maps (N, C, h, w) that enter ``layer``."""
        ...

    def second(self, features: Tensor, layer: int) -> Tensor:
        """``G_2^(l)``: the feature maps that enter ``layer`` to pictures (N, 3, H, W)."""
        ...

    def channels_at(self, layer: int) -> int:
        """Channels ``C`` of the feature maps that enter ``layer``: the length of one ``alpha``."""
        ...

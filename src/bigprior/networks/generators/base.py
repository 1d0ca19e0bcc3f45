"""What a prior asks of a generative network: ``G(z)``, and ``G`` cut in two at a layer (Eq. 13)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from bigprior.errors import SettingsError, WeightsError

#: What a code is: a draw from the normal distribution; a style for all layers; or a style for each.
Latent = Literal["z", "w", "w+"]


class State(NamedTuple):
    """All that enters a layer of a generator. Of several codes, both tensors have one more axis after the first.

    Attributes:
        features: the maps, (N, C, h, w); whatever has a place in the picture is among their channels.
        style: what later layers are told beside them, (N, ...); None where nothing is.
    """

    features: Tensor
    style: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> State:
        """The same change made to both."""
        return State(change(self.features), None if self.style is None else change(self.style))


class Generator(nn.Module, ABC):
    """A generative network that can be split: ``second(first(z, l), l) == G(z)`` for every ``l`` in ``0..layers``.

    A subclass is final, and names its numbers, its halves and how it is built; splitting at layer 0 must be possible.
    What is registered in :data:`bigprior.networks.generators.GENERATORS` meets the tests of all.
    """

    resolution: int  #: side of the square pictures that it makes, in pixels
    z_dim: int  #: length of one code
    layers: int  #: number of layers at whose inputs it can be split
    normalises: bool = True  #: whether what enters its layers is normalised, picture by picture
    stepwise: bool = False  #: whether :meth:`through` goes from layer to layer, so that each one's maps can be changed

    @property
    def cut(self) -> int:
        """The layer at which its codes are composed where nobody says another: the paper's, if it has so many."""
        return min(6, self.layers)

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The arguments that build this network again."""

    @classmethod
    @abstractmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Build the network that ``state`` fits.

        Raises:
            WeightsError: a tensor is missing, has another shape, or is not one of this architecture.
        """

    @abstractmethod
    def channels_at(self, layer: int) -> int:
        """Channels ``C`` of the feature maps that enter ``layer``: the length of one ``alpha``."""

    @abstractmethod
    def first(self, z: Tensor, layer: int) -> State:
        """``G_1^(l)``: codes (N, z_dim) to what enters ``layer``."""

    @abstractmethod
    def second(self, state: State, layer: int) -> Tensor:
        """``G_2^(l)``: what enters ``layer`` to pictures (N, 3, R, R), RGB, nominally in [0, 1]."""

    def through(self, state: State, start: int, end: int) -> State:
        """What enters layer ``start`` to what enters layer ``end``, the same or a later one, of a stepwise generator.

        Raises:
            SettingsError: it is not stepwise.
        """
        if start != end:
            raise SettingsError(
                f"{type(self).__name__} does not stop between its halves: expected a stepwise generator"
            )
        return state

    def in_space(self, latent: Latent) -> Self:
        """The same weights with codes of another latent space; here there is but ``z``.

        Raises:
            SettingsError: there is no such space.
        """
        if latent != "z":
            raise SettingsError(f"latent is {latent!r}: {type(self).__name__} has no styles, and its codes are z")
        return self

    def guess(self, pictures: Tensor) -> Tensor | None:
        """Codes (N, z_dim) of pictures (N, 3, R, R), RGB in [0, 1], by its own encoder; None where it has none."""
        return None

    def forward(self, z: Tensor) -> Tensor:
        """Codes (N, z_dim) to pictures (N, 3, R, R), RGB, nominally in [0, 1]."""
        return self.second(self.first(z, 0), 0)

    def draw(self, count: int, rng: torch.Generator) -> Tensor:
        """Codes (count, z_dim) of random pictures; here from a standard normal."""
        return torch.randn(count, self.z_dim, generator=rng)

    def compose(self, states: State, alpha: Tensor, layer: int) -> State:
        """What enters ``layer`` of N codes at once (Eq. 13).

        Deviates: the sum over codes is divided by N, as in the released code; the paper's equation is the sum alone.
        A generator that does not normalise what enters its layers would only see fainter maps, so there it is the sum:
        weights of 1/N are the mean of its codes.

        Args:
            states: of each code: features (B, N, C, h, w), style (B, N, ...).
            alpha: channel weights (B, N, C).
            layer: where the generator is split.
        """
        total = weighted(states, alpha)
        return total.map(lambda maps: maps / alpha.shape[1]) if self.normalises else total

    def fill(self, state: Mapping[str, Tensor], what: str) -> Self:
        """Take all tensors that this network has from ``state``, in the precision that the network computes in.

        Args:
            state: names with tensors, none missing and none beside.
            what: the network is called in an error.

        Raises:
            WeightsError: a tensor is missing, has another shape, or is not one of this network.
        """
        known = self.state_dict()
        wrong = [k for k in state if k not in known] + [
            k for k, v in known.items() if k not in state or state[k].shape != v.shape
        ]
        if wrong:
            raise WeightsError(f"not {what} of side {self.resolution}: unexpected {wrong[0]!r}")
        self.load_state_dict({k: state[k].to(v.dtype) for k, v in known.items()})
        return self

    def checked(self, layer: int) -> int:
        """The layer, if there is one of that number.

        Raises:
            SettingsError: there is not.
        """
        if not 0 <= layer <= self.layers:
            raise SettingsError(f"layer is {layer}: this generator splits at 0 to {self.layers}")
        return layer


def weighted(states: State, alpha: Tensor) -> State:
    """The sum of N codes' states (Eq. 13): each map times its weight, and a style times the mean of its code's weights.

    Args:
        states: of each code: features (B, N, C, h, w), style (B, N, ...).
        alpha: channel weights (B, N, C).
    """
    features = (states.features * alpha.to(states.features.dtype)[..., None, None]).sum(dim=1)
    features = features.contiguous(memory_format=torch.channels_last)
    if states.style is None:
        return State(features)
    share = alpha.mean(dim=2).to(states.style.dtype)
    return State(features, (states.style * share.view(*share.shape, *[1] * (states.style.ndim - 2))).sum(dim=1))

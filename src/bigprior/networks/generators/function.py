"""Any function from codes to pictures as a generator: what has no file of its own here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from bigprior.errors import ImageError, SettingsError, WeightsError
from bigprior.networks.generators.base import Generator, State


class FunctionGenerator(Generator):
    """A differentiable function as a generator that splits nowhere but at its code.

    Args:
        function: codes (N, *code_shape) to pictures (N, 3, R, R), RGB; a module's weights move and freeze with it.
        code_shape: of one code; a code is drawn from a standard normal.
        span: the values of black and of white in the function's pictures.

    Raises:
        SettingsError: a span or a code shape without extent.
        ImageError: a code makes something other than a square RGB picture.
    """

    layers = 0
    normalises = False

    def __init__(
        self, function: Callable[[Tensor], Tensor], code_shape: Sequence[int], span: tuple[float, float] = (0.0, 1.0)
    ) -> None:
        super().__init__()
        self.function, self.code_shape, self.span = function, tuple(code_shape), span
        self.z_dim = math.prod(self.code_shape)
        if not self.code_shape or self.z_dim < 1:
            raise SettingsError(f"code_shape is {self.code_shape}: expected the shape of one code, such as (512,)")
        if span[0] == span[1]:
            raise SettingsError(f"span is {span}: expected the values of black and of white")
        with torch.no_grad():
            shape = tuple(function(self._probe()).shape)
        if len(shape) != 4 or shape[:2] != (1, 3) or shape[2] != shape[3]:
            raise ImageError(f"the function makes {shape} of one code: expected a square RGB picture (1, 3, R, R)")
        self.resolution = shape[2]

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that build it again, beside the function."""
        return {"code_shape": list(self.code_shape), "span": list(self.span)}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Raise WeightsError: a function is more than its weights."""
        raise WeightsError("a function is not in a file of weights: build it in Python, with FunctionGenerator")

    def channels_at(self, layer: int) -> int:
        """The length of a code: each of its numbers is a channel of a 1x1 map."""
        self.checked(layer)
        return self.z_dim

    def first(self, z: Tensor, layer: int) -> State:
        """Codes (N, z_dim) as maps (N, z_dim, 1, 1)."""
        self.checked(layer)
        return State(z[:, :, None, None])

    def second(self, state: State, layer: int) -> Tensor:
        """The function of the codes: pictures (N, 3, R, R), RGB, nominally in [0, 1]."""
        self.checked(layer)
        picture = self.function(state.features.flatten(1).unflatten(1, self.code_shape))
        low, high = self.span
        return (picture - low) / (high - low)

    def _probe(self) -> Tensor:
        """One code, where the function's weights are, if it has any; it is asked as it will be used."""
        self.eval()
        like = next(self.parameters(), torch.zeros(()))
        return torch.zeros(1, *self.code_shape).to(like)

"""Changes of low rank of a network: one task's own, in a hundredth of the weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from bigprior.errors import WeightsError
from bigprior.io.weights import built

N = TypeVar("N", bound=nn.Module)


class Adapter(nn.Module):
    """What is added to the convolutions of another network (Hu et al., "LoRA", ICLR 2022), and to their biases.

        w + up down,    w the kernels of a convolution as a matrix, a row for each of its first channels

    It starts as no change at all.

    Args:
        shapes: rows and columns of each convolution's matrix, and how many biases it has, by its name.
        rank: of ``up down``.
    """

    def __init__(self, shapes: Mapping[str, Sequence[int]], rank: int = 4) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"shapes": {name: list(shape) for name, shape in shapes.items()}, "rank": rank}
        self.up, self.down, self.bias = nn.ParameterDict(), nn.ParameterDict(), nn.ParameterDict()
        for name, (rows, columns, biases) in shapes.items():
            key = _key(name)
            self.up[key] = nn.Parameter(torch.zeros(rows, rank))
            self.down[key] = nn.Parameter(torch.randn(rank, columns) / columns**0.5)
            self.bias[key] = nn.Parameter(torch.zeros(biases))

    @classmethod
    def of(cls, network: nn.Module, rank: int = 4) -> Adapter:
        """One for every convolution of a network, which stays as it is."""
        shapes = {}
        for name, part in network.named_modules():
            if isinstance(part, nn.Conv2d | nn.ConvTranspose2d) and part.bias is not None:
                shapes[name] = (*part.weight.flatten(1).shape, len(part.bias))
        return cls(shapes, rank)

    def changed(self, network: nn.Module) -> dict[str, Tensor]:
        """The parameters of a network that are others, by their names; gradients flow to the adapter.

        Raises:
            WeightsError: it was made for another network.
        """
        parameters, others = dict(network.named_parameters()), dict[str, Tensor]()
        for name, shape in self.settings["shapes"].items():
            weight, bias = (parameters.get(f"{name}.{part}") for part in ("weight", "bias"))
            if weight is None or bias is None or [*weight.flatten(1).shape, len(bias)] != shape:
                raise WeightsError(f"an adapter changes {name}, which the network does not have as it expects it")
            key = _key(name)
            others[f"{name}.weight"] = weight + (self.up[key] @ self.down[key]).view_as(weight)
            others[f"{name}.bias"] = bias + self.bias[key]
        return others

    @torch.no_grad()
    def adapted(self, network: N) -> N:
        """A copy of a network with these changes.

        Raises:
            WeightsError: the adapter was made for another network.
        """
        changed = self.changed(network)
        made = copy.deepcopy(network)
        made.load_state_dict(changed, strict=False)
        return made

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Adapter:
        """Build the adapter that ``settings`` describes around ``state``.

        Raises:
            WeightsError: they do not fit each other.
        """
        return built(cls, "an adapter", state, settings)


def _key(name: str) -> str:
    """A module's name as torch takes it for a parameter's."""
    return name.replace(".", "/")

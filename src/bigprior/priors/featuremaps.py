"""Feature-map optimisation (Bau et al., SIGGRAPH 2019): a generator bends to one picture where its codes do not reach.

With ``r`` the maps that enter the layer where the generator is cut, ``G_l`` its later layers of weights ``w_l``, and
``d_l``, ``e_l`` small changes of each map and each weight, what is sought is

    min over d, e of   loss(G_L' ... G_l'(r))  +  maps mean |d|^2  +  weights mean |e|^2,
    G_l'(x) = G_l(x (1 + d_l); w_l + e_l std(w_l)).

Deviates: the changes of maps are numbers of their own, where the paper has a small network make them; and weights are
changed too, as in its later version. Both are held small by the penalty in place of that network's form.
"""

from __future__ import annotations

import time

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.func import functional_call

from bigprior.networks.generators.base import Generator, State
from bigprior.priors.losses import Objective
from bigprior.settings import Settings


class FeatureMapSettings(Settings):
    """How a generator bends.

    Attributes:
        steps: of Adam, for each picture.
        lr: largest change of a map in a step, as a share of its values.
        weight_lr: largest change of a weight in a step, in standard deviations of its layer's; 0 leaves weights alone.
        maps, weights: of the penalty on the mean square of all changes.
    """

    steps: PositiveInt = 100
    lr: PositiveFloat = 0.02
    weight_lr: float = Field(default=0.002, ge=0)
    maps: float = Field(default=0.01, ge=0)
    weights: float = Field(default=0.01, ge=0)


def bent(
    generator: Generator,
    state: State,
    layer: int,
    settings: FeatureMapSettings,
    objective: Objective,
    *,
    enough: float | None = None,
    until: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The picture of a generator that bends to it, from its state on.

    Args:
        generator: of the pictures; it stays as it is.
        state: what enters ``layer``, of one picture.
        layer: where the generator is cut.
        settings: steps, and how far they go.
        objective: what the picture should be.
        enough: mean squared residual that leaves nothing to explain.
        until: the time, by ``time.monotonic()``, after which no other step begins.

    Returns:
        The picture (1, 3, R, R), nominally in [0, 1], and the objective's loss before each step, (steps, 1); the last
        one stands for steps that were not needed.
    """
    s, state = settings, state.map(Tensor.detach)
    with torch.enable_grad():
        rest = _Rest(generator, layer)
        maps = [torch.zeros_like(x).requires_grad_() for x in rest.maps(state)]
        weights = _weights(rest, state) if s.weight_lr else {}
        changes = {name: torch.zeros_like(weight).requires_grad_() for name, weight in weights.items()}
        spread = {name: weight.std(correction=0) for name, weight in weights.items()}
        groups = [{"params": maps, "lr": s.lr}, {"params": list(changes.values()), "lr": s.weight_lr}]
        optimizer, history = torch.optim.Adam([group for group in groups if group["params"]]), list[Tensor]()

        def picture() -> Tensor:
            moved = {name: weight + spread[name] * changes[name] for name, weight in weights.items()}
            made: Tensor = functional_call(rest, moved, (state, maps))
            return made.float()

        for _ in range(s.steps):
            optimizer.zero_grad()
            losses, squared = objective(picture())
            history.append(losses.detach())
            if (enough is not None and float(squared) <= enough) or (until is not None and time.monotonic() >= until):
                break
            total = losses.sum() + s.maps * _mean_square(maps) + s.weights * _mean_square(list(changes.values()))
            total.backward()
            optimizer.step()
        history += [history[-1]] * (s.steps - len(history))
        return picture().detach(), torch.stack(history)


class _Rest(nn.Module):
    """``G_2^(l)`` of a generator, with what enters each of its layers changed on its way."""

    def __init__(self, generator: Generator, layer: int) -> None:
        super().__init__()
        self.generator = generator
        self.stops = range(layer, generator.layers + 1) if generator.stepwise else (layer,)

    def forward(self, state: State, changes: list[Tensor]) -> Tensor:
        for i, (layer, change) in enumerate(zip(self.stops, changes, strict=True)):
            if i:
                state = self.generator.through(state, layer - 1, layer)
            state = State(state.features * (1 + change), state.style)
        return self.generator.second(state, self.stops[-1])

    @torch.no_grad()
    def maps(self, state: State) -> list[Tensor]:
        """What enters each layer as it is."""
        found = [state.features]
        for layer in self.stops[1:]:
            state = self.generator.through(state, layer - 1, layer)
            found.append(state.features)
        return found


def _weights(rest: _Rest, state: State) -> dict[str, Tensor]:
    """The weights that the picture depends on, by name, apart from the network's own."""
    known = {name: p.detach().clone().requires_grad_() for name, p in rest.named_parameters() if p.numel() > 1}
    changes = [torch.zeros_like(x) for x in rest.maps(state)]
    total = functional_call(rest, known, (state, changes)).sum()
    gradients = torch.autograd.grad(total, list(known.values()), allow_unused=True)
    return {name: p.detach() for (name, p), g in zip(known.items(), gradients, strict=True) if g is not None}


def _mean_square(changes: list[Tensor]) -> Tensor:
    """Of all numbers together; nothing of none."""
    count = max(1, sum(change.numel() for change in changes))
    return sum((change.square().sum() for change in changes), torch.zeros(())) / count

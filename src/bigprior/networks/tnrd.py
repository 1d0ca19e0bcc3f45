"""Trained nonlinear reaction diffusion (Chen and Pock, TPAMI 2017): Perona and Malik's steps, learned.

    x_(t+1) = x_t - sum_i  k_i^T phi_i(k_i x_t)  -  lambda (x_t - y)

Each step has filters ``k_i``, an influence function ``phi_i`` for each of them, and a reaction towards the measurement
of its own. With the differences of neighbours as filters and ``phi(z) = z / (1 + z^2)`` it is anisotropic diffusion.

Deviates: pictures are divided by their noise level, so that one network serves all of them (the authors train one for
each); the influence functions are sums of triangles, of the authors' two choices the one that is quicker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
import torch.nn.functional as F
from scipy.fft import dct
from torch import Tensor, nn

from bigprior.errors import WeightsError
from bigprior.io.weights import built

#: Influence functions are told apart up to responses of so many times the noise; beyond, they stay as they are.
_FAR = 10.0
#: The first influence functions are those of a filter that takes out such a share of responses about as large as noise.
_SHARE, _WIDTH = 0.3, 2.0
#: Less noise than this is none, in [0, 1] pictures.
_LEAST = 1e-4


class TNRD(nn.Module):
    """So many steps from a noisy picture to a clean one.

    Args:
        stages: how many steps.
        side: of the filters, in pixels; there are ``side^2 - 1``, none of which sees a constant.
        knots: of an influence function, which is linear between them.

    Attributes:
        channels: of a picture.
    """

    channels = 1

    def __init__(self, stages: int = 5, side: int = 5, knots: int = 41) -> None:
        super().__init__()
        self.stages = nn.ModuleList(_Stage(side, knots) for _ in range(stages))

    @classmethod
    def knows(cls, state: Mapping[str, Tensor]) -> bool:
        """Whether tensors are those of such a network, by their names."""
        parts = {name.split(".")[-1] for name in state}
        return parts == {"filters", "influences", "reaction"} and "stages.0.filters" in state

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Rebuild from tensors, whose shapes say all.

        Raises:
            WeightsError: they do not fit.
        """
        filters, influences = state.get("stages.0.filters"), state.get("stages.0.influences")
        if filters is None or influences is None or filters.ndim != 2 or influences.ndim != 2:
            raise WeightsError("not the weights of a reaction diffusion (no tensor stages.0.filters of two dimensions)")
        side = round((len(filters) + 1) ** 0.5)
        settings = {"stages": len(state) // 3, "side": side, "knots": influences.shape[1]}
        return built(cls, "TNRD", state, settings)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Noisy pictures (N, 1, H, W), any size, in [0, 1], and their noise levels (N,), to clean ones."""
        noise = sigma.clamp_min(_LEAST).view(-1, 1, 1, 1)
        y = x / noise
        clean = y
        for stage in self.stages:
            clean = stage(clean, y)
        return clean * noise


class _Stage(nn.Module):
    """One step: filters as weights of cosines, and the values of their influence functions at the knots."""

    cosines: Tensor

    def __init__(self, side: int, knots: int) -> None:
        super().__init__()
        waves = torch.from_numpy(dct(torch.eye(side).numpy(), axis=0, norm="ortho"))
        self.register_buffer("cosines", torch.kron(waves, waves)[1:], persistent=False)
        count, at = side**2 - 1, torch.linspace(-_FAR, _FAR, knots)
        self.filters = nn.Parameter(torch.eye(count))
        influence = _SHARE / side**2 * at * (-((at / _WIDTH) ** 2) / 2).exp()
        self.influences = nn.Parameter(influence.repeat(count, 1))
        self.reaction = nn.Parameter(torch.tensor(0.05))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """From ``x`` (N, 1, H, W) and the measurement ``y``, both in units of the noise."""
        side = round(self.cosines.shape[1] ** 0.5)
        filters = (F.normalize(self.filters) @ self.cosines).view(-1, 1, side, side)
        edges = (side // 2,) * 4
        responses = F.conv2d(F.pad(x, edges, mode="replicate"), filters)
        flow = F.pad(self._influence(responses), edges, mode="replicate")
        return x - F.conv2d(flow, filters.flip(2, 3).transpose(0, 1)) - self.reaction * (x - y)

    def _influence(self, responses: Tensor) -> Tensor:
        """Each filter's responses (N, K, H, W) through its function."""
        across = responses.transpose(0, 1)
        places = (across / _FAR).reshape(len(across), 1, -1)
        values = F.grid_sample(
            self.influences[:, None, None],
            torch.stack([places, torch.zeros_like(places)], dim=3),
            padding_mode="border",
            align_corners=True,
        )
        return values.view(across.shape).transpose(0, 1)

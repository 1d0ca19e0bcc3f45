"""The generator of LR-GAN (Yang et al., ICLR 2017): a background, and foregrounds that are pasted on it one by one.

The tensors have the names of the authors' PyTorch code (``Gbgc.convt1.weight``, ``Gfgm.0.weight``, ...), so that its
files load as they are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.errors import SettingsError, WeightsError
from bigprior.networks.generators.base import Generator, State

#: Side to which the maps of one step are pooled for the next.
_POOLED = 2


class LRGAN(Generator):
    """A recursive generator, of layers in the sense of its paper: x_t = m_t f_t + (1 - m_t) x_{t-1}, from x_0 on.

    ``x_0`` is the background. Of every later step an LSTM's state makes a foreground ``f_t``, its mask ``m_t`` and an
    affine transform that both are put in place by; the maps of the step before are told too, from three steps on.

    Layers count steps from 0: layer 0 takes the codes, and layer ``t`` the picture of the steps before it, its three
    channels. The style is what the recursion goes on with: the LSTM's state, the step before, and the codes.

    Args:
        resolution: side of the pictures, a power of two from 8 on.
        step_dim: length of one step's code; all of a picture's steps together are one code.
        steps: the background and the foregrounds, from 2 on.
        background, foreground: channels of the maps of side 4, 8, ..., half the resolution.
        scale: least ratio of the picture to a foreground; at most it is twice that.
        shear: largest rotation and shear.

    Raises:
        SettingsError: a number out of its range, or widths of another number of sides.
    """

    normalises = False
    stepwise = True

    def __init__(
        self,
        resolution: int = 64,
        step_dim: int = 100,
        steps: int = 2,
        background: Sequence[int] = (256, 128, 64, 64),
        foreground: Sequence[int] = (512, 256, 128, 64),
        scale: float = 1.2,
        shear: float = 0.1,
    ) -> None:
        super().__init__()
        if resolution < 8 or resolution & (resolution - 1):
            raise SettingsError(f"resolution is {resolution}: expected a power of two from 8 on")
        if steps < 2:
            raise SettingsError(f"steps is {steps}: expected a background and a foreground, 2 or more")
        sides = int(math.log2(resolution)) - 2
        for name, widths in (("background", background), ("foreground", foreground)):
            if len(widths) != sides:
                raise SettingsError(f"{name} is {list(widths)}: expected channels of {sides} sides, from 4 on")
        self.resolution, self.step_dim, self.layers = resolution, step_dim, steps
        self.z_dim = steps * step_dim
        self.background, self.foreground = tuple(background), tuple(foreground)
        self.arranged: Tensor  # steps and thousandths, which the authors' files do not hold
        self.register_buffer("arranged", torch.tensor([steps, round(1000 * scale), round(1000 * shear)]))
        self.lstmcell = nn.LSTMCell(step_dim, step_dim)
        self.Gbgc = _grown(step_dim, background, bias=True)
        self.Gbgi = nn.Sequential(nn.ConvTranspose2d(background[-1], 3, 4, 2, 1), nn.Tanh())
        self.Gfgc = _grown(step_dim, foreground, bias=False)
        self.Gfgi = nn.Sequential(nn.ConvTranspose2d(foreground[-1], 3, 4, 2, 1, bias=False), nn.Tanh())
        self.Gfgm = nn.Sequential(nn.ConvTranspose2d(foreground[-1], 1, 4, 2, 1), nn.Sigmoid())
        self.Gtransform = nn.Linear(step_dim, 6)
        with torch.no_grad():  # foregrounds begin in the middle, somewhat smaller than the picture
            self.Gtransform.weight.zero_()
            self.Gtransform.bias.copy_(torch.tensor([scale, 0, 0, 0, scale, 0]))
        if steps > 2:
            pooled = nn.Sequential()
            for side in (resolution >> i for i in range(1, sides + 1)):
                pooled.add_module(f"avgpool{side}", nn.AvgPool2d(4, 2, 1))
                pooled.add_module(f"bn{side}", nn.BatchNorm2d(foreground[-1]))
                pooled.add_module(f"lrelu{side}", nn.LeakyReLU(0.2))
            self.encoderconv = pooled
            inner = foreground[-1] * _POOLED**2
            self.encoderfc = nn.Sequential(nn.Linear(inner, step_dim), nn.BatchNorm1d(step_dim), nn.Tanh())
            self.nlnet = nn.Sequential(nn.Linear(2 * step_dim, step_dim), nn.BatchNorm1d(step_dim), nn.Tanh())

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that build this network again."""
        return {
            "resolution": self.resolution,
            "step_dim": self.step_dim,
            "steps": self.layers,
            "background": list(self.background),
            "foreground": list(self.foreground),
            "scale": self.arranged[1].item() / 1000,
            "shear": self.arranged[2].item() / 1000,
        }

    def extra_repr(self) -> str:
        """Size, steps and code length."""
        return f"resolution={self.resolution}, steps={self.layers}, z_dim={self.z_dim}"

    def channels_at(self, layer: int) -> int:
        """The length of a code at layer 0; the picture's three channels after it."""
        return 3 if self.checked(layer) else self.z_dim

    def first(self, z: Tensor, layer: int) -> State:
        """``G_1^(l)``: codes (N, z_dim) to the picture (N, 3, R, R) of the first steps, in [-1, 1]."""
        return self.through(State(z[:, :, None, None]), 0, self.checked(layer))

    def second(self, state: State, layer: int) -> Tensor:
        """``G_2^(l)``: the picture of the first steps, and what it goes on with, to pictures (N, 3, R, R) in [0, 1]."""
        return (self.through(state, self.checked(layer), self.layers).features + 1) / 2

    def through(self, state: State, start: int, end: int) -> State:
        """The picture after ``start`` steps to that after ``end``."""
        for step in range(start, end):
            state = self._pasted(state, step) if step else self._begun(state.features.flatten(1))
        return state

    def _begun(self, z: Tensor) -> State:
        """The background of all steps' codes (N, z_dim)."""
        code = z[:, : self.step_dim]
        hidden, cell = self.lstmcell(code)
        maps = self.Gbgc(code[:, :, None, None])
        return State(self.Gbgi(maps), torch.cat([hidden, cell, self._told(maps), z], dim=1))

    def _pasted(self, state: State, step: int) -> State:
        """The picture with the foreground of ``step`` on it."""
        canvas, style = state
        assert style is not None
        d = self.step_dim
        hidden, cell, told, z = style.split([d, d, d, self.z_dim], dim=1)
        hidden, cell = self.lstmcell(z[:, d * step : d * (step + 1)], (hidden, cell))
        code = self.nlnet(torch.cat([hidden, told], dim=1)) if self.layers > 2 else hidden
        maps = self.Gfgc(code[:, :, None, None])
        drawn = torch.cat([self.Gfgi(maps), self.Gfgm(maps)], dim=1)
        grid = F.affine_grid(self._placed(code), list(drawn.shape), align_corners=True)
        placed = F.grid_sample(drawn, grid, padding_mode="zeros", align_corners=True)
        mask = placed[:, 3:]
        canvas = mask * placed[:, :3] + (1 - mask) * canvas
        return State(canvas, torch.cat([hidden, cell, self._told(maps), z], dim=1))

    def _placed(self, code: Tensor) -> Tensor:
        """The transforms (N, 2, 3) of foregrounds, rows and columns x first; the authors' have y first."""
        scale, shear = (self.arranged[1:] / 1000).tolist()
        y_scale, y_shear, y_shift, x_shear, x_scale, x_shift = self.Gtransform(code).unbind(1)
        x_scale, y_scale = x_scale.clamp(scale, 2 * scale), y_scale.clamp(scale, 2 * scale)
        x_shear, y_shear = x_shear.clamp(-shear, shear), y_shear.clamp(-shear, shear)
        x_shift, y_shift = x_shift.clamp(-1, 1), y_shift.clamp(-1, 1)
        x, y = (x_scale, x_shear, x_shift), (y_shear, y_scale, y_shift)
        return torch.stack([torch.stack(x, dim=1), torch.stack(y, dim=1)], dim=1)

    def _told(self, maps: Tensor) -> Tensor:
        """What a step tells the next of its maps (N, step_dim); nothing where there are but two."""
        if self.layers == 2:
            return maps.new_zeros(len(maps), self.step_dim)
        told: Tensor = self.encoderfc(self.encoderconv(maps).flatten(1))
        return told

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Build the network that ``state`` fits, for use: its normalisation is the one that it learned.

        The authors' files do not say how many steps there are, nor how large and how slanted foregrounds can be: they
        are read as of two steps, with their code's defaults. They may hold the layers of more steps, which two do not
        use.

        Raises:
            WeightsError: a tensor is missing, has another shape, or is not one of this architecture.
        """
        state = {k.removeprefix("module."): v for k, v in state.items()}
        background, foreground = _widths(state, "Gbgc"), _widths(state, "Gfgc")
        if not background or len(background) != len(foreground):
            raise WeightsError(
                "not an LR-GAN generator: no transposed convolutions Gbgc.convt1.weight, Gfgc.convt1.weight"
            )
        steps, scale, shear = state.setdefault("arranged", torch.tensor([2, 1200, 100])).tolist()
        side, step_dim = 4 << len(background), state["Gbgc.convt1.weight"].shape[0]
        network = cls(side, step_dim, steps, background, foreground, scale / 1000, shear / 1000)
        counts = {
            k: torch.zeros((), dtype=torch.long) for k in network.state_dict() if k.endswith("num_batches_tracked")
        }
        if steps == 2:
            state = {k: v for k, v in state.items() if k.split(".")[0] not in ("encoderconv", "encoderfc", "nlnet")}
        return network.fill(counts | state, "an LR-GAN generator").eval()


def _grown(n_in: int, widths: Sequence[int], *, bias: bool) -> nn.Sequential:
    """Codes (N, n_in, 1, 1) to maps (N, widths[-1], R/2, R/2)."""
    net = nn.Sequential()
    for i, (c_in, c_out) in enumerate(zip([n_in, *widths], widths, strict=False)):
        side = 4 << (i - 1) if i else 1
        kernel = nn.ConvTranspose2d(c_in, c_out, 4, 2 if i else 4, 1 if i else 0, bias=bias)
        net.add_module(f"convt{side}", kernel)
        net.add_module(f"bn{side}", nn.BatchNorm2d(c_out))
        net.add_module(f"relu{side}", nn.ReLU())
    return net


def _widths(state: Mapping[str, Tensor], part: str) -> list[int]:
    """Channels of the maps of side 4, 8, ... of a part."""
    names = (f"{part}.convt{side}.weight" for side in (1, *(4 << i for i in range(len(state)))))
    kernels = itertools.takewhile(lambda name: name in state and state[name].ndim == 4, names)
    return [state[name].shape[1] for name in kernels]

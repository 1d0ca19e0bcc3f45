"""The generator of Progressive GAN (Karras et al., ICLR 2018), of any width and resolution, splittable at any layer.

The tensors have the names and the meaning of the released PyTorch files (``layer{i}.conv.weight``,
``layer{i}.wscale.bias``, ``output{k}.conv.weight``, ...), so those load as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.errors import SettingsError, WeightsError
from bigprior.networks.generators.base import Generator, State
from bigprior.ops import winograd

_SLOPE = 0.2
_EPSILON = 1e-8


class PGGAN(Generator):
    """Progressive GAN's generator: pixel norm, equalised learning rate, nearest upsampling, leaky ReLU 0.2.

    Layers count convolutions from 0: layers 0 and 1 work at 4x4 and each later pair doubles the side, so that
    splitting at layer 4 cuts at the 8x8 feature map and at layer 6 at 16x16.

    Args:
        resolution: side of the pictures, a power of two from 8 on.
        z_dim: length of a code.
        fmap_base, fmap_max: a layer that works at side ``r`` has ``min(fmap_base // r, fmap_max)`` channels.

    Raises:
        SettingsError: ``resolution`` is not a power of two from 8 on.
    """

    stepwise = True

    def __init__(self, resolution: int = 256, z_dim: int = 512, fmap_base: int = 16384, fmap_max: int = 512) -> None:
        super().__init__()
        if resolution < 8 or resolution & (resolution - 1):
            raise SettingsError(f"resolution is {resolution}: expected a power of two from 8 on")
        self.resolution, self.z_dim, self.fmap_base, self.fmap_max = resolution, z_dim, fmap_base, fmap_max
        stages = int(math.log2(resolution)) - 1
        self.layers = 2 * stages
        widths = [z_dim] + [min(fmap_base // (4 << (i // 2)), fmap_max) for i in range(self.layers)]
        self.widths = tuple(widths)
        for i in range(self.layers):
            kind = "code" if i == 0 else "grow" if i % 2 == 0 else "same"
            self.add_module(f"layer{i}", _Layer(widths[i], widths[i + 1], kind))
        self._output = f"output{stages - 1}"
        self.add_module(self._output, _Layer(widths[-1], 3, "output"))

    def extra_repr(self) -> str:
        """Size, code length and widths."""
        return f"resolution={self.resolution}, z_dim={self.z_dim}, widths={self.widths[1:]}"

    @property
    def settings(self) -> dict[str, int]:
        """The arguments that build this network again."""
        return {k: getattr(self, k) for k in ("resolution", "z_dim", "fmap_base", "fmap_max")}

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        """For an optimiser: step size ``lr`` for biases, and ``lr`` over each layer's gain for its stored weights.

        Deviates: with one step size for both, as published, a weight as it is used moves by its gain (about 0.03)
        times less than a bias; trained for thousands of steps, not millions, biases then drown the code.
        """
        biases = [p for name, p in self.named_parameters() if name.endswith("bias")]
        layers = [layer for layer in self.children() if isinstance(layer, _Layer)]
        return [{"params": biases}] + [{"params": [layer.conv["weight"]], "lr": lr / layer.gain} for layer in layers]

    def channels_at(self, layer: int) -> int:
        """Channels of the feature maps that enter ``layer`` (``z_dim`` at layer 0)."""
        return self.widths[self.checked(layer)]

    def first(self, z: Tensor, layer: int) -> State:
        """``G_1^(l)``: codes (N, z_dim) to the feature maps (N, C, h, w) that enter ``layer``."""
        return self.through(State(z[:, :, None, None]), 0, self.checked(layer))

    def through(self, state: State, start: int, end: int) -> State:
        """The maps that enter ``start`` to those that enter ``end``."""
        x = state.features
        for i in range(start, end):
            x = getattr(self, f"layer{i}")(x)
        return State(x)

    def second(self, state: State, layer: int) -> Tensor:
        """``G_2^(l)``: maps that enter ``layer`` to pictures (N, 3, R, R), a linear output: values can leave [0, 1]."""
        x = self.through(state, self.checked(layer), self.layers).features
        picture: Tensor = getattr(self, self._output)(x)
        return (picture + 1) / 2  # the network's own range is [-1, 1]

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> PGGAN:
        """Build the network that ``state`` fits: its size and widths are read off the tensors' shapes.

        The released files also hold ``lod`` and the outputs of the lower resolutions; neither is used at full size.

        Raises:
            WeightsError: a tensor is missing, has another shape, or is not one of this architecture.
        """
        state = {k.removeprefix("module."): v for k, v in state.items()}
        layers = sum(k.startswith("layer") and k.endswith(".conv.weight") for k in state)
        try:
            if layers < 4 or layers % 2:
                raise KeyError(f"layer{layers}.conv.weight")
            shapes = [state[f"layer{i}.conv.weight"].shape for i in range(layers)]
            if any(len(shape) != 4 or 0 in shape for shape in shapes):
                raise KeyError("layer0.conv.weight of four dimensions")
        except KeyError as error:
            raise WeightsError(f"not a Progressive GAN generator: no tensor {error}") from None
        resolution, fmap_max = 2 << (layers // 2), shapes[0][0]
        # The least base that explains every layer: widths were rounded down.
        base = max(shape[0] * (4 << i // 2) for i, shape in enumerate(shapes))
        network = cls(resolution, z_dim=shapes[0][1], fmap_base=base, fmap_max=fmap_max)
        known = network.state_dict()
        extra = [k for k in state if k not in known and k != "lod" and not k.startswith("output")]
        wrong = [k for k, v in known.items() if k not in state or state[k].shape != v.shape]
        if extra or wrong:
            raise WeightsError(
                f"not a Progressive GAN generator of side {resolution}: unexpected {(extra + wrong)[0]!r}"
            )
        network.load_state_dict({k: state[k].float() for k in known})
        return network


class _Layer(nn.Module):
    """Pixel norm, (upsampling,) convolution with gain, bias, activation.

    ``kind`` is ``code`` (4x4 convolution of the 1x1 code, padding 3), ``same`` and ``grow`` (3x3), or ``output``
    (1x1, linear).
    """

    def __init__(self, c_in: int, c_out: int, kind: str) -> None:
        super().__init__()
        side = {"code": 4, "output": 1}.get(kind, 3)
        self.kind = kind
        # Two holders, for the names of the released tensors: conv.weight and wscale.bias.
        self.conv = nn.ParameterDict({"weight": torch.randn(c_out, c_in, side, side)})
        self.wscale = nn.ParameterDict({"bias": torch.zeros(c_out)})
        # Equalised learning rate: weights are stored unscaled and this gain is applied when they are used.
        self.gain = math.sqrt((1 if kind == "output" else 2) / (c_in * side * side))
        # An inversion asks for them at every step.
        self._kernel, self._minimal_kernel = winograd.Kept(self._prepared), winograd.Kept(self._minimal)

    def forward(self, x: Tensor) -> Tensor:
        x = _pixel_norm(x)
        weight, bias = self.conv["weight"], self.wscale["bias"]
        if self.kind == "same" and not weight.requires_grad and winograd.pays(x, len(bias)):
            return F.leaky_relu_(winograd.convolve(x, self._minimal_kernel(weight)).add_(bias[:, None, None]), _SLOPE)
        kernel = self._kernel(weight)
        if self.kind == "output":
            return F.conv2d(x, kernel, bias)
        if self.kind == "code":
            # A 4x4 convolution of a 1x1 map with padding 3 meets each tap once: it is a matrix product.
            x = (x.flatten(1) @ kernel).unflatten(1, (-1, 4, 4)) + bias[:, None, None]
            x = x.contiguous(memory_format=torch.channels_last)
        elif self.kind == "grow":
            x = F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)
        else:
            x = F.conv2d(x, kernel, bias, padding=1)
        return F.leaky_relu_(x, _SLOPE)

    def _minimal(self, weight: Tensor) -> Tensor:
        return winograd.prepared(weight * self.gain)

    def _prepared(self, weight: Tensor) -> Tensor:
        weight = weight * self.gain
        if self.kind == "code":
            taps: Tensor = weight.flip(2, 3).flatten(1).unflatten(1, (-1, 16))
            return taps.transpose(0, 1).flatten(1)
        if self.kind == "grow":
            weight = _upsampling_kernel(weight)
        return weight.contiguous(memory_format=torch.channels_last)


class _PixelNorm(torch.autograd.Function):
    """``x / sqrt(mean x^2 + epsilon)`` over channels, with its gradient in closed form: a third of the work."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32))
        scale = norm.square_().div_(x.shape[1]).add_(_EPSILON).rsqrt_().to(x.dtype)
        y: Tensor = x * scale
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,), (y, scale) = gradients, ctx.saved_tensors
        through: Tensor = torch.addcmul(gradient, y, (gradient * y).mean(dim=1, keepdim=True), value=-1) * scale
        return through


def _pixel_norm(x: Tensor) -> Tensor:
    result: Tensor = _PixelNorm.apply(x)
    return result


def _upsampling_kernel(weight: Tensor) -> Tensor:
    """The 4x4 transposed convolution that equals nearest upsampling by two and then this 3x3 convolution.

    It needs 4/9 of the multiplications (Progressive GAN's own code fuses them in the same way).
    """
    k = F.pad(weight.flip(2, 3).transpose(0, 1), (1, 1, 1, 1))
    return k[..., 1:, 1:] + k[..., :-1, 1:] + k[..., 1:, :-1] + k[..., :-1, :-1]

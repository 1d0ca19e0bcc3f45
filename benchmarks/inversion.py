"""Inversion in a fraction of the time: the released recipe beside ours, on the same generator and the same objective.

    python benchmarks/inversion.py --json FILE
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.atomic import replacing
from bigprior.degradations import Degradation, Denoising
from bigprior.folders import load_set
from bigprior.generators import PGGAN
from bigprior.perceptual import VGGFeatures
from bigprior.priors.gan import GANPrior, paper_settings
from bigprior.priors.losses import InversionLoss
from bigprior.simulation import simulate
from bigprior.zoo import load_generator

#: How each task measures the pictures.
PROTOCOLS = {"denoising": "denoising-25", "colorization": "colorization"}


class ReleasedGenerator(nn.Module):
    """Progressive GAN's generator as it was released: one plain operation after another, and weights with gradients."""

    def __init__(self, generator: PGGAN) -> None:
        super().__init__()
        self.layers, self.stages = generator.layers, generator.layers // 2
        for name, value in generator.state_dict().items():
            self.register_parameter(name.replace(".", "_"), nn.Parameter(value.clone().contiguous()))

    def first(self, z: Tensor, layer: int) -> Tensor:
        """One code (1, z_dim) to the maps that enter ``layer``."""
        x = z[:, :, None, None]
        for i in range(layer):
            x = self._layer(x, i)
        return x

    def second(self, x: Tensor, layer: int) -> Tensor:
        """The maps that enter ``layer`` to pictures in [0, 1]."""
        for i in range(layer, self.layers):
            x = self._layer(x, i)
        return (self._convolved(_pixel_norm(x), f"output{self.stages - 1}", 1.0, 0) + 1) / 2

    def _layer(self, x: Tensor, i: int) -> Tensor:
        x = _pixel_norm(x)
        if i and i % 2 == 0:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        return F.leaky_relu(self._convolved(x, f"layer{i}", 2.0, 1 if i else 3), 0.2)

    def _convolved(self, x: Tensor, name: str, gain: float, padding: int) -> Tensor:
        weight, bias = getattr(self, f"{name}_conv_weight"), getattr(self, f"{name}_wscale_bias")
        x = F.conv2d(x, weight, padding=padding)
        return x * math.sqrt(gain / weight[0].numel()) + bias[:, None, None]


def _pixel_norm(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class ReferenceArm:
    """The released recipe on one picture: plain descent, codes one after another, nothing kept between steps.

    Args:
        generator: what is inverted.
        vgg: the trunk of the perceptual term.
        task: decides on codes, composing layer, steps and weight of that term.
    """

    def __init__(self, generator: PGGAN, vgg: VGGFeatures, task: str) -> None:
        self.settings, self.vgg = paper_settings(task), vgg
        self.generator = ReleasedGenerator(generator)

    def start(self, channels: int) -> tuple[Tensor, Tensor]:
        """``z`` (codes, z_dim), normal, and ``alpha`` (codes, channels), 1/N."""
        s, z_dim = self.settings, self.generator.layer0_conv_weight.shape[1]
        z = torch.randn(1, s.codes, z_dim, generator=torch.Generator().manual_seed(0))[0]
        return z, torch.full((s.codes, channels), 1 / s.codes)

    def step(self, z: Tensor, alpha: Tensor, y: Tensor, physics: Degradation) -> tuple[Tensor, Tensor, float]:
        """The codes and weights after a step, and the objective before it."""
        s = self.settings
        z, alpha = z.clone().requires_grad_(), alpha.clone().requires_grad_()
        features = sum(
            self.generator.first(z[n : n + 1], s.layer) * alpha[n][:, None, None] for n in range(s.codes)
        )
        image = physics.f(self.generator.second(features / s.codes, s.layer))
        with torch.no_grad():
            target = self._features(y)
        loss = F.mse_loss(image, y) + s.perceptual * F.l1_loss(self._features(image), target)
        self.generator.zero_grad()
        loss.backward()
        return (z - s.lr * z.grad).detach(), (alpha - s.alpha_lr * alpha.grad).detach(), loss.item()

    def _features(self, x: Tensor) -> Tensor:
        return self.vgg(x.expand(-1, 3, -1, -1))["conv3_3"]


def reference_run(
    generator: PGGAN, vgg: Path, task: str, y: Tensor, physics: Degradation, kept: Path
) -> tuple[Tensor, list[float]]:
    """The released recipe to its last step: the picture, and the objective before each step and at the end.

    The sums are those of :class:`ReferenceArm`, in an order that takes a third of the time: all codes at once, the
    target's features once, no gradient of the generator. It goes on where ``kept`` was last written.
    """
    settings = paper_settings(task)
    prior = GANPrior(generator, settings, vgg=vgg)
    loss_of = InversionLoss(y, settings.l2, settings.l1, settings.perceptual, prior.term)
    state = torch.load(kept, weights_only=True) if kept.exists() else None
    if state is None:
        z = torch.randn(1, settings.codes, generator.z_dim, generator=torch.Generator().manual_seed(0))
        alpha = torch.full((1, settings.codes, generator.channels_at(settings.layer)), 1 / settings.codes)
        state = {"z": z, "alpha": alpha, "objective": []}
    z, alpha, objective = state["z"], state["alpha"], state["objective"]
    while len(objective) < settings.steps:
        z.requires_grad_(), alpha.requires_grad_()
        loss, _ = loss_of(physics.f(prior.compose(z, alpha)))
        grad_z, grad_alpha = torch.autograd.grad(loss.sum(), (z, alpha))
        z, alpha = (z - settings.lr * grad_z).detach(), (alpha - settings.alpha_lr * grad_alpha).detach()
        objective.append(loss.item())
        if len(objective) % 50 == 0 or len(objective) == settings.steps:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with replacing(kept) as temporary:
                torch.save({"z": z, "alpha": alpha, "objective": objective}, temporary)
    with torch.no_grad():
        image = prior.compose(z, alpha)
        return image, [*objective, loss_of(physics.f(image))[0].item()]

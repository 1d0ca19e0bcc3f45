"""Colour lost: what is left of a picture is its luminance."""

from __future__ import annotations

from typing import Self

import deepinv as dinv
import torch
from torch import Tensor

from bigprior.degradations.base import Degradation
from bigprior.degradations.protocol import Protocol
from bigprior.degradations.stock import refuse_noise
from bigprior.errors import SettingsError
from bigprior.ops.colour import LUMINANCE

#: How far another's weights of red, green and blue may be from ours: the last digits of Rec. 601.
_SAME_GREY = 1e-3


def _grey_files(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    """The paper's grey pictures are 8-bit files whose values were cut, not rounded."""
    physics = Colorization()
    return (physics.f(x) * 255 + 1e-3).floor() / 255, physics


class Colorization(Degradation, dinv.physics.Decolorize):  # type: ignore[misc]  # deepinv publishes no types
    """Colour lost: ``f`` is luminance, 0.299 R + 0.587 G + 0.114 B; ``g_inv`` copies the grey into three channels."""

    name = "colorization"
    verb = "colorize"
    channels = 1
    placement = "whole"
    frame = "luminance"
    measured = ("luminance",)
    colours = True
    metrics = ("auc", "psnr", "ssim", "lpips")
    protocols = {"colorization": Protocol(_grey_files)}  # noqa: RUF012 (a ClassVar of the base)
    paper = {"codes": 20, "layer": 6, "steps": 1500, "perceptual": 1e-3}  # noqa: RUF012
    stock = dinv.physics.Decolorize

    def __init__(self, **kwargs: object) -> None:
        super().__init__(srf=LUMINANCE, **kwargs)

    def A(self, x: Tensor, **kwargs: object) -> Tensor:  # noqa: D102, N802 (deepinv's name)
        # deepinv's own A goes through the operator's singular vectors and rounds differently.
        y: Tensor = (x * self.srf).sum(dim=1, keepdim=True)
        return y

    def g_inv(self, y: Tensor) -> Tensor:
        """Copies the grey (N, 1, H, W) into three channels."""
        # Not A_dagger: the least-squares inverse of luminance is a green picture.
        return y.expand(-1, 3, -1, -1).contiguous()

    def g(self, x: Tensor) -> Tensor:
        """Any channel of a grey picture, here the first."""
        return x[:, :1]

    def condition(self, y: Tensor) -> Tensor:
        """The luminance of every pixel, the colour of none; the guess is grey."""
        return torch.cat([(2 * y - 1).expand(-1, 3, -1, -1), torch.ones_like(y), torch.zeros_like(y)], dim=1)

    def consistent(self, prior: Tensor, y: Tensor) -> Tensor:
        """The measurement's luminance with the prior's chroma, as in the released code.

        Deviates: chroma that would leave [0, 1] at this luminance is scaled towards grey, so that ``f`` of the
        result is ``y`` (the released code clips, which changes the luminance).
        """
        chroma = prior - self.f(prior)
        room = torch.where(chroma > 0, (1 - y).clamp_min(0), y.clamp_min(0))
        scale = (room / chroma.abs().clamp_min(1e-6)).amin(dim=1, keepdim=True).clamp_max(1)
        # Rounding may leave [0, 1] by a bit; a measurement may by more, and is kept.
        return torch.clamp(y + scale * chroma, min=y.clamp_max(0), max=y.clamp_min(1))

    @classmethod
    def of_physics(cls, physics: dinv.physics.Physics) -> Self:
        """Of deepinv's ``Decolorize`` with Rec. 601's weights, its default."""
        refuse_noise(physics, cls.name)
        weights = physics.srf.flatten()
        if len(weights) != 3 or not torch.allclose(weights, weights.new_tensor(LUMINANCE), atol=_SAME_GREY):
            came = ", ".join(f"{weight:.3f}" for weight in weights.tolist())
            raise SettingsError(f"this grey is of weights ({came}): expected Rec. 601's, {LUMINANCE}")
        return cls()

"""Colour lost: what is left of a picture is its luminance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import deepinv as dinv
import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.degradations.base import Degradation
from bigprior.degradations.protocol import Protocol
from bigprior.degradations.stock import refuse_noise
from bigprior.errors import ImageError, SettingsError
from bigprior.io.arrays import described
from bigprior.io.pictures import read_picture
from bigprior.ops.colour import LUMINANCE, has_colours, luminance
from bigprior.ops.resampling import padded, resized

#: How far another's weights of red, green and blue may be from ours: the last digits of Rec. 601.
_SAME_GREY = 1e-3


def _grey_files(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    """The paper's grey pictures are 8-bit files whose values were cut, not rounded."""
    physics = Colorization()
    return (physics.f(x) * 255 + 1e-3).floor() / 255, physics


class Colorization(Degradation, dinv.physics.Decolorize):  # type: ignore[misc]  # deepinv publishes no types
    """Colour lost: ``f`` is luminance, 0.299 R + 0.587 G + 0.114 B; ``g_inv`` copies the grey into three channels.

    Args:
        hints: (1 or N, 1, H, W) of 0 and 1, where a person knows the colour: 1 = known. Then a measurement is a picture
            (N, 3, H, W), in colour where that is known and grey elsewhere, and ``g_inv`` is the identity.

    Raises:
        SettingsError: hints of another form.
    """

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
    pictures = ("hints",)
    #: The colours of the hints, (1, 3, H, W), as they were painted; and whether colours of photographs are to be lost.
    painted: Tensor | None = None
    force: bool = False

    def __init__(self, hints: Tensor | None = None, **kwargs: object) -> None:
        super().__init__(srf=LUMINANCE, **kwargs)
        if hints is not None:
            if hints.ndim != 4 or hints.shape[1] != 1 or not ((hints == 0) | (hints == 1)).all():
                raise SettingsError(f"hints are {described(hints)}: expected (1 or N, 1, H, W) of 0 and 1, 1 = known")
            self.channels = 3
        self.hints: Tensor | None
        self.register_buffer("hints", None if hints is None else hints.float())

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Of ``hints``, a picture's file with colours where they are known, transparent elsewhere; or without.

        ``force`` takes photographs that have colours too: theirs are lost.

        Raises:
            ImageError: no such file, not a picture, or one without hints.
            SettingsError: another setting.
        """
        cls.refuse_others(settings, ("hints", "force"))
        file = settings.get("hints")
        painted = None if file is None else read_picture(file)
        if painted is None:
            made = cls()
        elif painted.alpha is None or not (hints := (painted.alpha >= 0.5).float()).any() or hints.all():
            raise ImageError(
                f"{file} gives no hints: expected colours where they are known, and transparent pixels elsewhere"
            )
        else:
            made = cls(hints)
            made.painted = painted.image
        made.force = bool(settings.get("force", False))
        return made

    def of_photograph(self, photograph: Tensor) -> Tensor:
        """What is left of a photograph; with the hints, if there are any, in the photograph's luminance.

        Raises:
            ImageError: the photograph has colours already, and nobody said that they are to be lost; or hints of
                another size.
        """
        if not self.force and has_colours(photograph):
            raise ImageError("it has colours already, which would be thrown away: pass --force to do so")
        grey: Tensor = (photograph * self.srf).sum(dim=1, keepdim=True)
        if self.hints is None or self.painted is None:
            return grey
        self.check(photograph)
        return torch.where(self.hints > 0, _in_luminance(self.painted, grey), grey)

    def A(self, x: Tensor, **kwargs: object) -> Tensor:  # noqa: D102, N802 (deepinv's name)
        # deepinv's own A goes through the operator's singular vectors and rounds differently.
        y: Tensor = (x * self.srf).sum(dim=1, keepdim=True)
        return y if self.hints is None else torch.where(self.hints > 0, x, y)

    def A_adjoint(self, y: Tensor, **kwargs: object) -> Tensor:  # noqa: D102, N802 (deepinv's name)
        if self.hints is None:
            x: Tensor = super().A_adjoint(y, **kwargs)
            return x
        return torch.where(self.hints > 0, y, self.srf * y.sum(dim=1, keepdim=True))

    def g_inv(self, y: Tensor) -> Tensor:
        """Copies the grey (N, 1, H, W) into three channels; with hints, ``y`` is a picture already."""
        # Not A_dagger: the least-squares inverse of luminance is a green picture.
        return y.expand(-1, 3, -1, -1).contiguous()

    def g(self, x: Tensor) -> Tensor:
        """Any channel of a grey picture, here the first; with hints, the picture."""
        return x[:, : self.channels]

    def condition(self, y: Tensor) -> Tensor:
        """The luminance of every pixel, the colour of those with hints; the guess is grey."""
        ones = torch.ones_like(y[:, :1])
        colour = torch.zeros_like(ones) if self.hints is None else self.hints.expand_as(ones)
        return torch.cat([(2 * y - 1).expand(-1, 3, -1, -1), ones, colour], dim=1)

    def consistent(self, prior: Tensor, y: Tensor) -> Tensor:
        """The measurement's luminance with the prior's chroma, as in the released code.

        Deviates: chroma that would leave [0, 1] at this luminance is scaled towards grey, so that ``f`` of the
        result is ``y`` (the released code clips, which changes the luminance).
        """
        if self.hints is None:
            return _in_luminance(prior, y)
        return torch.where(self.hints > 0, y, _in_luminance(prior, y[:, :1]))

    def check(self, y: Tensor) -> Tensor:
        """Also raises ImageError: hints of another size than ``y``, or for another number of pictures."""
        super().check(y)
        if self.hints is not None and (len(self.hints) not in (1, len(y)) or self.hints.shape[2:] != y.shape[2:]):
            raise ImageError(
                f"hints are {described(self.hints)} but the picture is {described(y)}: pass hints of its size"
            )
        return y

    # Parts: hints lie where the picture does.

    def select(self, pictures: slice) -> Self:
        """With the hints of these pictures."""
        return self if self.hints is None or len(self.hints) == 1 else type(self)(self.hints[pictures])

    def crop(self, y: Tensor, top: int, left: int, height: int, width: int) -> tuple[Tensor, Self]:
        """The window of the picture and of the hints."""
        window = (..., slice(top, top + height), slice(left, left + width))
        return y[window], self if self.hints is None else type(self)(self.hints[window])

    def pad(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """What is repeated has the hints of the last row and column."""
        return padded(y, height, width), self if self.hints is None else type(self)(padded(self.hints, height, width))

    def resize(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """A pixel has the mean of the hints that it covers."""
        small = resized(y, height, width)
        if self.hints is None:
            return small, self
        grey = (y * self.srf).sum(dim=1, keepdim=True)
        share = resized(self.hints, height, width).clamp_min(1e-6)
        chroma = resized((y - grey) * self.hints, height, width) / share
        hints = F.adaptive_max_pool2d(self.hints, (height, width))
        return resized(grey, height, width) + torch.where(hints > 0, chroma, 0), type(self)(hints)

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """With the hints of each part."""
        hints = [part.hints for part in parts if part.hints is not None]
        return cls(torch.cat(hints)) if hints else parts[0]

    def blind(self) -> Self:
        """Without hints."""
        return type(self)()

    def record(self, y: Tensor) -> dict[str, Any]:
        """The share of the pixels whose colour was known, if there are any."""
        return {} if self.hints is None else {"hints": round(float(self.hints.mean()), 6)}

    @classmethod
    def of_physics(cls, physics: dinv.physics.Physics) -> Self:
        """Of deepinv's ``Decolorize`` with Rec. 601's weights, its default."""
        refuse_noise(physics, cls.name)
        weights = physics.srf.flatten()
        if len(weights) != 3 or not torch.allclose(weights, weights.new_tensor(LUMINANCE), atol=_SAME_GREY):
            came = ", ".join(f"{weight:.3f}" for weight in weights.tolist())
            raise SettingsError(f"this grey is of weights ({came}): expected Rec. 601's, {LUMINANCE}")
        return cls()


def _in_luminance(x: Tensor, y: Tensor) -> Tensor:
    """A picture (N, 3, H, W) in another luminance (N, 1, H, W), with as much of its chroma as [0, 1] has room for."""
    chroma = x - luminance(x)
    room = torch.where(chroma > 0, (1 - y).clamp_min(0), y.clamp_min(0))
    scale = (room / chroma.abs().clamp_min(1e-6)).amin(dim=1, keepdim=True).clamp_max(1)
    # Rounding may leave [0, 1] by a bit; a measurement may by more, and is kept.
    return torch.clamp(y + scale * chroma, min=y.clamp_max(0), max=y.clamp_min(1))

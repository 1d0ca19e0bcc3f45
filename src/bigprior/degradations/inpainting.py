"""Pixels lost: holes that a mask knows, or that have to be found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

import deepinv as dinv
import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.degradations.base import Degradation, Measurement
from bigprior.degradations.protocol import Protocol
from bigprior.degradations.stock import refuse_noise
from bigprior.errors import MaskError, SettingsError
from bigprior.io.pictures import Picture, read_mask
from bigprior.ops.defects import Finder
from bigprior.ops.masks import centre_hole, random_boxes, random_strokes, smooth_fill
from bigprior.ops.resampling import padded, resized


def _centre(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    physics = Inpainting(centre_hole(x.shape[2], x.shape[3]))
    return physics.f(x), physics


def _boxes(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    physics = Inpainting(random_boxes(x.shape[2], x.shape[3], rng))
    return physics.f(x), physics


def _strokes(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Degradation]:
    physics = Inpainting(random_strokes(x.shape[2], x.shape[3], rng))
    return physics.f(x), physics


class Inpainting(Degradation, dinv.physics.Inpainting):  # type: ignore[misc]  # deepinv publishes no types
    """Pixels lost: ``f`` multiplies by a mask, 1 = known, 0 = hole; ``g_inv`` is the identity.

    Args:
        mask: (1 or N, 1, H, W) of 0 and 1; None when nobody knows where the hole is. Then the exactly black pixels of
            ``y`` are what ``f`` takes for the hole, and ``phi`` has to find it by itself, as in the paper.
        window: the mask is of a window of a picture, which may be all hole or all known.

    Raises:
        MaskError: values other than 0 and 1, or a mask that is all hole or all known.
    """

    name = "inpainting"
    verb = "inpaint"
    placement = "hole"
    phi = "unet"
    protocols = {  # noqa: RUF012 (a ClassVar of the base)
        "inpainting-centre": Protocol(_centre),
        "inpainting-boxes": Protocol(_boxes, condition=True),
        "inpainting-strokes": Protocol(_strokes, condition=True),
    }
    learning = ("inpainting-boxes", "inpainting-centre")
    paper = {"codes": 30, "layer": 4, "steps": 3000, "perceptual": 1e-4}  # noqa: RUF012
    stock = dinv.physics.Inpainting
    pictures = ("mask",)
    #: What a photograph is searched for, where that makes the mask.
    finder: Finder | None = None

    def __init__(self, mask: Tensor | None = None, *, window: bool = False, **kwargs: object) -> None:
        if mask is not None:
            if mask.ndim != 4 or mask.shape[1] != 1:
                raise MaskError(f"mask is {tuple(mask.shape)}: expected (1 or N, 1, H, W)")
            mask = mask.float()
            if not ((mask == 0) | (mask == 1)).all():
                raise MaskError("mask holds values other than 0 and 1: expected 1 = known, 0 = hole")
            flat = mask.flatten(1)
            if not window and (bool((flat.amin(1) == 1).any()) or bool((flat.amax(1) == 0).any())):
                kind = "known" if bool((flat.amin(1) == 1).any()) else "hole"
                raise MaskError(f"mask is all {kind}: expected both known pixels (1) and a hole (0)")
        super().__init__(img_size=(3, *mask.shape[2:]) if mask is not None else (3, 1, 1), mask=mask, **kwargs)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Of a mask, or of what is to be found in the photograph; without either, phi has to find the hole.

        ``mask`` is a picture's file, which ``invert``, ``alpha`` and ``page`` say how to read, see
        :func:`bigprior.read_mask`; ``find`` is a name in :data:`bigprior.ops.defects.FINDERS`; and either hole grows by
        ``grow`` pixels.

        Raises:
            ImageError: no such file, or not a picture.
            MaskError: a mask that cannot be told from its file, or that is all hole or all known.
            SettingsError: another setting, or one that says nothing to the others.
            UnknownNameError: nobody knows how to find that.
        """
        cls.refuse_others(settings, ("mask", "grow", "invert", "alpha", "page", "find"))
        read = {name: settings[name] for name in ("grow", "invert", "alpha", "page") if settings.get(name) is not None}
        mask, find = settings.get("mask"), settings.get("find")
        if mask is not None and find is not None:
            raise SettingsError("find looks for the hole that mask says already: leave one of both out")
        for name in read:
            if mask is None and (find is None or name != "grow"):
                raise SettingsError(f"{name} says how a mask is read, but there is none: pass one, or leave {name} out")
        made = cls() if mask is None else cls(read_mask(mask, **read))
        made.keeps_alpha = not read.get("alpha", False)
        if find is not None:
            made.finder = Finder(find, read.get("grow", 0))
        return made

    def seen_in(self, picture: Picture) -> Self:
        """With the mask of what was to be found in it.

        Raises:
            MaskError: there is none of it, or too much to be that.
        """
        if self.finder is None:
            return self
        found = self.finder.hole(picture.image[0].permute(1, 2, 0).numpy())
        made = type(self)(1 - torch.from_numpy(found).to(picture.image)[None, None])
        made.finder = self.finder
        return made

    def shown(self) -> dict[str, Tensor]:
        """A mask that was found, white = known, as ``mask`` takes it."""
        return {} if self.finder is None or self.mask is None else {"mask": self.mask}

    def of_photograph(self, photograph: Tensor) -> Tensor:
        """The photograph without what the mask hides; without a mask, a photograph that has its hole already.

        Raises:
            MaskError: a mask of another size.
        """
        return photograph if self.mask is None else self.f(self.check(photograph))

    def measure(self, y: Tensor) -> Measurement:
        """Without a mask, the exactly black pixels of ``y`` are the guess that priors are given.

        If there are none, or nothing else, a prior that has to know the hole raises :class:`MaskError`.

        Raises:
            ImageError: not pictures.
            MaskError: a mask of another size.
        """
        self.check(y)
        if self.mask is not None:
            return Measurement(y, self)
        with suppress(MaskError):
            return Measurement(y, Inpainting((y != 0).any(dim=1, keepdim=True)), searching=True)
        return Measurement(y, self, searching=True)

    def A(self, x: Tensor, mask: Tensor | None = None, **kwargs: object) -> Tensor:  # noqa: N802
        """Deepinv's name for :meth:`f`."""
        y: Tensor = super().A(x, mask=self._known() if mask is None else mask, **kwargs)
        return y

    def known_phi(self, y: Tensor) -> Tensor | None:
        """1 in the hole and 0 elsewhere, if a mask was given: known pixels come back bit for bit."""
        return None if self.mask is None else self.hole(y)

    def hole(self, y: Tensor) -> Tensor:
        """Where the mask is 0; raises MaskError where nobody knows it."""
        return (1 - self._known()).expand(len(y), -1, -1, -1)

    def condition(self, y: Tensor) -> Tensor:
        """Luminance and colour of the known pixels; the guess is :func:`~bigprior.ops.masks.smooth_fill`.

        Raises:
            MaskError: without a mask nobody knows which those are; see :meth:`measure`.
        """
        mask = self._known().expand(len(y), -1, -1, -1)
        return torch.cat([2 * smooth_fill(y, mask) - 1, mask, mask], dim=1)

    def decomposable(self) -> dinv.physics.Physics:
        """With a mask for every channel, as deepinv's DDRM wants it."""
        mask = self._known().expand(-1, 3, -1, -1)
        return dinv.physics.Inpainting(tuple(mask.shape[1:]), mask=mask)

    def record(self, y: Tensor) -> dict[str, Any]:
        """Whether the mask was given, or how it was found."""
        if self.mask is None:
            return {"mask": "found by phi"}
        return {"mask": "given" if self.finder is None else f"found: {self.finder.name}"}

    def check(self, y: Tensor) -> Tensor:
        """Also raises MaskError: a mask of another size than ``y``."""
        super().check(y)
        if self.mask is not None and len(self.mask) not in (1, len(y)):
            raise MaskError(f"there are {len(self.mask)} masks but {len(y)} pictures: pass one mask, or one for each")
        if self.mask is not None and self.mask.shape[2:] != y.shape[2:]:
            (h, w), (hy, wy) = self.mask.shape[2:], y.shape[2:]
            raise MaskError(f"mask is {w}x{h} but the image is {wy}x{hy}: pass a mask of the image's size")
        return y

    def select(self, pictures: slice) -> Self:
        """With the masks of these pictures."""
        return self if self.mask is None or len(self.mask) == 1 else self._with(self.mask[pictures])

    def crop(self, y: Tensor, top: int, left: int, height: int, width: int) -> tuple[Tensor, Self]:
        """The window of the picture and of the mask."""
        window = (..., slice(top, top + height), slice(left, left + width))
        return y[window], self if self.mask is None else self._with(self.mask[window])

    def pad(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """What is repeated is known where the last row and column are."""
        return padded(y, height, width), self if self.mask is None else self._with(padded(self.mask, height, width))

    def resize(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """A pixel is known where all that it covers is; its colour is the mean of what is known.

        Raises:
            SettingsError: no pixel is known at that size.
        """
        if self.mask is None:
            return resized(y, height, width), self
        small = resized(self.mask, height, width)
        whole = ((small > 0.999) & (F.adaptive_max_pool2d(1 - self.mask, (height, width)) == 0)).to(y)
        if not whole.flatten(1).any(dim=1).all():
            raise SettingsError(f"the hole leaves no known pixel at the prior's side of {height}: keep more around it")
        colours = resized(y * self.mask, height, width)
        return colours / small.clamp_min(1e-3) * whole, self._with(whole)

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """With the mask of each part."""
        return cls(torch.cat([part._known() for part in parts]), window=True)

    @classmethod
    def of_physics(cls, physics: dinv.physics.Physics) -> Self:
        """Of deepinv's ``Inpainting`` without noise, whose mask is the same for all channels."""
        refuse_noise(physics, cls.name)
        if physics.mask is None:
            raise MaskError(f"this Inpainting has no mask: give it one, or pass bigprior's {cls.__name__}() to find it")
        mask = physics.mask
        while mask.ndim < 4:
            mask = mask[None]
        if not bool((mask == mask[:, :1]).all()):
            raise SettingsError("this mask differs from channel to channel: expected one hole for all of them")
        return cls(mask[:, :1])

    def _known(self) -> Tensor:
        if self.mask is None:
            raise MaskError("no mask was given and no black hole was found: pass a mask, or a picture with such a hole")
        known: Tensor = self.mask
        return known

    def _with(self, mask: Tensor) -> Self:
        return type(self)(mask, window=True)

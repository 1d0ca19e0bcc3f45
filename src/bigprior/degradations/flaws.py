"""What photographs have suffered beside noise: pixels lost to impulses, bands, and a scale that no network knows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bigprior.errors import SettingsError
from bigprior.io.samples import Array
from bigprior.ops.banding import bands
from bigprior.ops.blank import blank
from bigprior.ops.colour import from_linear
from bigprior.ops.filling import smooth
from bigprior.ops.impulses import impulses
from bigprior.ops.masks import smooth_fill

#: What a photograph is searched for.
FINDABLE = ("impulses", "banding")
#: The tensors among flaws, and their channels.
_TENSORS = {"lost": 3, "bands": 3, "unseen": 1}


@dataclass(frozen=True, eq=False)
class Flaws:
    """The flaws of photographs (N, 3, H, W); none by default.

    Attributes:
        lost: bool (N, 3, H, W): samples that say nothing of the picture, such as impulses and hot pixels.
        bands: float32 (N, 3, H, W): offsets of rows and columns, which are in the photograph and not in the picture.
        unseen: bool (N, 1, H, W): no part of the photograph, such as what is transparent; it says nothing of noise.
        linear: values are proportional to light, and not as screens take them.

    Raises:
        SettingsError: tensors of other shapes.
    """

    lost: Tensor | None = None
    bands: Tensor | None = None
    unseen: Tensor | None = None
    linear: bool = False

    def __post_init__(self) -> None:
        for name, channels in _TENSORS.items():
            value = getattr(self, name)
            if value is not None and (value.ndim != 4 or value.shape[1] != channels):
                raise SettingsError(f"{name} is {tuple(value.shape)}: expected (N, {channels}, H, W)")

    def __bool__(self) -> bool:
        """Whether there is one that a measurement is made plain of."""
        return self.linear or self.lost is not None or self.bands is not None

    def each(self, change: Callable[[Tensor], Tensor]) -> Flaws:
        """With all tensors changed alike, as float32, such as cut to a window."""
        found: dict[str, Any] = {}
        for name in _TENSORS:
            if (value := getattr(self, name)) is not None:
                changed = change(value.float())
                found[name] = changed if name == "bands" else changed > 0
        return replace(self, **found)

    def strike(self, x: Tensor) -> Tensor:
        """Pictures with their bands, and without what is lost."""
        x = x if self.bands is None else x + self.bands.to(x)
        return x if self.lost is None else x * (1 - self.lost.to(x))

    def check(self, y: Tensor) -> None:
        """That they are of these photographs (N, 3, H, W).

        Raises:
            SettingsError: they are of another size, or of another number of pictures.
        """
        for name in _TENSORS:
            value = getattr(self, name)
            if value is not None and (value.shape[2:] != y.shape[2:] or len(value) not in (1, len(y))):
                came, wanted = tuple(value.shape), tuple(y.shape)
                raise SettingsError(f"{name} is {came} but the photographs are {wanted}: pass what is of their size")

    def without_bands(self, y: Tensor) -> Tensor:
        """Photographs without their bands."""
        return y if self.bands is None else y - self.bands.to(y)

    def plain(self, y: Tensor) -> Tensor:
        """Photographs as networks know them: what was lost is filled smoothly, and light is as screens show it."""
        y = self.without_bands(y)
        y = from_linear(y) if self.linear else y
        if self.lost is None:
            return y
        lost = self.lost.to(y.device).expand_as(y)
        # First as a membrane, which any hole has; then as a surface, which goes on in slope too.
        filled = smooth_fill(y.flatten(0, 1)[:, None], 1 - lost.to(y).flatten(0, 1)[:, None]).view_as(y)
        for picture, hole in zip(filled, lost.any(dim=1).cpu().numpy(), strict=True):
            values = smooth(picture.permute(1, 2, 0).cpu().numpy(), hole, hole)
            picture.copy_(torch.from_numpy(values).permute(2, 0, 1))
        return torch.where(lost, filled, y)

    def hole(self, y: Tensor) -> Tensor | None:
        """Pixels (N, 1, H, W) of which some sample is lost, 1 = lost; None if there are none."""
        return None if self.lost is None else self.lost.any(dim=1, keepdim=True).to(y)

    def record(self) -> dict[str, Any]:
        """How much of each there is, as values that JSON holds; nothing of what there is not."""
        said: dict[str, Any] = {"linear": True} if self.linear else {}
        if self.lost is not None:
            said["impulses"] = round(float(self.lost.any(dim=1).float().mean()), 6)
        if self.bands is not None:
            said["banding"] = round(float(self.bands.std()), 6)
        return said

    @staticmethod
    def found_in(
        photograph: Tensor, looks_for: Collection[str] = FINDABLE, *, alpha: Tensor | None = None, linear: bool = False
    ) -> Flaws:
        """Those of one photograph (1, 3, H, W).

        Args:
            photograph: RGB in [0, 1].
            looks_for: some of :data:`FINDABLE`.
            alpha: (1, 1, H, W), if it has any: what is transparent is no part of it.
            linear: values are proportional to light; impulses are looked for as screens show them.
        """
        unseen = None if alpha is None or bool((alpha > 0).all()) else alpha == 0
        empty = blank(photograph, unseen)
        where = None if empty is None else empty[0, 0].cpu().numpy()
        lost, offsets = None, []
        if "impulses" in looks_for:
            lost = impulses(_samples(from_linear(photograph) if linear else photograph), where)
        if "banding" in looks_for:
            silent = [area for area in (where, None if lost is None else lost.any(axis=2)) if area is not None]
            nothing = np.logical_or.reduce(silent) if silent else None
            offsets = [lines for lines in bands(_samples(photograph), nothing) if lines is not None]
        return Flaws(
            lost=None if lost is None else torch.from_numpy(lost).permute(2, 0, 1)[None],
            bands=_tensor(sum(offsets[1:], offsets[0]), photograph) if offsets else None,
            unseen=unseen,
            linear=linear,
        )

    @staticmethod
    def join(parts: Sequence[Flaws]) -> Flaws:
        """Those of several batches, as one.

        Raises:
            SettingsError: one has a flaw that another has not.
        """
        first, found = parts[0], {}
        for name in _TENSORS:
            values = [getattr(part, name) for part in parts]
            if any((value is None) != (values[0] is None) for value in values):
                raise SettingsError(f"some of these pictures have {name}, and others none: restore them apart")
            found[name] = None if values[0] is None else torch.cat(values)
        if any(part.linear != first.linear for part in parts):
            raise SettingsError("some of these pictures are linear, and others not: restore them apart")
        return Flaws(**found, linear=first.linear)


def _samples(photograph: Tensor) -> Array:
    return photograph[0].permute(1, 2, 0).cpu().numpy()


def _tensor(values: Array, like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None].to(like).expand_as(like)

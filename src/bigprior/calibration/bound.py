"""How far the truth may lie from a restored picture, with a guarantee."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from bigprior.calibration.domain import FAR


@dataclass(frozen=True)
class Bound:
    """Intervals for the true values of restored pictures.

    Of a picture that is drawn as those that calibrated were, at most ``alpha`` of the values lie outside on average
    over such pictures; that is so with a probability of ``1 - delta`` over the draw of the calibration's pictures.
    They are intervals for the truth, and so hold however much of the restored picture was then taken from the prior.

    Attributes:
        lower, upper: of every value, (N, 3, H, W), in [0, 1] where a pixel is free.
        free: 1 where a pixel is not known exactly, (N, 1, H, W); elsewhere both are the picture, and it is not counted.
        alpha: the share of values outside, on average over pictures.
        delta: how probably it is more.
        pictures: how many calibrated.
        distance: how far each picture is from those, (N,): about 1 for one like them.
        as_far: the share of those that are as far, (N,).
        beside: what these pictures have suffered that those that calibrated had not, by name.
    """

    lower: Tensor
    upper: Tensor
    free: Tensor
    alpha: float
    delta: float
    pictures: int
    distance: Tensor
    as_far: Tensor
    beside: tuple[str, ...] = ()

    def __getitem__(self, pictures: slice) -> Bound:
        """That of some of the pictures."""
        names = ("lower", "upper", "free", "distance", "as_far")
        parts: dict[str, Any] = {name: getattr(self, name)[pictures] for name in names}
        return replace(self, **parts)

    def __repr__(self) -> str:
        return f"<Bound of {len(self.lower)}: {self.verdict()}>"

    @property
    def width(self) -> Tensor:
        """The mean width of the intervals of each picture's free pixels, (N,); 0 where there are none."""
        counted = self.free.sum(dim=(1, 2, 3)) * self.lower.shape[1]
        widths: Tensor = ((self.upper - self.lower) * self.free).sum(dim=(1, 2, 3)) / counted.clamp_min(1)
        return widths

    @property
    def far(self) -> Tensor:
        """Which pictures are so unlike those that calibrated that the guarantee may not hold, (N,), bool."""
        return self.as_far <= FAR

    def outside(self, truth: Tensor) -> Tensor:
        """The share of each picture's values in free pixels that lie outside, (N,), where the truth is known.

        Args:
            truth: (N, 3, H, W), RGB in [0, 1].
        """
        counted = self.free.expand_as(truth)
        out = ((truth < self.lower) | (truth > self.upper)) * counted
        share: Tensor = out.sum(dim=(1, 2, 3)) / counted.sum(dim=(1, 2, 3)).clamp_min(1)
        return share

    def verdict(self) -> str:
        """One line for a person."""
        half = 255 * float(self.width.mean()) / 2
        said = (
            f"{1 - self.alpha:.0%} of what is not known lies within {half:.1f} of 255 on average "
            f"({1 - self.delta:.0%} sure, by {self.pictures} pictures)"
        )
        if self.beside:
            said += f"; but those had no {' or '.join(self.beside)}: the bound was not certified for this"
        return said + ("; but this picture is unlike those: the bound may not hold" if bool(self.far.any()) else "")

    def record(self) -> dict[str, Any]:
        """What ``restoration.json`` says of it; a list has a value for each picture."""
        return {
            "alpha": self.alpha,
            "delta": self.delta,
            "pictures": self.pictures,
            "half_width": [round(width / 2, 6) for width in self.width.tolist()],
            "distance": [round(distance, 3) for distance in self.distance.tolist()],
            "far": self.far.tolist(),
        } | ({"not_calibrated_for": list(self.beside)} if self.beside else {})

"""How much may be made up, and where: limits that a person sets, whatever phi would take."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from bigprior.degradations import Measurement
from bigprior.errors import MaskError, SettingsError
from bigprior.fusion import Fusion, centre, fuse_pixels
from bigprior.io.arrays import described

#: Weights of what is made up that are tried, from the least to the most that says anything, and how often between.
_LEAST, _MOST, _HALVINGS = 1e-6, 10.0, 12


@dataclass(frozen=True, eq=False)
class Budget:
    """Limits of what is made up.

    Attributes:
        max_share: of each restored picture's variance, at most so much is made up, in [0, 1].
        keep: where nothing may be made up, (1 or N, 1, H, W) of 0 and 1, 1 = as it was measured.
        phi: the prior's share of each pixel as a person painted it, (1 or N, 1 or 3, H, W) in [0, 1], in place of the
            network's. In a hole, where nothing was measured, it is 1 nonetheless.

    Raises:
        SettingsError: a share or ``phi`` outside [0, 1] or no number, or both of them.
        MaskError: ``keep`` is no mask.
    """

    max_share: float | None = None
    keep: Tensor | None = None
    phi: Tensor | None = None

    def __post_init__(self) -> None:
        """Refuse what is no limit."""
        if self.max_share is not None and not 0 <= self.max_share <= 1:
            raise SettingsError(
                f"the share that may be made up is {self.max_share}: expected 0 to 1, such as 0.2 for a fifth"
            )
        if self.max_share is not None and self.phi is not None:
            raise SettingsError("a phi that is painted says how much is made up, and so does a share: leave one out")
        if self.keep is not None and (
            self.keep.ndim != 4 or self.keep.shape[1] != 1 or not bool(((self.keep == 0) | (self.keep == 1)).all())
        ):
            raise MaskError(f"keep is {described(self.keep)}: expected (1 or N, 1, H, W) of 0 and 1, 1 = keep")
        if self.phi is not None:
            self._check_phi(self.phi)

    @property
    def says_nothing(self) -> bool:
        """Whether there is no limit."""
        return self.max_share is None and self.keep is None and self.phi is None

    def check(self, m: Measurement) -> None:
        """That masks fit the pictures of a measurement.

        Raises:
            MaskError: another size, or what is to be kept was never measured.
            SettingsError: ``phi`` of another size.
        """
        for name, mask, error in (("keep", self.keep, MaskError), ("phi", self.phi, SettingsError)):
            if mask is None:
                continue
            if mask.shape[2:] != m.size or len(mask) not in (1, len(m)):
                (h, w), (height, width) = mask.shape[2:], m.size
                raise error(f"{name} is {w}x{h} but the picture is {width}x{height}: pass one of the picture's size")
        if self.keep is not None and (hole := m.hole if m.known_phi is not None else None) is not None:
            lost = int((self.keep.to(hole) * hole).sum())
            if lost:
                raise MaskError(
                    f"keep holds {lost} pixels of the hole, where nothing was measured: take them out of it"
                )

    def painted(self, m: Measurement, prior: Tensor) -> Fusion:
        """The fusion by the ``phi`` that a person painted, of a prior's picture (N, 3, H, W), pixel by pixel."""
        assert self.phi is not None
        phi = self.phi.to(prior).expand(len(prior), -1, -1, -1)
        if m.known_phi is not None:
            phi = torch.maximum(phi, m.known_phi.to(phi))
        return fuse_pixels(m.fidelity, m.consistent(prior), phi)

    def within(self, fused: Fusion, fuse: Callable[[int, float], Fusion] | None) -> tuple[Fusion, list[float | None]]:
        """A fusion whose share of each picture is at most :attr:`max_share`, and the weight that it took.

        Args:
            fused: as it is without a limit.
            fuse: one of its pictures, by its number, with another weight of what is made up; None where phi is known.

        Returns:
            The fusion, and for each picture the weight, or None where it was within the limit as it was.

        Raises:
            SettingsError: no weight makes so little up.
        """
        assert self.max_share is not None
        parts, weights = [], list[float | None]()
        for i, share in enumerate(fused.share.tolist()):
            one, weight = _one(fused, i), None
            if share > self.max_share:
                if fuse is None:
                    raise SettingsError(
                        f"{share:.1%} is made up where nothing was measured, and no weight changes that: ask for a "
                        "share that is no less, or make the hole smaller"
                    )
                one, weight = self._least(lambda rho, i=i: fuse(i, rho))  # type: ignore[misc]
            parts.append(one)
            weights.append(weight)
        return (fused if not any(weights) else _joined(parts)), weights

    def _least(self, fuse: Callable[[float], Fusion]) -> tuple[Fusion, float]:
        """The fusion of the least weight that is within the limit: the most accurate one."""
        assert self.max_share is not None
        low, high = math.log(_LEAST), math.log(_MOST)
        best, found = fuse(_MOST), _MOST
        if (share := float(best.share)) > self.max_share:
            raise SettingsError(
                f"at least {share:.1%} is made up of this picture, whatever rho is: ask for a share that is no less"
            )
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            tried = fuse(math.exp(middle))
            if float(tried.share) <= self.max_share:
                high, best, found = middle, tried, math.exp(middle)
            else:
                low = middle
        return best, found

    @staticmethod
    def _check_phi(phi: Tensor) -> None:
        if phi.ndim != 4 or phi.shape[1] not in (1, 3) or not phi.is_floating_point():
            raise SettingsError(f"phi is {described(phi)}: expected floats in [0, 1], (1 or N, 1 or 3, H, W)")
        if not bool(torch.isfinite(phi).all()):
            raise SettingsError("phi holds NaN or infinity: expected numbers in [0, 1], 1 = all prior")
        if float(phi.min()) < 0 or float(phi.max()) > 1:
            raise SettingsError(
                f"phi is in [{float(phi.min()):g}, {float(phi.max()):g}]: expected [0, 1], 1 = all prior; clip it"
            )


def kept(fused: Fusion, fidelity: Tensor, known: Tensor) -> Fusion:
    """The fusion with some pixels (N or 1, 1, H, W), 1 = kept, as they were measured: phi is 0 there.

    The share of the variance is what is left of each pixel's.
    """
    known = known.to(fidelity)
    free = 1 - known
    restored = fused.measured + fused.hallucinated
    energy = (restored - centre(restored)).double().square().sum(dim=1, keepdim=True)
    made_up = (fused.phi.mean(dim=1, keepdim=True) * energy).sum(dim=(1, 2, 3))
    left = (fused.phi.mean(dim=1, keepdim=True) * energy * free).sum(dim=(1, 2, 3)) / made_up.clamp_min(1e-12)
    return replace(
        fused,
        measured=torch.where(known > 0, fidelity, fused.measured),
        hallucinated=fused.hallucinated * free,
        phi=fused.phi * free,
        bands=tuple(band * free if band.shape[2:] == free.shape[2:] else band for band in fused.bands),
        share=fused.share * left.to(fused.share),
    )


def _one(fused: Fusion, i: int) -> Fusion:
    """One picture's."""
    return _each(lambda parts: parts[0][i : i + 1], [fused])


def _joined(parts: list[Fusion]) -> Fusion:
    """Several pictures' as one."""
    return _each(torch.cat, parts)


def _each(make: Callable[[list[Tensor]], Tensor], fusions: list[Fusion]) -> Fusion:
    """A fusion whose every tensor is made of those of several."""

    def of(parts: list[Any]) -> Any:
        first = parts[0]
        if isinstance(first, Tensor):
            return make(parts)
        if isinstance(first, tuple):
            return tuple(of(list(row)) for row in zip(*parts, strict=True))
        if isinstance(first, dict):
            return {key: of([part[key] for part in parts]) for key in first}
        return first

    return Fusion(**{field.name: of([getattr(f, field.name) for f in fusions]) for field in fields(Fusion)})

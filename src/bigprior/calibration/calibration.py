"""What a calibration found, as a small file holds it: for one preset, one task, and the weights that made it."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from bigprior.calibration.bound import Bound
from bigprior.calibration.domain import Domain, numbers_of
from bigprior.calibration.risk import certified, check_levels
from bigprior.calibration.signals import Parts
from bigprior.calibration.widths import Seen, Widths, outside
from bigprior.errors import SettingsError
from bigprior.settings import Settings

#: The scales that are tried, each a fortieth above the one before.
SCALES = tuple(math.exp(i / 40) for i in range(-120, 161))
#: Half-widths of intervals that are the same everywhere, to compare with.
CONSTANTS = tuple(math.exp(i / 40) for i in range(-320, 1))


class Calibration(Settings):
    """A calibration.

    Attributes:
        preset, task: whose restorations it is for.
        weights: SHA-256 of what restored, by part.
        settings: how that was asked.
        alpha, delta: at most ``alpha`` of the values outside, with a probability of ``1 - delta``.
        bound: how that was certified, a name in :data:`bigprior.calibration.risk.BOUNDS`.
        scale: half-widths are scaled by it.
        constant: the half-width of intervals that are the same everywhere, certified in the same way.
        widths: half-widths before they are scaled.
        domain: the pictures.
        pictures, fitted: how many certified, and on how many others half-widths were fitted.
        data: what they were, in a person's words.
        protocols: how they were measured, by name.
        scope: of :meth:`bigprior.Degradation.scope`, the least and the most of each number, and all words.
    """

    preset: str
    task: str
    weights: dict[str, str]
    settings: dict[str, Any] = Field(default_factory=dict)
    alpha: float
    delta: float
    bound: str = "betting"
    scale: float
    constant: float
    pictures: int
    fitted: int
    data: str = ""
    protocols: list[str] = Field(default_factory=list)
    scope: dict[str, list[float] | list[str]] = Field(default_factory=dict)
    widths: Widths
    domain: Domain

    def of(self, parts: Parts) -> Bound:
        """The bound of restorations that were made as those that calibrated."""
        distance, known = self.domain.distance(parts), parts.free == 0
        half = self.widths.half(parts).mul_(self.scale)
        # Pictures are in [0, 1], and so is the truth. In place: large ones have no room for more copies.
        ends = ((parts.restored - half).clamp_(0, 1), half.add_(parts.restored).clamp_(0, 1))
        lower, upper = (torch.where(known, parts.restored, x, out=x) for x in ends)
        return Bound(
            lower,
            upper,
            parts.free,
            self.alpha,
            self.delta,
            self.pictures,
            distance,
            self.domain.as_far(distance),
        )

    def beyond(self, scope: Mapping[str, float | str]) -> str | None:
        """Why this says nothing of a degradation with such settings; None if it does."""
        for name, value in scope.items():
            known: list[Any] = list(self.scope.get(name, []))
            if isinstance(value, str):
                if value not in known:
                    return f"{name} is {value}, and calibrated was {' and '.join(known) or 'no such'}"
            elif not known or not min(known) <= value <= max(known):
                ends = f"{min(known):.4g} to {max(known):.4g}" if known else "no such"
                return f"{name} is {value:.4g}, and calibrated was {ends}"
        return None

    def misfit(self, made: Mapping[str, Any]) -> str | None:
        """Why this is no calibration of restorations that are made like that; None if it is one.

        Args:
            made: what their record says: ``preset``, ``task``, ``weights``, ``settings`` and, where noise is taken for
                more or less than it is, ``strength`` and ``grain``.
        """
        for what in ("preset", "task"):
            if made.get(what) != (own := getattr(self, what)):
                return f"it is of the {what} {own}, not {made.get(what)}"
        weights = dict(made.get("weights", {}))
        if changed := sorted(k for k in {*weights, *self.weights} if weights.get(k) != self.weights.get(k)):
            return f"it was made with another {', '.join(changed)}"
        settings = json.loads(json.dumps(made.get("settings", {})))  # as a file holds them
        changed = sorted(k for k in {*settings, *self.settings} if settings.get(k) != self.settings.get(k))
        changed += [name for name, usual in (("strength", 1), ("grain", None)) if made.get(name, usual) != usual]
        return f"it was made with another {', '.join(changed)}" if changed else None


def calibrated(
    fit: Iterable[tuple[Parts, Tensor]],
    hold: Iterable[tuple[Parts, Tensor, Collection[str]]],
    *,
    alpha: float = 0.1,
    delta: float = 0.1,
    bound: str = "betting",
    **made: Any,
) -> Calibration:
    """Calibrate on pictures whose truth is known.

    Args:
        fit: restorations of one picture each, with its truth (1, 3, H, W), to fit the formula of half-widths on.
        hold: others, which no network and no formula has learned from, in an order that says nothing of them, each
            with the groups that it is of, such as a kind of scenes and a way to measure. Every group is certified for
            itself, so that none pays for another, and so is any mixture of them.
        alpha: the share of values that may lie outside.
        delta: how probably it may be more.
        bound: a name in :data:`bigprior.calibration.risk.BOUNDS`.
        made: how they were restored, the other fields of :class:`Calibration`.

    Raises:
        SettingsError: levels outside (0, 1), or too few pictures to certify them.
    """
    check_levels(alpha, delta)
    seen, fitted = Seen(), 0
    for parts, truth in fit:
        seen.add(parts, truth)
        fitted += 1
    widths = seen.fitted(alpha)
    numbers: list[Tensor] = []
    losses: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for parts, truth, groups in hold:
        errors = (parts.restored - truth).abs()
        lost = outside(errors, widths.half(parts), parts.free, SCALES)
        same = outside(errors, torch.ones_like(errors), parts.free, CONSTANTS)
        numbers.append(numbers_of(parts))
        for group in groups:
            losses.setdefault(group, []).append((lost, same))
    of_groups = [tuple(zip(*rows, strict=True)) for rows in losses.values()] or [((), ())]
    scale = max(_least(lost, SCALES, alpha, delta, bound) for lost, _ in of_groups)
    constant = max(_least(same, CONSTANTS, alpha, delta, bound) for _, same in of_groups)
    return Calibration(
        alpha=alpha,
        delta=delta,
        bound=bound,
        scale=round(scale, 6),
        constant=round(constant, 6),
        pictures=len(numbers),
        fitted=fitted,
        widths=widths,
        domain=Domain.of(torch.cat(numbers)),
        **made,
    )


def _least(losses: Sequence[Tensor], grid: tuple[float, ...], alpha: float, delta: float, bound: str) -> float:
    """The least of a grid that is certified."""
    rows = np.zeros((0, len(grid))) if not losses else torch.stack([*losses]).numpy()
    column = certified(rows, alpha=alpha, delta=delta, bound=bound) if len(rows) else math.inf
    if column == math.inf:
        raise SettingsError(
            f"{len(rows)} pictures cannot certify alpha {alpha:g} and delta {delta:g}, whatever the intervals: "
            "calibrate on more, or ask for less"
        )
    return grid[int(column)]

"""What a restoration is, in words: the same number, under the same name, that every report says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bigprior.report.shown import Restored

#: What people call kinds of bands.
_PLAIN = {"luminance": "brightness", "chrominance": "colour", "detail": "detail", "coarse": "broad tones"}


def verdict(restoration: Restored, values: Mapping[str, Any]) -> list[str]:
    """Sentences about one picture, the most important one first.

    Args:
        restoration: of one picture.
        values: its record's fields.
    """
    share = restoration.mean_share
    said = [f"{share:.0%} made up: so much of this picture's variance is from the prior, {1 - share:.0%} was measured."]
    if len(restoration.kinds) > 1:
        kinds = (f"{_PLAIN.get(kind, kind)} {float(part.mean()):.0%}" for kind, part in restoration.kinds.items())
        said.append(f"Made up of each part alone: {', '.join(kinds)}.")
    mostly = float((restoration.phi.mean(dim=1) >= 0.5).float().mean())
    untouched = float((restoration.phi.amax(dim=1) == 0).float().mean())
    said.append(f"Of its pixels, {mostly:.0%} are mostly made up, and {untouched:.0%} are the measurement's alone.")
    if values.get("noise") in ("found", "told") and values.get("sigma"):
        said.append(f"Noise {values['noise']}: sigma {255 * values['sigma'][0]:.1f} of 255.")
    if agreement := values.get("agreement"):
        said.append(f"Degraded again, it is off the measurement by {255 * agreement['rms']:.2f} of 255 (rms).")
    if values.get("audited"):
        said.append(f"The result is another program's: {values['audited']['name']}.")
    if (bound := getattr(restoration, "bound", None)) is not None and hasattr(bound, "verdict"):
        said.append(f"{bound.verdict()}.")
    elif values.get("bound") is None:
        said.append("Nothing is certified about its error.")
    else:
        said.append("Certified: " + ", ".join(f"{name} {value}" for name, value in values["bound"].items()) + ".")
    return said


def histogram(restoration: Restored, bins: int = 20) -> list[float]:
    """Which part of the pixels has a ``phi`` in each of so many steps from 0 to 1."""
    counts, _ = np.histogram(restoration.phi.mean(dim=1).cpu().numpy(), bins=bins, range=(0, 1))
    return [float(count) / counts.sum() for count in counts]

"""Weights that come with the package, or with ``bigprior-weights`` where the package came without them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from bigprior.errors import WeightsError

#: Packages that can hold them, each at the same places.
PACKAGES = ("bigprior", "bigprior_weights")
#: Where presets are in such a package, and the trunk that LPIPS and the colorizer see with.
PRESETS, TRUNK = "presets/data", "ops/alexnet_features.safetensors"
#: What to do where there are none.
ADVICE = "pip install bigprior-weights"


def embedded_path(place: str) -> Path | None:
    """The file or folder at a place in the first package that has it; None if none has.

    Args:
        place: :data:`PRESETS` or :data:`TRUNK`.
    """
    for package in PACKAGES:
        try:
            path = Path(str(files(package).joinpath(*place.split("/"))))
        except ModuleNotFoundError:
            continue
        if path.exists():
            return path
    return None


def needed_path(place: str) -> Path:
    """The same, where nothing goes on without it.

    Raises:
        WeightsError: no package has it.
    """
    path = embedded_path(place)
    if path is None:
        raise WeightsError(f"the embedded weights are not installed here ({place}): {ADVICE}")
    return path

"""Results as layers of napari, for its reader plugin: ``napari photo-denoising``.

napari itself is not imported: a layer is its data, its options and its kind, as npe2 wants them; ``napari.yaml`` names
:func:`reader`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bigprior.io.layers import read_layers
from bigprior.io.pictures import read_picture
from bigprior.io.samples import Array
from bigprior.report.output import RECORD
from bigprior.report.record import read_values

#: ``(data, options, kind)``.
LayerData = tuple[Array, dict[str, Any], str]

#: Layers from below, where a folder has them; the last of pictures is shown, the others can be switched on.
_PICTURES = ("fidelity", "prior", "measured", "hallucinated", "restored")
_SHARE = "phi"


def reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """What reads a path, if it is a folder of results or its record; None for what other plugins may read.

    Args:
        path: one, or several.
    """
    return layers if all(folder is not None for folder in map(_folder, _several(path))) else None


def layers(path: str | list[str]) -> list[LayerData]:
    """The layers of a folder of results: pictures (H, W, 3), and phi (H, W), whose bright values are made up.

    They are those of the kept layers (``--layers``), exactly, or else the folder's pictures.

    Args:
        path: a folder of results or its record; or several, each with layers of its own.

    Raises:
        ImageError: no such folder, or pictures that cannot be read.
    """
    found: list[LayerData] = []
    for one in _several(path):
        folder = _folder(one) or Path(one)
        values = read_values(folder)
        held = dict(_held(folder, values))
        for name in (*(name for name in _PICTURES if name in held), *([_SHARE] if _SHARE in held else [])):
            options: dict[str, Any] = {"name": f"{folder.name}: {name}", "visible": name == _PICTURES[-1]}
            options["metadata"] = {"bigprior": values}
            if name == _SHARE:
                options |= {"colormap": "inferno", "contrast_limits": (0.0, 1.0), "opacity": 0.6}
            else:
                options["rgb"] = True
            if name == "hallucinated":  # over ``measured`` it gives ``restored``
                options["blending"] = "additive"
            found.append((held[name], options, "image"))
    return found


def _held(folder: Path, values: dict[str, Any]) -> Iterator[tuple[str, Array]]:
    """Every layer of a folder by its name, or every picture."""
    if isinstance(kept := values.get("layers"), dict):
        for name, layer in read_layers(folder / Path(str(kept["file"])).name).items():
            yield name, _array(name, layer.numpy())
        return
    for file in map(Path, values.get("files", {})):
        if file.stem in (*_PICTURES, _SHARE) and (folder / file.name).is_file():
            yield file.stem, _array(file.stem, read_picture(folder / file.name).image.numpy())


def _array(name: str, values: Array) -> Array:
    """(1, C, H, W) as napari has it: (H, W, 3), or (H, W) of a share."""
    pixels = values[0].transpose(1, 2, 0)
    if name == _SHARE:
        return np.ascontiguousarray(pixels.mean(axis=2))
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _several(path: str | list[str]) -> list[str]:
    return path if isinstance(path, list) else [path]


def _folder(path: str) -> Path | None:
    """The folder of results that a path means; None if it means none."""
    place = Path(path).parent if Path(path).name == RECORD else Path(path)
    return place if (place / RECORD).is_file() else None

"""Files that hold named layers, beside TIFF: NumPy's, and those that programs for pictures and microscopes open.

All of them hold the numbers as they are given. A picture's file knows one size, so in EXR, PSD and OME-TIFF there are
only layers of the first one's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile

from bigprior.errors import ImageError, SettingsError
from bigprior.io.files import reading
from bigprior.io.samples import Array, check_size

#: Name -> float32 or float16 (H, W, 1 or 3).
Layers = Mapping[str, Array]
_COLOURS = "RGB"
#: Of a PSD: what is shown, in the order from below, as the sum that the restored picture is.
_SHOWN = ("measured", "hallucinated")


class Container(NamedTuple):
    """A kind of files.

    Attributes:
        suffix: of their names.
        write: layers to a new file.
        read: a file to layers.
        module: what has to be installed for it, beside what is; None if nothing.
    """

    suffix: str
    write: Callable[[Path, Layers], None]
    read: Callable[[Path], dict[str, Array]]
    module: str | None = None

    def check(self) -> None:
        """That what it needs is installed.

        Raises:
            SettingsError: it is not.
        """
        if self.module is not None and find_spec(self.module) is None:
            raise SettingsError(f"{self.suffix} needs {self.module}: pip install 'bigprior[layers]'")


def container_of(path: Path) -> Container | None:
    """The kind of a file by its name; None if it is none of these.

    Raises:
        SettingsError: what it needs is not installed.
    """
    name = path.name.lower()
    found = next((kind for kind in CONTAINERS.values() if name.endswith(kind.suffix)), None)
    if found is not None:
        found.check()
    return found


def _write_npz(path: Path, layers: Layers) -> None:
    with path.open("wb") as file:  # numpy would give a name of its own
        np.savez_compressed(file, **{name: _flat(layer) for name, layer in layers.items()})  # type: ignore[arg-type]


def _read_npz(path: Path) -> dict[str, Array]:
    with reading(path) as file, np.load(file, allow_pickle=False) as held:
        return {name: _deep(held[name]) for name in held.files}


def _write_exr(path: Path, layers: Layers) -> None:
    exr = import_module("OpenEXR")
    header = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}
    with exr.File(header, {name: np.ascontiguousarray(plane) for name, plane in _planes(layers)}) as file:
        file.write(str(path))


def _read_exr(path: Path) -> dict[str, Array]:
    exr = import_module("OpenEXR")
    with reading(path), exr.File(str(path), separate_channels=True) as file:
        return _joined((name, channel.pixels) for name, channel in file.channels().items())


def _write_psd(path: Path, layers: Layers) -> None:
    import_module("psd_tools")
    psd_image = import_module("psd_tools.api.psd_image").PSDImage
    pixels, modes = import_module("psd_tools.api.layers").PixelLayer, import_module("psd_tools.constants").BlendMode
    logging.getLogger("psd_tools").setLevel(logging.ERROR)
    one_size = _of_one_size(layers)
    height, width = next(iter(one_size.values())).shape[:2]
    psd = psd_image.new("RGB", (width, height), depth=32)
    for name in sorted(one_size, key=lambda name: _SHOWN.index(name) if name in _SHOWN else -1):
        layer = one_size[name].astype(np.float32)
        made = pixels.fromarray(np.repeat(layer, 3, axis=2) if layer.shape[2] == 1 else layer, psd, name)
        made.visible = name in _SHOWN or not set(_SHOWN) <= one_size.keys()
        made.blend_mode = modes.LINEAR_DODGE if name == _SHOWN[1] else modes.NORMAL
        if made not in list(psd):
            psd.append(made)
    psd.save(str(path))


def _read_psd(path: Path) -> dict[str, Array]:
    psd_image = import_module("psd_tools.api.psd_image").PSDImage
    found = {}
    with reading(path):
        psd = psd_image.open(str(path))
        check_size(path, psd.width, psd.height)
        for layer in psd:
            if (layer.left, layer.top, layer.width, layer.height) != (0, 0, psd.width, psd.height):
                raise ImageError(f"the layer {layer.name!r} of {path} was moved or cut: expected the picture's size")
            values = np.asarray(layer.numpy("color"), np.float32)
            # A layer of a PSD has three channels; those of shares may have had one.
            same = str(layer.name).startswith(("phi", "band-")) and bool((values == values[:, :, :1]).all())
            found[str(layer.name)] = values[:, :, :1] if same else values
    return found


def _write_ome(path: Path, layers: Layers) -> None:
    names, planes = zip(*_planes(layers), strict=True)
    metadata = {"axes": "CYX", "Channel": {"Name": list(names)}}
    stack = np.stack(planes).astype(np.float32)
    options: dict[str, Any] = {"compression": "zlib", "predictor": True, "photometric": "minisblack"}
    tifffile.imwrite(path, stack, ome=True, metadata=metadata, **options)


def _read_ome(path: Path) -> dict[str, Array]:
    with reading(path) as file, tifffile.TiffFile(file) as tiff:
        said = tifffile.xml2dict(tiff.ome_metadata or "")["OME"]["Image"]["Pixels"]
        channels = said["Channel"] if isinstance(said["Channel"], list) else [said["Channel"]]
        check_size(path, int(said["SizeX"]), int(said["SizeY"]) * len(channels) // 3 + 1)
        planes = tiff.series[0].asarray().reshape(len(channels), int(said["SizeY"]), int(said["SizeX"]))
        return _joined((str(channel["Name"]), plane) for channel, plane in zip(channels, planes, strict=True))


def _of_one_size(layers: Layers) -> dict[str, Array]:
    """Those of the first one's size."""
    size = next(iter(layers.values())).shape[:2]
    return {name: layer for name, layer in layers.items() if layer.shape[:2] == size}


def _planes(layers: Layers) -> list[tuple[str, Array]]:
    """Each channel by its name: ``prior.R``, ``prior.G``, ``prior.B``, ``phi.Y``."""
    found = []
    for name, layer in _of_one_size(layers).items():
        letters = _COLOURS if layer.shape[2] == 3 else "Y"
        found += [(f"{name}.{letter}", layer[:, :, i]) for i, letter in enumerate(letters)]
    return found


def _joined(planes: Any) -> dict[str, Array]:
    """Layers of their channels, in any order."""
    parts: dict[str, dict[str, Array]] = {}
    for name, plane in planes:
        layer, _, letter = name.rpartition(".")
        parts.setdefault(layer, {})[letter] = plane
    found = {}
    for layer, channels in parts.items():
        letters = "Y" if set(channels) == {"Y"} else _COLOURS
        if set(channels) != set(letters):
            raise ImageError(f"the layer {layer!r} has channels {', '.join(sorted(channels))}: expected R, G, B or Y")
        found[layer] = np.stack([channels[letter] for letter in letters], axis=2)
    return found


def _flat(layer: Array) -> Array:
    return layer[:, :, 0] if layer.shape[2] == 1 else layer


def _deep(layer: Array) -> Array:
    return layer[:, :, None] if layer.ndim == 2 else layer


#: Every kind beside plain TIFF, by the name that a person asks for it by.
CONTAINERS = {
    "npz": Container(".npz", _write_npz, _read_npz),
    "exr": Container(".exr", _write_exr, _read_exr, "OpenEXR"),
    "psd": Container(".psd", _write_psd, _read_psd, "psd_tools"),
    "ome": Container(".ome.tif", _write_ome, _read_ome),
}

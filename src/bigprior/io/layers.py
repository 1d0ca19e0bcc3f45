"""Named layers of a restoration in one file, number for number as they are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
import torch
from torch import Tensor

from bigprior.errors import ImageError, SettingsError
from bigprior.io.arrays import described, is_one_picture
from bigprior.io.containers import CONTAINERS, container_of
from bigprior.io.files import reading, writing
from bigprior.io.tiff import is_tiff, stored, write_page

_SUFFIXES = (".tif", ".tiff")
_KEPT = (np.float32, np.float16)


def write_layers(path: Path | str, layers: dict[str, Tensor]) -> None:
    """Write named tensors as the pages of one .tif, or as the layers of another container, bit for bit, atomically.

    Args:
        path: where to: .tif, .npz, .exr, .psd or .ome.tif, of which the last three hold layers of the first one's size
            alone; an old file stays as it was if anything fails.
        layers: name -> float32 or float16 (1, 1, H, W) or (1, 3, H, W), of any range and each of its own size.

    Raises:
        ImageError: a tensor of another shape or type.
        SettingsError: no layer, another suffix, what a container needs is not installed, or a name that is not plain
            printable ASCII.
        OutputError: the place cannot be written.
    """
    path = Path(path)
    container = container_of(path)
    if container is None and path.suffix.lower() not in _SUFFIXES:
        others = ", ".join(kind.suffix for kind in CONTAINERS.values())
        raise SettingsError(f"{path} ends in {path.suffix!r}: layers are written to {', '.join(_SUFFIXES)}, {others}")
    if not layers:
        raise SettingsError(f"no layers for {path}: pass at least one")
    for name, layer in layers.items():
        if not name or name != name.strip() or not (name.isascii() and name.isprintable()):
            raise SettingsError(f"layer name {name!r}: expected printable ASCII without spaces around it")
        if layer.dtype not in (torch.float32, torch.float16) or not is_one_picture(layer):
            wanted = "expected float32 or float16 (1, 1, H, W) or (1, 3, H, W)"
            raise ImageError(f"layer {name!r} is {described(layer)}: {wanted}")
    arrays = {name: layer.detach().cpu()[0].permute(1, 2, 0).contiguous().numpy() for name, layer in layers.items()}
    if container is not None:
        with writing(path) as temporary:
            container.write(temporary, arrays)
        return
    with writing(path) as temporary, tifffile.TiffWriter(temporary) as tiff:
        for name, samples in arrays.items():
            samples = samples[:, :, 0] if samples.shape[2] == 1 else samples
            # ImageDescription is what read_layers reads; PageName (285) is what picture editors show.
            write_page(tiff, samples, description=name, extratags=[(285, "s", 0, name, True)])


def read_layers(path: Path | str) -> dict[str, Tensor]:
    """Read what :func:`write_layers` wrote: name -> float32 (1, 1, H, W) or (1, 3, H, W), in the order of the pages.

    Of another container than TIFF, in its own order.

    Raises:
        ImageError: no such file, not readable, damaged, or not one of named layers of floats.
        SettingsError: what a container needs is not installed.
    """
    layers: dict[str, Tensor] = {}
    if (container := container_of(Path(path))) is not None:
        for name, values in container.read(Path(path)).items():
            if values.dtype not in _KEPT or values.ndim != 3 or values.shape[2] not in (1, 3):
                came = f"{values.dtype} {values.shape}"
                raise ImageError(f"the layer {name!r} of {path} is {came}: expected floats (H, W) or (H, W, 3)")
            layers[name] = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None].float()
        return layers
    with reading(path) as file:
        if not is_tiff(file):
            raise ImageError(f"{path} is not a TIFF: expected a file that write_layers wrote")
        with tifffile.TiffFile(file) as tiff:
            for number, page in enumerate(tiff.pages):
                name, samples = str(page.aspage().description), stored(page.aspage(), path)
                if not name or name in layers or samples.dtype not in _KEPT or samples.shape[2] not in (1, 3):
                    what = f"{samples.dtype}, {samples.shape[2]} channels, named {name!r}"
                    raise ImageError(f"page {number} of {path} is {what}: expected a file that write_layers wrote")
                layers[name] = torch.from_numpy(np.ascontiguousarray(samples.transpose(2, 0, 1)))[None].float()
    return layers

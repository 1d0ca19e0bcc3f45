"""Training photographs in memory: a folder to one tensor of bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bigprior.errors import ImageError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}


def list_pictures(folder: Path | str) -> list[Path]:
    """The pictures of ``folder`` in the order of their names.

    Raises:
        ImageError: not a folder, or no picture in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageError(f"{folder} is not a folder: pass a folder of pictures")
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise ImageError(f"no pictures in {folder}: expected files ending in {', '.join(sorted(SUFFIXES))}")
    return paths


def load_square(paths: list[Path], resolution: int) -> Tensor:
    """The centre square of each picture, resized with antialiasing: uint8 (N, 3, resolution, resolution), RGB."""
    out = np.empty((len(paths), resolution, resolution, 3), np.uint8)
    for i, path in enumerate(paths):
        with Image.open(path) as picture:
            picture = picture.convert("RGB")
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        box = (left, top, left + side, top + side)
        out[i] = picture.resize((resolution, resolution), Image.Resampling.LANCZOS, box=box)
    return torch.from_numpy(out).permute(0, 3, 1, 2).contiguous()

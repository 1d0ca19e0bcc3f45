"""Folders of pictures, read into one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from bigprior.errors import ImageError, SettingsError
from bigprior.io.arrays import to_pil
from bigprior.io.decoding import SUFFIXES, USUAL_SUFFIXES
from bigprior.io.pictures import read_picture
from bigprior.progress import Progress


@dataclass(frozen=True)
class PictureSet:
    """Pictures (N, 3, H, W), RGB in [0, 1], and their names."""

    images: Tensor
    names: list[str]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.names)


def list_pictures(folder: Path | str, index: tuple[int, int] | None = None) -> list[Path]:
    """The pictures of ``folder`` in the order of their names.

    Args:
        folder: its files are told by their suffix.
        index: first and last, both included; all by default.

    Raises:
        ImageError: not a folder, or no picture in it.
        SettingsError: an index beyond the folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageError(f"{folder} is not a folder: pass a folder of pictures")
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise ImageError(
            f"no pictures in {folder}: expected files ending in {', '.join(USUAL_SUFFIXES)}, or HEIC, JPEG XL or raw"
        )
    if index is None:
        return paths
    if not 0 <= index[0] <= index[1] < len(paths):
        raise SettingsError(
            f"index is {index[0]}-{index[1]} but {folder} holds {len(paths)} pictures, 0-{len(paths) - 1}"
        )
    return paths[index[0] : index[1] + 1]


def load_square(paths: Sequence[Path], resolution: int) -> Tensor:
    """The centre square of each picture, resized with antialiasing: uint8 (N, 3, resolution, resolution), RGB."""
    out = torch.empty(len(paths), resolution, resolution, 3, dtype=torch.uint8)
    for i, path in enumerate(paths):
        picture = to_pil(read_picture(path).image)
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        box = (left, top, left + side, top + side)
        small = picture.resize((resolution, resolution), Image.Resampling.LANCZOS, box=box)
        out[i] = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).view_as(out[i])
    return out.permute(0, 3, 1, 2).contiguous()


def load_bytes(paths: Sequence[Path], progress: Progress | None = None) -> list[Tensor]:
    """Pictures of any sizes as they are: each uint8 (3, H, W), RGB.

    Args:
        paths: of the pictures.
        progress: called with (finished, total) pictures.

    Raises:
        ImageError: one that cannot be read.
    """
    out = []
    for done, path in enumerate(paths):
        out.append((read_picture(path).image[0] * 255).round().byte())
        if progress is not None:
            progress(done + 1, len(paths))
    return out


def load_set(folder: Path | str, index: tuple[int, int] | None = None, resolution: int | None = None) -> PictureSet:
    """Read pictures of one size.

    Args:
        folder, index: as :func:`list_pictures`.
        resolution: resize the centre squares to this side; by default pictures are taken as they are.

    Raises:
        ImageError: no such folder or pictures; or pictures of several sizes and no ``resolution``.
        SettingsError: an index beyond the folder.
    """
    paths = list_pictures(folder, index)
    names = [p.stem for p in paths]
    if resolution is not None:
        return PictureSet(load_square(paths, resolution).float() / 255, names)
    images = [read_picture(p).image for p in paths]
    sizes = {tuple(x.shape[2:]) for x in images}
    if len(sizes) > 1:
        raise ImageError(f"{folder} holds pictures of {len(sizes)} sizes: expected one size for this evaluation")
    return PictureSet(torch.cat(images), names)

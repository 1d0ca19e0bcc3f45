"""What of a restoration is written, how, and where: decided, and refused if need be, before torch is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bigprior.errors import OutputError, SettingsError
from bigprior.io.atomic import check_place

#: Pictures of a restoration's parts, which are written as the photo was.
PICTURES = ("restored", "fidelity", "prior")
#: All that can be asked for. ``phi`` is a grey picture of the restored one's size, white = made up, ``heatmap`` the
#: same in colours with a scale, ``panel`` all of them side by side, and ``report`` an HTML file with all that is said.
PARTS = (*PICTURES, "phi", "heatmap", "panel", "report")
#: The formats that can be asked for, with the suffix of their files.
FORMATS = {"png": ".png", "tiff": ".tif", "tif": ".tif", "jpg": ".jpg", "jpeg": ".jpg", "webp": ".webp"}
#: The format that is the photo's own, of those that can be written; ``png`` of a photo in another.
SAME = "same"
#: Those of formats that keep every bit of a photo of 8 or 16 bits a channel.
_EXACT = (".png", ".tif", ".tiff")
#: Of the others: the longest side in pixels, and whether there can be alpha.
_LIMITS = {".jpg": (65500, False), ".jpeg": (65500, False), ".webp": (16383, True)}
#: What is written only where it is asked for.
EXTRA = ("tratteggio",)
#: How exactly the layers are kept.
LAYERS = ("none", "half", "float")
#: The files that they can be kept in.
CONTAINERS_OF_LAYERS = {
    "tiff": "layers.tif",
    "npz": "layers.npz",
    "exr": "layers.exr",
    "psd": "layers.psd",
    "ome": "layers.ome.tif",
}
#: The record, which is always written; it lists the others.
RECORD = "restoration.json"


@dataclass(frozen=True)
class Output:
    """What is written.

    Attributes:
        only: which of :data:`PARTS`; or ``tratteggio`` too: what was made up as fine lines, as PNG, see
            :mod:`bigprior.report.tratteggio`.
        format: of the pictures among them: one of :data:`FORMATS`, or :data:`SAME`, the photo's own; by default that
            if it keeps every bit, else PNG.
        layers: ``layers.tif`` in ``float`` (32 bits: ``measured + hallucinated`` is ``restored`` bit for bit), in
            ``half`` (16 bits: to 2**-11 of a value), or ``none``.
        layers_as: the file of the layers, which others open: one of :data:`CONTAINERS_OF_LAYERS`.
        overwrite: results that are there already can go.
        sign: a certificate and its key, to sign the restored picture with.

    Raises:
        SettingsError: a name that is none of these, nothing to write, or a container that needs what is not installed.
    """

    only: tuple[str, ...] = PARTS
    format: str | None = None
    layers: str = LAYERS[0]
    layers_as: str = "tiff"
    overwrite: bool = False
    sign: tuple[Path, Path] | None = None

    def __post_init__(self) -> None:
        """Refuse names that say nothing."""
        object.__setattr__(self, "only", tuple(self.only))
        if not self.only:
            raise SettingsError(f"nothing to write: expected some of {', '.join(PARTS)}")
        for what, name, known in (
            *(("only", part, (*PARTS, *EXTRA)) for part in self.only),
            ("format", "png" if self.format is None else self.format, (*FORMATS, SAME)),
            ("layers", self.layers, LAYERS),
            ("layers_as", self.layers_as, CONTAINERS_OF_LAYERS),
        ):
            if name not in known:
                raise SettingsError(f"{what} is {name!r}: expected {', '.join(known)}")
        if self.layers_as != "tiff":
            from bigprior.io.containers import CONTAINERS  # here: it imports NumPy, which no --help needs

            CONTAINERS[self.layers_as].check()
        if self.sign is not None and "restored" not in self.only:
            raise SettingsError("the restored picture is what is signed: leave it in what is written")

    def suffix(self, photos: str) -> str:
        """The suffix of the pictures that are made of a photo with this one."""
        if self.format in FORMATS:
            return FORMATS[self.format]
        own, kept = photos.lower(), (*_EXACT, *_LIMITS) if self.format == SAME else _EXACT
        return own if own in kept else _EXACT[0]

    def bits(self, photos: str, bits: int) -> int:
        """Bits a channel of the pictures that are made of a photo with so many, and this suffix."""
        return bits if self.suffix(photos) in _EXACT else 8

    def check(self, photo: Path, size: tuple[int, int], has_alpha: bool) -> None:
        """That the format can hold what is made of a photo (height, width).

        Raises:
            SettingsError: it cannot.
        """
        suffix = self.suffix(photo.suffix)
        most, alpha = _LIMITS.get(suffix, (max(size), True))
        if max(size) > most:
            raise SettingsError(f"{photo} is larger than {suffix[1:]} can be, {most} pixels a side: choose png or tiff")
        if has_alpha and not alpha and "restored" in self.only:
            raise SettingsError(f"{photo} has alpha, which {suffix[1:]} does not hold: choose png, tiff or webp")


def check_folder(folder: Path, *, overwrite: bool = False, reads: Iterable[Path] = ()) -> None:
    """That results can appear in a folder, and that nothing is lost.

    Args:
        folder: not there yet, or empty; or, if they can go, with results.
        overwrite: results that are there already can go.
        reads: files that are read to make the results.

    Raises:
        OutputError: it cannot be written; there is something; or what there is is no result, or is read.
    """
    check_place(folder)
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not held:
        return
    for path in reads:
        if path.exists() and path.resolve().is_relative_to(folder.resolve()):
            raise OutputError(f"{path} is in {folder}, where the results would go: pass another folder for them")
    others = sorted(held - _listed(folder))
    if others:
        raise OutputError(
            f"{folder} holds {others[0]}, which is no result of ours: pass another folder for the results"
        )
    if not overwrite:
        raise OutputError(f"{folder} holds results already: pass another folder, or --overwrite to replace them")


def _listed(folder: Path) -> set[str]:
    """The files of a folder that its record lists, and the record."""
    try:
        files = json.loads((folder / RECORD).read_text("utf-8"))["files"]
        return {RECORD, *map(str, files)}
    except (OSError, ValueError, KeyError, TypeError):
        return set()

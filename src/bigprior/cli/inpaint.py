"""``bigprior inpaint``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bigprior.cli.options import Choices, Photos, with_choices
from bigprior.cli.restoring import restore_photos
from bigprior.errors import MaskError, SettingsError


@with_choices
def inpaint(
    photos: Photos,
    how: Choices,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="White = known, black = hole, the photo's size. Of several photos: one for all, or a folder with one "
            "of the same name for each."
        ),
    ] = None,
    find_hole: Annotated[
        bool, typer.Option("--find-hole", help="Without a mask: black pixels are taken for the hole.")
    ] = False,
) -> None:
    """Fill holes in photographs; write each with its layers, the phi map, a panel and how it was made."""
    if mask is None and not find_hole:
        raise MaskError("inpainting needs to know the hole: pass --mask FILE, or --find-hole if the hole is black")
    if mask is not None and find_hole:
        raise SettingsError("--find-hole goes without --mask: leave one of them out")
    restore_photos("inpainting", photos, how, lambda photo: {} if mask is None else {"mask": _mask_of(photo, mask)})


def _mask_of(photo: Path, mask: Path) -> Path:
    """The mask of a photo: the one that is for all, or that of its name in a folder."""
    if not mask.is_dir():
        return mask
    found = sorted(path for path in mask.iterdir() if path.stem == photo.stem and path.is_file())
    if len(found) != 1:
        raise MaskError(f"{mask} holds {len(found)} masks called {photo.stem}: expected one for {photo.name}")
    return found[0]

"""``bigprior inpaint``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bigprior.cli.chaining import denoised_first
from bigprior.cli.options import Choices, Photos, SigmaToo, with_choices
from bigprior.cli.restoring import restore_photos
from bigprior.errors import MaskError, SettingsError

#: What `--mask` says where a photo's transparent pixels are its hole; a file of that name is ./alpha.
_ALPHA = "alpha"


@with_choices
def inpaint(
    photos: Photos,
    how: Choices,
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="White = known, black and grey = hole, the photo's size. Of several photos: one for all, or a folder "
            "with one of the same name for each, in folders as the photos are. `alpha`: the photo's transparent "
            "pixels.",
        ),
    ] = None,
    invert_mask: Annotated[
        bool | None,
        typer.Option(
            "--invert-mask/--no-invert-mask",
            help="White = hole, as IOPaint, LaMa, OpenCV and A1111 have it. By default a mask by which most is hole is "
            "refused.",
        ),
    ] = None,
    grow: Annotated[int, typer.Option(help="Make the hole larger by so many pixels on all sides.")] = 0,
    find: Annotated[
        str | None,
        typer.Option(
            help="Without a mask: search for `scratches`, `dust` or `text`; mask.png, beside the result, is what was "
            "found, to change and to pass as --mask."
        ),
    ] = None,
    find_hole: Annotated[
        bool, typer.Option("--find-hole", help="Without a mask: black pixels are taken for the hole.")
    ] = False,
    sigma: SigmaToo = None,
) -> None:
    """Fill holes in photographs; write each with its layers, the phi map, a panel and how it was made."""
    # Long for its options alone: they are what a person sees of the command.
    ways = {"--mask": mask is not None, "--find": find is not None, "--find-hole": find_hole}
    given = [way for way, is_given in ways.items() if is_given]
    if not given:
        raise MaskError(
            "inpainting needs to know the hole: pass --mask FILE, --mask alpha if it is transparent, --find-hole if it "
            "is black, or --find scratches, dust or text"
        )
    if len(given) > 1:
        raise SettingsError(f"{' and '.join(given)} both say where the hole is: leave one of them out")
    if invert_mask is not None and (mask is None or mask == _ALPHA):
        raise SettingsError("--invert-mask says how a mask's file is read: pass one as --mask, or leave it out")

    def settings(photo: Path) -> Mapping[str, Any]:
        if find_hole:
            return {"grow": grow} if grow else {}
        if mask is None:
            return {"find": find, "grow": grow}
        if mask == _ALPHA:
            return {"mask": photo, "alpha": True, "page": how.page, "grow": grow}
        return {"mask": Path(mask), "invert": invert_mask, "grow": grow}

    if sigma is not None:
        denoised_first(photos, how, sigma, "denoising", "inpainting", settings=settings)
        return
    restore_photos("inpainting", photos, how, settings)

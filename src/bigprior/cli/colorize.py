"""``bigprior colorize``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bigprior.cli.options import Choices, FrameName, Photos, Rho, with_choices
from bigprior.cli.restoring import restore_photos


@with_choices
def colorize(
    photos: Photos,
    how: Choices,
    hints: Annotated[
        Path | None,
        typer.Option(
            help="Colours that you know: a picture of the photo's size, transparent but for strokes in these colours."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Take photos that have colours already: theirs are thrown away.")
    ] = False,
    rho: Rho = None,
    frame: FrameName = None,
) -> None:
    """Give photographs colours; write each with its layers, the phi map, a panel and how it was made."""
    settings: Mapping[str, Any] = ({} if hints is None else {"hints": hints}) | ({"force": True} if force else {})
    restore_photos("colorization", photos, how, lambda _: settings, frame=frame, rho=rho)

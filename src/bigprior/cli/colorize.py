"""``bigprior colorize``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bigprior.cli.chaining import denoised_first
from bigprior.cli.options import Choices, FrameName, Photos, Rho, SigmaToo, with_choices
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
    sigma: SigmaToo = None,
    rho: Rho = None,
    frame: FrameName = None,
) -> None:
    """Give photographs colours; write each with its layers, the phi map, a panel and how it was made."""
    settings: Mapping[str, Any] = ({} if hints is None else {"hints": hints}) | ({"force": True} if force else {})
    if sigma is not None:
        more = {"frame": frame, "rho": rho}
        denoised_first(photos, how, sigma, "denoising", "colorization", settings=lambda _: settings, **more)
        return
    restore_photos("colorization", photos, how, lambda _: settings, frame=frame, rho=rho)

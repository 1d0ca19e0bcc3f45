"""``bigprior demosaic``."""

from __future__ import annotations

from typing import Annotated

import typer

from bigprior.cli.options import Choices, Photos, Rho, Strength, level_of, with_choices
from bigprior.cli.restoring import restore_photos


@with_choices
def demosaic(
    photos: Photos,
    how: Choices,
    pattern: Annotated[
        str, typer.Option(help="The colours of the first two pixels and of the two below: rggb, grbg, gbrg or bggr.")
    ] = "rggb",
    sigma: Annotated[
        str, typer.Option(metavar="N|auto", help="Noise level on the 0..255 scale, or `auto` to have it found.")
    ] = "auto",
    strength: Strength = 1.0,
    rho: Rho = None,
) -> None:
    """Give a sensor's mosaic, a grey picture, its colours: a third of the samples was measured, two are made up."""
    settings = {"pattern": pattern, "sigma": None if sigma == "auto" else level_of(sigma)}
    restore_photos("demosaicing", photos, how, lambda _: settings, rho=rho, strength=strength)

"""``bigprior upscale``."""

from __future__ import annotations

from typing import Annotated

import typer

from bigprior.cli.options import Choices, Photos, Rho, Sigma, Strength, with_choices
from bigprior.cli.restoring import restore_photos


@with_choices
def upscale(
    photos: Photos,
    how: Choices,
    factor: Annotated[int, typer.Option(help="How many times as high and wide the result is: 2, 3 or 4.")] = 2,
    kernel: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="How the photo was made smaller: bicubic, as MATLAB does; box, the mean of a square; gauss; or a "
            "kernel's file, .npy or a picture, in pixels of the large picture.",
        ),
    ] = "bicubic",
    sigma: Sigma = None,
    strength: Strength = 1.0,
    rho: Rho = None,
) -> None:
    """Make photographs larger; what a small photo holds stays as it was measured, and the details are made up."""
    settings = {"factor": factor, "kernel": kernel, "sigma": sigma}
    restore_photos("upscaling", photos, how, lambda _: settings, rho=rho, strength=strength)

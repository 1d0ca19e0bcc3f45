"""``bigprior deblur``."""

from __future__ import annotations

from typing import Annotated

import typer

from bigprior.cli.options import Choices, Photos, Rho, Sigma, Strength, with_choices
from bigprior.cli.restoring import restore_photos
from bigprior.errors import SettingsError


@with_choices
def deblur(
    photos: Photos,
    how: Choices,
    kernel: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The blur of one point, turned as a convolution has it: .npy or a picture."),
    ] = None,
    gauss: Annotated[
        float | None, typer.Option(help="Out of focus, about: a Gaussian's standard deviation in pixels, such as 1.6.")
    ] = None,
    motion: Annotated[
        str | None,
        typer.Option(metavar="L,A", help="The camera moved: L pixels, straight on, A degrees from the right: 15,30."),
    ] = None,
    sigma: Sigma = None,
    strength: Strength = 1.0,
    rho: Rho = None,
) -> None:
    """Sharpen photographs whose blur is known; frequencies that it left are measured, the others are made up."""
    given = {"--kernel": kernel, "--gauss": gauss, "--motion": motion}
    told = [option for option, value in given.items() if value is not None]
    if len(told) != 1:
        said = f"{' and '.join(told)} both say what it is" if told else "none says what it is"
        raise SettingsError(f"deblur needs to know the blur, and {said}: pass one of --kernel, --gauss and --motion")
    settings = {"kernel": kernel, "gauss": gauss, "motion": motion, "sigma": sigma}
    settings = {name: value for name, value in settings.items() if value is not None}
    restore_photos("deblurring", photos, how, lambda _: settings, rho=rho, strength=strength)

"""``bigprior denoise``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bigprior.cli.options import Choices, FrameName, Photos, Rho, with_choices
from bigprior.cli.restoring import restore_photos

if TYPE_CHECKING:
    from bigprior.restoration import Restoration

#: A noise level, of 255, below which a person would hardly ask for it to be removed.
_HARDLY_ANY = 2.0


@with_choices
def denoise(
    photos: Photos,
    how: Choices,
    sigma: Annotated[
        float | None, typer.Option(help="Noise level on the 0..255 scale, if known; else it is found.")
    ] = None,
    rho: Rho = None,
    frame: FrameName = None,
) -> None:
    """Remove noise from photographs; write each with its layers, the phi map, a panel and how it was made."""
    restore_photos("denoising", photos, how, lambda _: {"sigma": sigma}, frame=frame, rho=rho, note=_noise_found)


def _noise_found(result: Restoration) -> str | None:
    if result.provenance.get("noise") != "found":
        return None
    level = 255 * result.provenance["sigma"][0]
    hint = "" if level >= _HARDLY_ANY else ", hardly any: pass --sigma if you see more"
    return f"noise found: sigma {level:.1f} of 255{hint}"

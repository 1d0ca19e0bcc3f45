"""``bigprior denoise``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

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
    strength: Annotated[
        float, typer.Option(help="Take noise for so many times as much as it was told or found to be: 0 to 2.")
    ] = 1.0,
    grain: Annotated[
        str | None,
        typer.Option(help="fine: white noise; coarse: a camera's, JPEG's or film's. By default it is found."),
    ] = None,
    rho: Rho = None,
    frame: FrameName = None,
) -> None:
    """Remove noise from photographs; write each with its layers, the phi map, a panel and how it was made."""
    fused: dict[str, Any] = {"frame": frame, "rho": rho, "strength": strength, "grain": grain}
    restore_photos("denoising", photos, how, lambda _: {"sigma": sigma}, note=_noise_found, **fused)


def _noise_found(result: Restoration) -> str | None:
    if result.provenance.get("noise") != "found":
        return None
    level = 255 * result.provenance["sigma"][0]
    hint = "" if level >= _HARDLY_ANY else ", hardly any: pass --sigma if you see more"
    return f"noise found: sigma {level:.1f} of 255{hint}"

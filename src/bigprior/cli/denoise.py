"""``bigprior denoise``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bigprior.cli.options import Choices, FrameName, GrainName, Photos, Rho, Sigma, Strength, with_choices
from bigprior.cli.restoring import restore_photos
from bigprior.errors import SettingsError

if TYPE_CHECKING:
    from bigprior.restoration import Restoration

#: A noise level, of 255, below which a person would hardly ask for it to be removed.
_HARDLY_ANY = 2.0


@with_choices
def denoise(
    photos: Photos,
    how: Choices,
    sigma: Sigma = None,
    poisson: Annotated[
        str | None,
        typer.Option(
            metavar="PEAK|auto",
            help="Noise that grows with light, as of few photons: the count that white stands for, or `auto` to have "
            "it found. With --sigma, white noise of that level lies on top.",
        ),
    ] = None,
    iso_gain: Annotated[
        float | None,
        typer.Option(
            metavar="GAIN",
            help="Noise that grows with light, calibrated for a camera and its ISO: its variance at a grey level v of "
            "0..255 is GAIN * v + SIGMA^2, where --sigma is the read noise, 0 by default. How coarse it is, is found, "
            "unless --grain says so.",
        ),
    ] = None,
    strength: Strength = 1.0,
    grain: GrainName = None,
    impulses: Annotated[
        bool, typer.Option(help="Find salt and pepper, hot pixels and other impulses; they are lost, and made up.")
    ] = True,
    banding: Annotated[bool, typer.Option(help="Find offsets of rows and columns, and take them off.")] = True,
    linear: Annotated[
        bool | None,
        typer.Option(
            help="Values are proportional to light: worked on as a screen shows them, and given back linear. By "
            "default if the profile says so."
        ),
    ] = None,
    rho: Rho = None,
    frame: FrameName = None,
) -> None:
    """Remove noise from photographs; write each with its layers, the phi map, a panel and how it was made."""
    if poisson is not None:
        _refuse_beside_poisson(iso_gain=iso_gain is not None, grain=grain is not None, linear=linear is not None)
        of_light = {"peak": _peak(poisson), "sigma": sigma}
        counted: dict[str, Any] = {"frame": frame, "rho": rho, "strength": strength}
        restore_photos("poisson", photos, how, lambda _: of_light, note=found, **counted)
        return
    fused: dict[str, Any] = {"frame": frame, "rho": rho, "strength": strength, "grain": grain}
    settings = {"sigma": sigma, "iso_gain": iso_gain, "impulses": impulses, "banding": banding, "linear": linear}
    restore_photos("denoising", photos, how, lambda _: settings, note=found, **fused)


def _peak(text: str) -> float | None:
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise SettingsError(f"--poisson is {text!r}: expected the count of white, such as 30, or auto") from None


def _refuse_beside_poisson(**given: bool) -> None:
    for name, is_given in given.items():
        if is_given:
            raise SettingsError(
                f"--{name.replace('_', '-')} says nothing to noise that grows with light: leave it or --poisson out"
            )


def found(result: Restoration) -> str | None:
    """What was found in a photograph, in a line; None if nobody looked."""
    said, parts = result.provenance, []
    if said.get("noise") == "found" and "peak" in said:
        parts.append(f"noise found: white stands for {said['peak'][0]:.3g} units of light")
    elif said.get("noise") == "found":
        level = 255 * said["sigma"][0]
        hint = "" if level >= _HARDLY_ANY else ", hardly any: pass --sigma if you see more"
        grows = ", growing with light" if said.get("iso_gain", [0])[0] > 0 else ""
        parts.append(f"noise found: sigma {level:.1f} of 255{grows}{hint}")
    if "impulses" in said:
        parts.append(f"impulses found: {said['impulses']:.2%} of the pixels, made up (--no-impulses keeps them)")
    if "banding" in said:
        parts.append(f"bands found: {255 * said['banding']:.1f} of 255, taken off (--no-banding keeps them)")
    if said.get("linear") == "perhaps":
        parts.append("16 bits and dark, as linear data are: pass --linear if they are, or --no-linear")
    elif said.get("linear"):
        parts.append("linear: worked on as a screen shows it, given back linear (--no-linear takes it as it is)")
    return "; ".join(parts) or None

"""``bigprior restore``: of any degradation that is registered, whoever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bigprior import DEFAULT_PRESET
from bigprior.cli.chaining import follow_recipe
from bigprior.cli.options import Choices, FrameName, GrainName, Photos, Rho, Strength, pairs, value_of, with_choices
from bigprior.cli.restoring import restore_photos
from bigprior.errors import SettingsError


@with_choices
def restore(
    photos: Photos,
    how: Choices,
    degradation: Annotated[
        str | None, typer.Option(help="What is wrong: a registered degradation; an unknown name lists the known ones.")
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            help="Several things, one after another: a TOML file with a table `step` for each, in place of one."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE: a setting of the degradation; may be repeated.")
    ] = None,
    rho: Rho = None,
    frame: FrameName = None,
    strength: Strength = 1.0,
    grain: GrainName = None,
    phi: Annotated[Path | None, typer.Option(help="A phi network's file, in place of the preset's.")] = None,
) -> None:
    """Restore photographs that have suffered any registered degradation, or several by a recipe."""
    if (degradation is None) == (recipe is None):
        raise SettingsError("restore needs to know what is wrong: pass --degradation NAME, or --recipe FILE")
    if recipe is not None:
        from bigprior.recipe import read_recipe

        alone = {"set": settings, "rho": rho, "frame": frame, "grain": grain, "phi": phi, "prior": how.prior}
        alone |= {"preset": None if how.preset == DEFAULT_PRESET else how.preset}
        alone |= {"strength": None if strength == 1 else strength}
        for name, value in alone.items():
            if value is not None:
                raise SettingsError(f"--{name} is of one step: write it into {recipe}")
        steps = read_recipe(recipe)
        follow_recipe(photos, how, lambda _: steps)
        return
    assert degradation is not None
    given = {name: value_of(text) for name, text in pairs("set", settings, "KEY=VALUE")}
    restore_photos(
        degradation, photos, how, lambda _: given, frame=frame, rho=rho, phi=phi, strength=strength, grain=grain
    )

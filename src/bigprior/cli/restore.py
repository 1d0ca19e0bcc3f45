"""``bigprior restore``: of any degradation that is registered, whoever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bigprior.cli.options import Choices, FrameName, GrainName, Photos, Rho, Strength, pairs, value_of, with_choices
from bigprior.cli.restoring import restore_photos


@with_choices
def restore(
    photos: Photos,
    how: Choices,
    degradation: Annotated[
        str, typer.Option(help="What is wrong: a registered degradation; an unknown name lists the known ones.")
    ],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE: a setting of the degradation; may be repeated.")
    ] = None,
    rho: Rho = None,
    frame: FrameName = None,
    strength: Strength = 1.0,
    grain: GrainName = None,
    phi: Annotated[Path | None, typer.Option(help="A phi network's file, in place of the preset's.")] = None,
) -> None:
    """Restore photographs that have suffered any registered degradation, such as one that another package offers."""
    given = {name: value_of(text) for name, text in pairs("set", settings, "KEY=VALUE")}
    restore_photos(
        degradation, photos, how, lambda _: given, frame=frame, rho=rho, phi=phi, strength=strength, grain=grain
    )

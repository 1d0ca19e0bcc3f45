"""``bigprior train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bigprior.cli.options import Device
from bigprior.cli.terminal import ERR, OUT, progress_of, working


def train(
    kind: Annotated[
        str,
        typer.Argument(
            help="What: denoiser, gan, lr-gan, cvae-gan, phi, encoder, colorizer, filler, dncnn, tnrd, noise, camera, "
            "or another package's."
        ),
    ],
    data: Annotated[Path, typer.Option(help="Folder of photographs.")],
    out: Annotated[Path, typer.Option(help="The run's folder; the same command again resumes it.")],
    settings: Annotated[
        str | None, typer.Option(help="A TOML file, or the name of one of the package's; an unknown one lists them.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="A setting in place of the file's: KEY=VALUE; repeatable.")
    ] = None,
    init: Annotated[Path | None, typer.Option(help="Weights to start a new run from.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Plan the run for a time in place of a number of images or steps.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything that is drawn.")] = None,
    device: Device = "cpu",
) -> None:
    """Train a prior, the network that weighs it, or one that stands beside it. Interrupt it at will."""
    with working("loading"):
        from bigprior.training.kinds import TRAININGS
        from bigprior.training.loop import fit
        from bigprior.training.recipe import read_recipe

    trainer = TRAININGS[kind]
    recipe = read_recipe(kind, trainer.recipe, settings, changes or (), minutes=minutes, seed=seed)
    with progress_of("measurements") as progress:
        made = trainer.of(recipe, data, out, progress)
    weights = fit(made, out, init=init, device=device, quiet=ERR.quiet)
    OUT.print(f"weights: {weights}", soft_wrap=True)

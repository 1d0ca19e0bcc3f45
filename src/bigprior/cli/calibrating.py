"""``bigprior calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bigprior import DEFAULT_PRESET
from bigprior.cli.options import Index, Overwrite, Preset
from bigprior.cli.terminal import OUT, progress_of, working


def calibrate(
    data: Annotated[
        list[Path],
        typer.Option(
            help="Folder of pictures that the preset has not learned from; may be repeated, each certified for itself, "
            "and so is each way in which a task's pictures are measured."
        ),
    ],
    preset: Preset = DEFAULT_PRESET,
    task: Annotated[
        list[str] | None,
        typer.Option(help="A task by its name or verb, or denoise+inpaint; may be repeated. All by default."),
    ] = None,
    index: Index = "",
    fit_index: Annotated[
        str,
        typer.Option(
            help="Which pictures of each folder widths are fitted on; the preset may have learned from them. By "
            "default a third of those of --index."
        ),
    ] = "",
    alpha: Annotated[float, typer.Option(help="At most this share of values may lie outside their intervals.")] = 0.1,
    delta: Annotated[float, typer.Option(help="How probably it may be more, by the choice of these pictures.")] = 0.1,
    side: Annotated[
        int | None, typer.Option(min=16, help="Look at the middle of each picture alone, so many pixels a side.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for calibration-TASK.json; the preset's by default.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Find out how far the truth lies from a preset's results, so that each result comes with bounds that hold.

    Known pictures are degraded and restored. Intervals around the results are made as wide as it takes that, with
    confidence 1 - delta, at most alpha of the values lie outside.
    """
    # Long for its options alone: they are what a person sees of the command.
    with working("loading"):
        from bigprior.degradations import DEGRADATIONS, OPERATORS
        from bigprior.evaluation.calibrating import calibrate as calibrate_task
        from bigprior.evaluation.calibrating import tasks_of
        from bigprior.presets.calibrations import calibration_path, check_vacant, write_calibration
        from bigprior.settings import index_of

        known = {**DEGRADATIONS, **OPERATORS}
        tasks = ["+".join(tasks_of(name)) for name in task or known if task or known[name].protocols]
        paths = {name: calibration_path(preset, name, output) for name in tasks}
        for path in paths.values():
            check_vacant(path, overwrite=overwrite)  # before hours of work
        asked, fitted = index_of(index), index_of(fit_index)
    for name, path in paths.items():
        with progress_of(name) as progress:
            found = calibrate_task(
                *(preset, name, data, asked),
                fit_index=fitted,
                alpha=alpha,
                delta=delta,
                side=side,
                progress=progress,
            )
        write_calibration(found, path, overwrite=overwrite)
        OUT.print(
            f"{name}: {found.pictures} pictures certify alpha {alpha:g}, delta {delta:g} at scale {found.scale:.3f} "
            f"-> {path}",
            soft_wrap=True,
        )

"""``bigprior demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bigprior import DEFAULT_PRESET
from bigprior.cli.options import Overwrite, Preset, Seed, Steps
from bigprior.cli.terminal import OUT, progress_of, working


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path("bigprior-demo"),
    preset: Preset = DEFAULT_PRESET,
    steps: Steps = None,
    seed: Seed = None,
    overwrite: Overwrite = False,
) -> None:
    """Denoise, colorize and inpaint a photograph that scikit-image carries (coffee, CC0), and show how it went."""
    with working("loading"):
        from bigprior.evaluation.protocols.demo import run_demo
    table = Table("task", "made up", "dB measured", "dB prior", "dB restored", "seconds", title="bigprior demo")
    for row in run_demo(output, preset=preset, steps=steps, seed=seed or 0, overwrite=overwrite, progress=progress_of):
        decibels = [f"{row[k]:.2f}" for k in ("fidelity", "prior", "restored")]
        table.add_row(str(row["task"]), f"{row['made_up']:.0%}", *decibels, f"{row['seconds']:.1f}")
    OUT.print(table)
    OUT.print(f"pictures are in {output.resolve()}", soft_wrap=True)

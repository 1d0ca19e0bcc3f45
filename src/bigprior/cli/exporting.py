"""``bigprior export ...``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bigprior import DEFAULT_PRESET
from bigprior.cli.options import Overwrite, Preset
from bigprior.cli.terminal import OUT, working

export = typer.Typer(help="Networks as files for other programs.", no_args_is_help=True)


@export.callback()
def export_itself() -> None:
    """A group, though it has one command so far."""


@export.command("onnx")
def export_to_onnx(
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="The file, ending in .onnx; with --darktable, a folder.")
    ],
    preset: Preset = DEFAULT_PRESET,
    part: Annotated[str, typer.Option(help="Which of the preset's networks: a denoiser.")] = "denoiser",
    sigma: Annotated[
        float | None,
        typer.Option(help="A noise level on the 0..255 scale to build in; else it is the file's second input."),
    ] = None,
    darktable: Annotated[
        bool, typer.Option("--darktable", help="A folder for darktable's models: model.onnx and config.json.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a denoiser as ONNX: a picture of any size, and a map of the noise level in [0, 1], to the clean picture."""
    with working("exporting"):
        from bigprior.presets.exporting import export_onnx

        level = None if sigma is None else sigma / 255
        export_onnx(output, preset, part, sigma=level, darktable=darktable, overwrite=overwrite)
    OUT.print(f"{output}: {part} of {preset}", soft_wrap=True)

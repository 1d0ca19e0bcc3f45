"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bigprior.errors import SettingsError


class Task(StrEnum):
    """What is wrong with the picture."""

    denoise = "denoise"
    colorize = "colorize"
    inpaint = "inpaint"

    @property
    def degradation(self) -> str:
        """The degradation's name in the library."""
        return {"denoise": "denoising", "colorize": "colorization", "inpaint": "inpainting"}[self.value]


Preset = Annotated[str, typer.Option(help="A prior by name; `bigprior priors list` shows them.")]
Index = Annotated[
    str, typer.Option(help="Which pictures, in the order of their names: A-B, both included; all by default.")
]
Steps = Annotated[int | None, typer.Option(help="Steps of the inversion, in place of the preset's.")]
Seed = Annotated[int, typer.Option(help="Of the inversion's start; the same seed gives the same picture.")]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1, mps.")]
Precision = Annotated[str, typer.Option(help="fp32, or bf16: faster where the processor multiplies in it.")]
FrameName = Annotated[
    str | None,
    typer.Option("--frame", help="What to fuse: pixel, wavelet or luminance; by default what the preset has."),
]
Rho = Annotated[
    float | None,
    typer.Option(help="Weight of what is made up: 0 is the most accurate picture, 1e-2 holds on to the measurement."),
]
Vgg = Annotated[Path | None, typer.Option(help="VGG-16 trunk as safetensors; torchvision's own by default.")]


def index_of(text: str) -> tuple[int, int] | None:
    """The first and last picture of ``A-B``; None of nothing."""
    if not text:
        return None
    first, sign, last = text.partition("-")
    if not (sign and first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise SettingsError(f"index is {text!r}: expected A-B with A <= B, such as 200-249")
    return int(first), int(last)


def by_task(option: str, items: list[str] | None) -> Iterator[tuple[str, str]]:
    """Task and value of each ``TASK=VALUE``."""
    for item in items or []:
        task, sign, value = item.partition("=")
        if not sign or task not in set(Task):
            raise SettingsError(f"--{option} is {item!r}: expected TASK=VALUE, TASK one of {', '.join(Task)}")
        yield task, value

"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from bigprior import DEFAULT_PRESET
from bigprior.cli.signatures import extended
from bigprior.errors import SettingsError
from bigprior.report.output import PARTS, SAME, Output

Photos = Annotated[
    list[Path],
    typer.Argument(
        metavar="[PHOTO|FOLDER|'GLOB']...",
        help="PNG, TIFF, JPEG, WebP or AVIF; with the extra `formats` HEIC, JPEG XL or a camera's raw file; 8 or 16 "
        "bits; grey, RGB, with alpha. One or several; or, as a batch, folders with all that is below them, or patterns "
        "in quotes.",
        default_factory=list,  # where a list names them
        show_default=False,
    ),
]
Preset = Annotated[str, typer.Option(help="A prior by name; `bigprior priors list` shows them.")]
ModelFile = Annotated[
    Path | None,
    typer.Option(
        "--prior",
        metavar="NAME|FILE",
        help="In place of a preset: a prior by name, such as bm3d or deep-image-prior (`bigprior priors kinds` shows "
        "them); a model that you have, weights of a known architecture or an ONNX file; or a picture, or a folder of "
        "one for each photo.",
    ),
]
TrustPrior = Annotated[
    bool, typer.Option("--trust-prior", help="A model's file may run code: you know whom it is from.")
]
Index = Annotated[
    str, typer.Option(help="Which pictures, in the order of their names: A-B, both included; all by default.")
]
Steps = Annotated[int | None, typer.Option(help="Steps of the inversion, in place of the preset's.")]
Seed = Annotated[
    int | None,
    typer.Option(
        help="Where random numbers begin, of an inversion's start, a hole's filling or samples; 0 by default. The same "
        "seed gives the same picture. Refused where a prior draws nothing."
    ),
]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1, mps.")]
FrameName = Annotated[
    str | None,
    typer.Option("--frame", help="What to fuse: pixel, wavelet or luminance; by default what the preset has."),
]
Rho = Annotated[
    float | None,
    typer.Option(help="Weight of what is made up: 0 is the most accurate picture, 1e-2 holds on to the measurement."),
]
Sigma = Annotated[float | None, typer.Option(help="Noise level on the 0..255 scale, if known; else it is found.")]
#: Of a task that is not noise's own.
SigmaToo = Annotated[
    str | None,
    typer.Option(
        "--sigma",
        metavar="N|auto",
        help="The photo has noise as well: its level on the 0..255 scale, or `auto` to have it found. It is removed "
        "first, and what of it was made up is counted.",
    ),
]
Strength = Annotated[
    float, typer.Option(help="Take noise for so many times as much as it was told or found to be: 0 to 2.")
]
GrainName = Annotated[
    str | None,
    typer.Option("--grain", help="fine: white noise; coarse: a camera's, JPEG's or film's. By default it is found."),
]
Vgg = Annotated[Path | None, typer.Option(help="VGG-16 trunk as safetensors; torchvision's own by default.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that are there already.")]


_BATCHES = "Batches: of a folder, a pattern or a list, or if one of these is given"


@dataclass(frozen=True)
class Choices:
    """How photographs are restored, whatever is wrong with them: options of every command that does it."""

    preset: Preset = DEFAULT_PRESET
    prior: ModelFile = None
    trust_prior: TrustPrior = False
    steps: Steps = None
    budget: Annotated[
        str | None, typer.Option(help="Time that an inversion may take: 2s, 500ms or 1min. Fewer steps are made.")
    ] = None
    paper: Annotated[bool, typer.Option("--paper", help="Invert with the paper's own settings (slow).")] = False
    vgg: Vgg = None
    seed: Seed = None
    samples: Annotated[
        int, typer.Option(help="So many different answers, of this seed and the next ones; the first is the result.")
    ] = 1
    max_hallucination: Annotated[
        float | None,
        typer.Option(
            help="At most this share of the result's variance may be made up, 0 to 1: rho is raised as far as needed."
        ),
    ] = None
    keep: Annotated[
        Path | None, typer.Option(help="A mask of the photo's size: where it is white, nothing is made up.")
    ] = None
    paint: Annotated[
        Path | None,
        typer.Option(help="phi by hand: a grey picture of the photo's size, white = made up, black = measured."),
    ] = None
    calibration: Annotated[
        Path | None,
        typer.Option(help="What `bigprior calibrate` wrote, for the result's bounds; the preset's own by default."),
    ] = None
    device: Device = "cpu"
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="New folder for the results, by default PHOTO-TASK beside the photo; of several, one each in it. Of a "
            "batch, by default FOLDER-TASK.",
        ),
    ] = None
    overwrite: Overwrite = False
    page: Annotated[int | None, typer.Option(help="Of a TIFF of several pages, or an animation: which, from 1 on.")] = (
        None
    )
    only: Annotated[
        str | None,
        typer.Option(
            help="Which results, with commas, beside restoration.json, which says how they were made; by default "
            f"{', '.join(PARTS)}; of a batch, restored."
        ),
    ] = None
    tratteggio: Annotated[
        bool, typer.Option("--tratteggio", help="Also tratteggio.png: what is made up drawn as fine lines.")
    ] = False
    format: Annotated[
        str | None,
        typer.Option(
            help="Of the pictures: png, tiff, jpg or webp; same, the photo's, as a batch has it; by default the "
            "photo's, if lossless."
        ),
    ] = None
    layers: Annotated[
        str,
        typer.Option(
            help="layers.tif: none; half, 16 bits; or float, where what is measured and made up sums exactly."
        ),
    ] = "none"
    layers_as: Annotated[
        str, typer.Option(help="Another file for the layers: npz, exr, psd or ome (OME-TIFF) in place of tiff.")
    ] = "tiff"

    sign: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="CERT KEY", help="Sign the restored picture (C2PA): a certificate chain and its key, in PEM."
        ),
    ] = None

    from_file: Annotated[
        str | None,
        typer.Option(
            metavar="LIST|-",
            help="Also what stands in a file or on standard input, one a line, or between zero bytes.",
            rich_help_panel=_BATCHES,
        ),
    ] = None
    keep_going: Annotated[
        bool,
        typer.Option("--keep-going", help="Go on after a picture that fails.", rich_help_panel=_BATCHES),
    ] = False
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Leave out what the folder's manifest lists as done.", rich_help_panel=_BATCHES),
    ] = False
    shard: Annotated[
        str | None,
        typer.Option(
            help="Do one of several shares: 3/16, the third of sixteen; slurm: that of an array job's task.",
            rich_help_panel=_BATCHES,
        ),
    ] = None
    folders: Annotated[
        bool,
        typer.Option(
            "--folders",
            help="Results of each picture in a folder of its own, in place of files with the pictures' own names.",
            rich_help_panel=_BATCHES,
        ),
    ] = False
    parquet: Annotated[
        bool | None,
        typer.Option(
            help="Write the manifest as manifest.parquet too (extra `parquet`); by default if pyarrow is installed.",
            rich_help_panel=_BATCHES,
        ),
    ] = None

    @property
    def asks_for_a_batch(self) -> bool:
        """Whether an option that only a batch has was given."""
        listed = self.from_file is not None or self.shard is not None or self.parquet is not None
        return listed or self.keep_going or self.resume or self.folders

    def to(self, place: Path) -> Choices:
        """The same, with another place for the results.

        Raises:
            SettingsError: there is one already.
        """
        if self.output is not None:
            raise SettingsError("--output and --shards both say where results go: leave one of them out")
        return replace(self, output=place)

    def written(self, *, batch: bool = False) -> Output:
        """What of a restoration is written.

        Args:
            batch: it is one of many.

        Raises:
            SettingsError: a name that says nothing.
        """
        only = self.only if self.only is not None else "restored" if batch else ",".join(PARTS)
        parts = tuple(part.strip() for part in only.split(",") if part.strip())
        if self.tratteggio and "tratteggio" not in parts:
            parts += ("tratteggio",)
        form = SAME if batch and self.format is None else self.format
        return Output(parts, form, self.layers, self.layers_as, self.overwrite, self.sign)


def with_choices(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose argument ``how`` is :class:`Choices`, with an option for each of them.

    Its argument ``photos`` may be empty where a list names them.
    """
    kinds = get_type_hints(Choices, include_extras=True)

    def choosing(*args: Any, **options: Any) -> None:
        chosen = {name: options.pop(name) for name in kinds}
        if not options["photos"] and chosen["from_file"] is None:
            raise SettingsError("no pictures: name some, or pass --from-file with a list (see --help)")
        command(*args, how=Choices(**chosen), **options)

    more = [
        Parameter(f.name, Parameter.KEYWORD_ONLY, default=f.default, annotation=kinds[f.name]) for f in fields(Choices)
    ]
    return extended(command, choosing, more, without=("how",))


def pairs(option: str, items: list[str] | None, what: str = "NAME=VALUE") -> Iterator[tuple[str, str]]:
    """Both sides of each ``NAME=VALUE``; ``what`` says in an error what was expected."""
    for item in items or []:
        name, sign, value = item.partition("=")
        if not (sign and name and value):
            raise SettingsError(f"--{option} is {item!r}: expected {what}")
        yield name, value


def by_task(option: str, items: list[str] | None) -> Iterator[tuple[str, str]]:
    """The name of the task and the value of each ``TASK=VALUE``, where a person wrote the task's name or its verb."""
    from bigprior.degradations import task_of

    for task, value in pairs(option, items, "TASK=VALUE, the task by its name or as the command is called"):
        yield task_of(task).name, value


def level_of(text: str) -> float:
    """The noise level, of 255, that ``--sigma`` says where it may also say ``auto``."""
    try:
        return float(text)
    except ValueError:
        raise SettingsError(f"--sigma is {text!r}: expected a noise level on the 0..255 scale, or auto") from None


def value_of(text: str) -> Any:
    """A number or a truth as such, all else as text: ``3``, ``0.5``, ``true``, ``bicubic``."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text

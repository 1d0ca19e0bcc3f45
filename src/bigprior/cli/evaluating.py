"""``bigprior evaluate`` and ``results``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from bigprior.cli.options import Index, ModelFile, Steps, TrustPrior, Vgg
from bigprior.cli.terminal import OUT, progress_of, working
from bigprior.errors import OutputError, SettingsError, UnknownNameError


def evaluate(
    name: Annotated[str, typer.Argument(help="What to measure; an unknown name lists the known ones.")],
    data: Annotated[Path, typer.Option(help="Folder of pictures.")],
    index: Index = "",
    preset: Annotated[
        str | None, typer.Option(help="A prior by name; by default the one that the measurement is about.")
    ] = None,
    steps: Steps = None,
    prior_dir: Annotated[
        Path | None, typer.Option(help="Priors computed elsewhere: one picture a measurement.")
    ] = None,
    phi: Annotated[Path | None, typer.Option(help="A phi network in place of the preset's.")] = None,
    prior: ModelFile = None,
    rival: Annotated[
        list[Path] | None,
        typer.Option(help="Of a table: a model's file, for a row of what it makes by itself; may be repeated."),
    ] = None,
    trust_prior: TrustPrior = False,
    vgg: Vgg = None,
    baselines: Annotated[
        str | None,
        typer.Option(help="Of a table: names with commas, or none; all that are installed and not slow by default."),
    ] = None,
    dncnn: Annotated[
        Path | None, typer.Option(help="Of a table: folder of dncnn-TASK.safetensors, as `train dncnn` makes them.")
    ] = None,
    set_name: Annotated[str, typer.Option("--set", help="What the pictures are called in the results.")] = "",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures to this file; a table can be resumed.")
    ] = None,
    lines: Annotated[
        Path | None, typer.Option(help="Scores of single pictures, kept and used again; by default beside --json.")
    ] = None,
    sigma: Annotated[
        float | None,
        typer.Option(
            help="Of awgn, deblur and demosaic: the noise level on the 0..255 scale; of deblur 2.55, of demosaic 0."
        ),
    ] = None,
    factor: Annotated[int | None, typer.Option(help="Of upscale: how many times smaller pictures are made; 2.")] = None,
    kernel: Annotated[
        list[Path] | None,
        typer.Option(help="Of deblur: a kernel's file; may be repeated. Three straight motions without."),
    ] = None,
    quality: Annotated[
        str, typer.Option(help="Of jpeg and dejpeg: the quality, 1 to 100; of dejpeg several, with commas.")
    ] = "",
    peak: Annotated[str, typer.Option(help="Of poisson: the counts of white, with commas, such as 4,30.")] = "",
    side: Annotated[
        int | None, typer.Option(min=16, help="Of truth: the middle of each picture alone, so many pixels a side.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for pictures or trainings; by default beside --json.")
    ] = None,
) -> None:
    """Measure a prior and a restorer on pictures whose truth is known."""
    # Long for its options alone: they are what a person sees of the command.
    _check_figures(json_file)
    with working("loading"):
        from bigprior.evaluation.protocols import Request, evaluation
        from bigprior.io.atomic import write_text
        from bigprior.settings import index_of

        measure = evaluation(name)
        request = Request(
            data,
            index_of(index),
            preset=preset,
            steps=steps,
            prior_dir=prior_dir,
            phi=phi,
            prior=prior,
            rivals=tuple(rival or ()),
            trusted=trust_prior,
            vgg=vgg,
            baselines=None if baselines is None else _baselines(baselines),
            dncnn=dncnn,
            sigma=sigma,
            qualities=_qualities(quality),
            factor=factor,
            kernels=tuple(kernel or ()),
            peaks=tuple(_peak(part) for part in peak.split(",") if part),
            side=side,
            lines=lines or (json_file.with_suffix(".jsonl") if json_file is not None else None),
            folder=output or (json_file.with_suffix("") if json_file is not None else None),
        )
    with progress_of(name) as progress:
        results = measure(request, progress)
    if json_file is not None:
        write_text(json_file, json.dumps(results, indent=2) + "\n")
    OUT.print(f"{name} {set_name}".strip(), style="bold")
    for line in _flat(results):
        OUT.print(line, highlight=False)


def results(
    folder: Annotated[Path, typer.Argument(help="Where `evaluate TABLE --set SET --json TABLE-SET.json` wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page.")] = Path("results.md"),
) -> None:
    """Write one Markdown page of all tables, beside the paper's own rows."""
    if output.exists() and output.suffix.lower() != ".md":
        raise OutputError(f"{output} is no Markdown page: choose another name")
    from bigprior.evaluation.protocols.results import write_results

    shown = write_results(folder, output)
    OUT.print(f"{', '.join(shown)} -> {output}", soft_wrap=True)


def _qualities(text: str) -> tuple[int, ...]:
    """Qualities of JPEG files, as they are written with commas.

    Raises:
        SettingsError: something else.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise SettingsError(f"--quality is {text!r}: expected whole numbers of 1 to 100 such as 10 or 10,20,40")
    return tuple(map(int, parts))


def _check_figures(file: Path | None) -> None:
    """That what is in the way of figures is figures, of an earlier measurement.

    Raises:
        OutputError: it is something else, which is not to be lost.
    """
    if file is None or not file.exists():
        return
    try:
        figures = isinstance(json.loads(file.read_text("utf-8")), dict)
    except (OSError, ValueError):
        figures = False
    if not figures:
        raise OutputError(f"{file} is there and holds no figures: choose another name for --json")


def _baselines(text: str) -> tuple[str, ...]:
    from bigprior.evaluation.baselines import BASELINES, DNCNN

    names = tuple(part for part in text.split(",") if part and part != "none")
    for name in names:
        if name not in (*BASELINES, DNCNN):
            raise UnknownNameError("baseline", name, [*BASELINES, DNCNN])
    return names


def _peak(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingsError(f"--peak is {text!r}: expected counts of white with commas, such as 4,30") from None


def _flat(results: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(results, dict):
        for name, value in results.items():
            yield from _flat(value, (*path, name))
    elif not isinstance(results, list):  # points of a plot are for the file
        yield f"{'.'.join(path)} = {results:.4f}" if isinstance(results, float) else f"{'.'.join(path)} = {results}"

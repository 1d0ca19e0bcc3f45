"""``bigprior verify``, ``audit`` and ``recompose``: what somebody can do with a restoration who was not there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bigprior import DEFAULT_PRESET
from bigprior.cli.options import Overwrite, Preset, Rho, pairs, value_of
from bigprior.cli.terminal import OUT, fail, working
from bigprior.errors import OutputError
from bigprior.report.output import RECORD, Output, check_folder

#: What is printed before a check's name.
_MARKS = {True: "ok  ", False: "FAIL", None: "-   "}


def verify(
    place: Annotated[Path, typer.Argument(metavar="FOLDER|PICTURE", help="Results of ours, or a picture in them.")],
    measurement: Annotated[
        Path | None, typer.Option(help="The photo that was restored; without it, nothing is compared with it.")
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option("--with", help="A file that was read beside the photo, such as a mask; may be repeated."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also restore again, as the record says, and compare (slow).")
    ] = False,
) -> None:
    """Check that a restoration is what its record says: a line for each check, and exit code 1 if one fails."""
    from bigprior.provenance.verify import verify as checks

    repeat = None
    if again:
        from bigprior.provenance.again import restored_again

        repeat = restored_again
    with working("checking"):
        verdicts = checks(place, measurement, others=beside or (), again=repeat)
    for verdict in verdicts:
        OUT.print(f"{_MARKS[verdict.holds]} {verdict.name}: {verdict.said}", soft_wrap=True, highlight=False)
    if failed := [verdict.name for verdict in verdicts if verdict.holds is False]:
        # On standard error too, and even if --quiet: an exit code of 1 never comes without a word.
        raise typer.Exit(fail(f"{place} fails: {', '.join(failed)}", 1, traced=False))


def audit(
    measurement: Annotated[Path, typer.Option("--input", help="The picture that was restored, as it was before.")],
    restored: Annotated[Path, typer.Option(help="What any program made of it.")],
    task: Annotated[str, typer.Option(help="What was wrong with it: a degradation's name or verb.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE: a setting of the degradation, such as mask=mask.png; may be repeated."),
    ] = None,
    preset: Preset = DEFAULT_PRESET,
    rho: Rho = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="New folder, by default RESTORED-audit beside it.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Split anyone's result into what its measurement supports and what was added; write both, the map and a report."""
    from bigprior.jobs import Job, check

    # Beside a folder of results, not in it, where it would be no file of theirs.
    named = restored.parent if (restored.parent / RECORD).is_file() else restored.with_suffix("")
    folder = named.with_name(f"{named.name}-audit") if output is None else output
    given: dict[str, Any] = {name: _file_or_value(text) for name, text in pairs("set", settings, "KEY=VALUE")}
    written = Output(layers="float", overwrite=overwrite)
    job = Job(measurement, task, given, folder, output=written)
    check(job)
    files = [measurement, restored, *(value for value in given.values() if isinstance(value, Path))]
    check_folder(folder, overwrite=overwrite, reads=files)
    with working("auditing"):
        from bigprior.presets.loading import load_weigher
        from bigprior.provenance.audit import audit_file

        result = audit_file(job, restored, *load_weigher(preset, task), rho=rho)
    OUT.print(f"{restored}: {result.task}, {result.mean_share:.0%} made up -> {folder}", soft_wrap=True)
    moved = result.provenance["shift_px"]
    if any(moved):
        OUT.print(f"put back by {moved[0]} pixels down and {moved[1]} across")


def recompose(
    place: Annotated[Path, typer.Argument(metavar="FOLDER|LAYERS", help="Results with layers, or a file of layers.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The picture's file: PNG, TIFF, JPEG or WebP.")],
    by: Annotated[
        str, typer.Option(help="sum: measured + hallucinated; phi: (1 - phi) * fidelity + phi * prior.")
    ] = "sum",
    bits: Annotated[int | None, typer.Option(help="8 or 16 a channel; by default as the restored picture.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Make the picture of its layers again, as they are or as you have edited them."""
    if output.exists() and (not overwrite or output.resolve() == place.resolve()):
        raise OutputError(f"{output} is there already: pass another name, or --overwrite to replace it")
    with working("recomposing"):
        from bigprior.provenance.recompose import recompose_file

        recompose_file(place, output, by, bits=bits)
    OUT.print(f"{place} -> {output}", soft_wrap=True)


def _file_or_value(text: str) -> Any:
    """The file of that name, if there is one; else a number, a truth, or text."""
    return Path(text) if Path(text).is_file() else value_of(text)

"""``bigprior priors ...``."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from bigprior.cli.options import by_task, pairs
from bigprior.cli.terminal import OUT, progress_of, working
from bigprior.errors import SettingsError, WeightsError

priors = typer.Typer(help="The priors that can be named with --preset.", no_args_is_help=True)


@priors.command("list")
def list_priors() -> None:
    """Every preset with a line about it."""
    from bigprior.presets.store import preset, preset_names

    table = Table("preset", "summary", "images seen", "licence")
    for name in preset_names():
        try:
            p = preset(name)
        except WeightsError as error:  # one that is broken hides no other
            table.add_row(name, str(error), "", "")
            continue
        table.add_row(p.name, p.summary, f"{p.images_seen:,}", p.licence)
    OUT.print(table)


@priors.command("show")
def show_prior(name: Annotated[str, typer.Argument(help="A preset's name.")]) -> None:
    """All that is recorded of a preset, as JSON."""
    from bigprior.presets.store import preset

    OUT.print_json(preset(name).model_dump_json())


@priors.command("kinds")
def list_kinds(
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write them to this file.")] = None,
) -> None:
    """Every kind of prior: its tasks, who thought of it, its equation in the paper, and how to ask for it."""
    with working("loading"):
        from bigprior.io.atomic import write_text
        from bigprior.priors.catalogue import catalogue

        rows = [asdict(row) for row in catalogue()]
    if json_file is not None:
        write_text(json_file, json.dumps(rows, indent=2) + "\n")
    table = Table("kind", "tasks", "source", "equation", "use")
    for row in rows:
        table.add_row(row["kind"], ", ".join(row["tasks"]), row["source"], row["equation"], row["use"])
    OUT.print(table)


@priors.command("compare")
def compare_priors(
    photo: Annotated[
        Path | None, typer.Argument(help="A picture that is known; by default scikit-image's coffee (CC0).")
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the table and the sheets.")] = Path(
        "bigprior-priors"
    ),
    names: Annotated[
        list[str] | None, typer.Option("--prior", help="A prior or a preset by name; may be repeated; all by default.")
    ] = None,
) -> None:
    """Degrade one small picture in every task, restore it with every prior, and show them in a table and on a sheet."""
    with working("loading"):
        from bigprior.evaluation.plots import sheet_figure
        from bigprior.evaluation.protocols.comparison import compare, example
        from bigprior.io.atomic import write_text
        from bigprior.io.pictures import read_picture
        from bigprior.report.folder import save_figure

        picture = example() if photo is None else read_picture(photo).image
    with progress_of("compare") as progress:
        found = list(compare(picture, names or (), progress=progress))
    output.mkdir(parents=True, exist_ok=True)
    table = Table("task", Column("prior", no_wrap=True), "dB in", "dB prior", "dB out", "phi", "s")
    for one in found:
        if one.figures:
            row = [f"{one.figures[k]:.2f}" for k in ("fidelity", "prior", "restored", "phi", "seconds")]
            table.add_row(one.task, one.prior, *row)
    rows = [{"name": one.prior, "task": one.task, "refused": one.refused, **one.figures} for one in found]
    write_text(output / "table.json", json.dumps(rows, indent=2) + "\n")
    for task in dict.fromkeys(one.task for one in found):
        shown = [(one.prior, one.restoration) for one in found if one.task == task and one.restoration is not None]
        if shown:
            save_figure(sheet_figure(shown), output / f"{task}.png")
    OUT.print(table)
    for one in found:
        if one.refused:
            OUT.print(f"{one.task}: {one.refused.split(';')[0]}", soft_wrap=True, highlight=False)
    OUT.print(f"table and sheets are in {output.resolve()}", soft_wrap=True)


@priors.command("import")
def import_prior(
    name: Annotated[str, typer.Argument(help="What to call it; the file alone is called by its own name.")],
    network: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="A generator, .safetensors, .pth or .pkl, or a denoiser that was trained here; none for a prior "
            "without weights, which --as names.",
        ),
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            "--as",
            "--architecture",
            help="Of the network, by default the one that its tensors fit; an unknown name lists the known ones.",
        ),
    ] = None,
    phi: Annotated[
        list[str] | None, typer.Option(help="TASK=FILE: a phi network; may be repeated, also for other frames.")
    ] = None,
    steps: Annotated[
        list[str] | None, typer.Option(help="TASK=N: steps of the inversion or the sampler; may be repeated.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="KEY=VALUE: a setting of every task, such as codes=1, layer=4, latent=w+ or feature_maps.steps=100; "
            "may be repeated.",
        ),
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=FILE: a network beside it; may be repeated: encoder, where a generator begins its inversions; "
            "colorizer and filler, which guess colours and fill holes; "
            "general-denoiser and noise, which remove noise of every kind and find it."
        ),
    ] = None,
    into: Annotated[Path | None, typer.Option(help="Folder of presets; your own by default.")] = None,
    summary: Annotated[str | None, typer.Option(help="A line about it.")] = None,
    licence: Annotated[str | None, typer.Option(help="Terms of the weights.")] = None,
    trained_on: Annotated[str | None, typer.Option(help="The training data.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a preset of that name.")] = False,
) -> None:
    """Make a preset from your own weights, from a generator that others released, or of a prior without weights."""
    # Long for its options, each with a line or two.
    from bigprior.presets.importing import import_preset
    from bigprior.training.recipe import change_of, put

    if network is None and Path(name).is_file():
        network, name = Path(name), re.sub(r"[^A-Za-z0-9_]+", "-", Path(name).stem).strip("-")
    wanted: dict[str, Any] = {}
    for change in changes or ():
        put(wanted, *change_of(change))
    networks: dict[str, list[str]] = {}
    for task, file in by_task("phi", phi):
        networks.setdefault(task, []).append(file)
    counts = {task: _count(text) for task, text in by_task("steps", steps)}
    given: dict[str, Any] = {"summary": summary, "licence": licence, "trained_on": trained_on}
    given = {k: v for k, v in given.items() if v is not None}
    folder = import_preset(
        name,
        network,
        phi=networks,
        beside=dict(pairs("part", part, "NAME=FILE")),
        into=into,
        architecture=architecture,
        steps=counts,
        changes=wanted,
        overwrite=overwrite,
        **given,
    )
    OUT.print(f"preset {name}: {folder}", soft_wrap=True)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise SettingsError(f"steps are {text!r}: expected a whole number from 1 on")
    return int(text)

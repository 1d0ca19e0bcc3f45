"""``bigprior doctor``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bigprior.cli.terminal import OUT, fail, working


def doctor(
    speed: Annotated[bool, typer.Option(help="Measure how fast this machine is, for a few seconds.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what is installed, what works, and how fast this machine is; exit code 1 if something is broken."""
    from bigprior.doctor import examine

    with working("looking"):
        found = list(examine(speed=speed))
    if as_json:
        OUT.print(json.dumps([one.to_dict() for one in found], indent=2), soft_wrap=True, highlight=False)
    else:
        for one in found:
            advice = "" if one.advice is None else f" ({one.advice})"
            OUT.print(f"{one.state:<8}{one.part:<8} {one.name}: {one.said}{advice}", soft_wrap=True, highlight=False)
    if broken := [f"{one.part} {one.name}" for one in found if one.state == "broken"]:
        # On standard error too, and even if --quiet: an exit code of 1 never comes without a word.
        raise typer.Exit(fail(f"broken: {', '.join(broken)}", 1, traced=False))

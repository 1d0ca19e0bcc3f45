"""Options that are written once for several commands: typer reads a function's signature, so that is what changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import wraps
from inspect import Parameter, signature
from typing import Any


def extended(
    command: Callable[..., Any], call: Callable[..., Any], more: Sequence[Parameter], without: Collection[str] = ()
) -> Callable[..., Any]:
    """``call``, which calls ``command``, with the name, the help and the parameters of ``command``, and some more.

    Args:
        command: what typer would be given.
        call: what it is given instead.
        more: parameters, with typer's annotations, that ``call`` takes beside.
        without: parameters of ``command`` that ``call`` finds out by itself.
    """
    own = signature(command, eval_str=True)
    parameters = [p for p in own.parameters.values() if p.name not in without] + list(more)
    outer = wraps(command)(call)
    # One with a default may stand before one without, where all but the first are given by name.
    parameters = [p if p.default is p.empty else p.replace(kind=Parameter.KEYWORD_ONLY) for p in parameters]
    outer.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    outer.__annotations__ = {p.name: p.annotation for p in parameters}
    return outer

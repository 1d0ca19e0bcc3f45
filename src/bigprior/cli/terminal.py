"""What the commands print: results on standard output, all else on standard error, where a person sits there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console

OUT = Console()
ERR = Console(stderr=True)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say what takes a while."""
    with ERR.status(what) if ERR.is_terminal else nullcontext():
        yield


@contextmanager
def progress_of(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar; yields what takes how much is done, of how much in all."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress("{task.description}", *columns, console=ERR, transient=True, disable=not ERR.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)

"""What the commands print: results on standard output, all else on standard error, where a person sits there.

How much of it is the user's to say: ``--quiet`` leaves errors alone; ``--verbose`` adds how long each step took, and
where an error came from.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from inspect import Parameter
from typing import Annotated, Any

import typer
from rich.console import Console

from bigprior.cli.signatures import extended
from bigprior.errors import SettingsError

# Names of files are printed as they are, whatever brackets and colons they have.
OUT = Console(markup=False, emoji=False)
ERR = Console(stderr=True, markup=False, emoji=False)

Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Also print timings, and where an error came from.")]

_LOG = logging.getLogger("bigprior")
#: Where no bar is seen, so many seconds lie between two lines that say how far a batch is.
_A_LINE_S = 60.0


class _Aloud(logging.Handler):
    """What the library logs, on standard error, whatever that is by then."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"bigprior: {record.getMessage()}", file=ERR.file)


_HANDLER = _Aloud()


def speak(*, quiet: bool = False, verbose: bool = False) -> None:
    """Say no more, or no less, than this from now on.

    Raises:
        SettingsError: both at once.
    """
    if quiet and verbose:
        raise SettingsError("--quiet and --verbose were both given: pass one of them")
    OUT.quiet = ERR.quiet = quiet
    _LOG.removeHandler(_HANDLER)
    _LOG.setLevel(logging.INFO if verbose else logging.NOTSET)
    if verbose:
        _LOG.addHandler(_HANDLER)
        warnings.simplefilter("default")


class Interrupted(BaseException):
    """The program was told to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@contextmanager
def stoppable() -> Iterator[Callable[[], Interrupted | None]]:
    """SIGINT and SIGTERM raise :class:`Interrupted` in the block, so that what is half done is removed.

    Yields:
        What gives the interruption that there has been, whatever became of it.
    """
    owner, came = os.getpid(), list[Interrupted]()

    def stop(number: int, _: object) -> None:
        if os.getpid() != owner:  # a worker, which has nothing to say
            os._exit(128 + number)
        came.append(Interrupted(number))
        raise came[-1]

    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: came[-1] if came else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Libraries' warnings are not for those who use the program; ``--verbose`` shows them, as does ``python -W``."""
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        yield


def fail(message: str, code: int, *, traced: bool = True) -> int:
    """Print what went wrong, on one line, even if ``--quiet``; gives ``code`` back.

    Args:
        traced: ``--verbose`` shows where the exception that is being handled came from.
    """
    if traced and _HANDLER in _LOG.handlers:
        ERR.file.write(traceback.format_exc())
    print(f"bigprior: {' '.join(message.split())}", file=ERR.file)
    return code


def listening(app: typer.Typer) -> typer.Typer:
    """The program with ``--quiet`` and ``--verbose`` in each of its commands, whoever wrote them."""
    for group in app.registered_groups:
        if group.typer_instance is not None:
            listening(group.typer_instance)
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _listens(command.callback)
    return app


def _listens(command: Callable[..., Any]) -> Callable[..., Any]:
    """``command`` with two options more."""

    def spoken_to(*args: Any, quiet: bool, verbose: bool, **options: Any) -> Any:
        if quiet or verbose:  # else as it was said before the command
            speak(quiet=quiet, verbose=verbose)
        return command(*args, **options)

    more = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in (("quiet", Quiet), ("verbose", Verbose))
    ]
    return extended(command, spoken_to, more)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say what takes a while."""
    with _timed(what), ERR.status(what) if ERR.is_terminal else nullcontext():
        yield


@contextmanager
def progress_of(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar; yields what takes how much is done, of how much in all."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    named = TextColumn("{task.description}", markup=False)
    shown = Progress(named, *columns, console=ERR, transient=True, disable=not ERR.is_terminal)
    with _timed(what), shown as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def counted(what: str) -> Iterator[Callable[[Any, int, int], None]]:
    """How far a batch is and how long it still takes: a bar, or, where nobody sits, a line a minute.

    Yields:
        What takes a picture's row, how many are done, and of how many in all.
    """
    began = said = time.monotonic()
    failed = 0
    with progress_of(what) as bar:

        def heard(row: Any, done: int, total: int) -> None:
            nonlocal said, failed
            bar(done, total)
            failed += row.error is not None
            if ERR.is_terminal or ERR.quiet or (now := time.monotonic()) - said < _A_LINE_S:
                return
            said, rate = now, done / (now - began)
            left = f"{(total - done) / rate / 60:.0f} min left"
            print(f"bigprior: {done} of {total}, {failed} failed, {rate:.2g} a second, {left}", file=ERR.file)

        yield heard


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    _LOG.info("%s: %.2f s", what, time.perf_counter() - began)

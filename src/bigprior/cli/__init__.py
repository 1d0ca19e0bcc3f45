"""The command line: thin, no science. Torch is imported by the commands that need it, never for ``--help``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from bigprior.cli.auditing import audit, recompose, verify
from bigprior.cli.batch import batch
from bigprior.cli.calibrating import calibrate
from bigprior.cli.colorize import colorize
from bigprior.cli.deblur import deblur
from bigprior.cli.dejpeg import dejpeg
from bigprior.cli.demo import demo
from bigprior.cli.demosaic import demosaic
from bigprior.cli.denoise import denoise
from bigprior.cli.doctoring import doctor
from bigprior.cli.evaluating import evaluate, results
from bigprior.cli.exporting import export
from bigprior.cli.inpaint import inpaint
from bigprior.cli.presets import priors
from bigprior.cli.restore import restore
from bigprior.cli.serving import serve
from bigprior.cli.terminal import (
    OUT,
    Interrupted,
    Quiet,
    Verbose,
    fail,
    listening,
    speak,
    stoppable,
    without_warnings,
)
from bigprior.cli.training import train
from bigprior.cli.upscale import upscale
from bigprior.errors import BigpriorError
from bigprior.threads import wait_passively

app = typer.Typer(
    help="Restore pictures, and see pixel by pixel what was measured and what was made up.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    *(denoise, inpaint, colorize, upscale, deblur, demosaic, dejpeg, restore, batch, verify, audit, recompose),
    *(demo, train, calibrate, evaluate, results, doctor),
):
    app.command()(command)
app.command("app")(serve)
app.add_typer(priors, name="priors")
app.add_typer(export, name="export")
listening(app)

#: As shells say it of SIGPIPE.
_CLOSED_PIPE = 141
#: The parser's own errors, of which typer only names this child.
_UsageError: Any = typer.BadParameter.__mro__[1]


def _say_version(asked: bool) -> None:
    if asked:
        from bigprior import __version__  # which takes a while to find out

        OUT.print(f"bigprior {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def bigprior_itself(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Hears what is said before a command; the program's help is its own."""
    speak(quiet=quiet, verbose=verbose)


def main() -> None:
    """Entry point: an error that bigprior raises on purpose, or a wrong option, is one line, and exit code 2."""
    wait_passively()
    speak()
    with without_warnings(), stoppable() as stopped:
        code = _called(stopped)
    raise SystemExit(code)


def _called(stopped: Callable[[], Interrupted | None]) -> int:
    """Run the command that was typed; gives the exit code."""
    try:
        code: int = app(standalone_mode=False)
    except Interrupted as interruption:
        code = fail("interrupted", interruption.code, traced=False)
    except BigpriorError as error:
        code = fail(str(error), 2)
    except _UsageError as error:
        said = error.format_message().rstrip(".")  # nothing without a command: help was shown
        code = fail(f"{said} (see --help)", 2, traced=False) if said else 2
    except (KeyboardInterrupt, typer.Abort):
        code = fail("interrupted", 130, traced=False)
    except SystemExit as end:
        code = _ended(end)
    except Exception as error:
        if (told := stopped()) is not None:  # which a library made an error of its own of
            return fail("interrupted", told.code, traced=False)
        # Not foreseen: still one line, and --verbose for whoever mends it.
        code = fail(f"{type(error).__name__}: {error} (not foreseen; --verbose shows where)", 1)
    return code


def _ended(end: SystemExit) -> int:
    """The exit code where the program was ended from within, which is said: by a library, or since a pipe was closed.

    Typer and rich end it with 1, and without a word, where who reads the output (such as `head`) is gone.
    """
    cause: BaseException | None = end
    while cause is not None:
        if isinstance(cause, BrokenPipeError):
            return fail("what reads the output has ended: not all of it was written", _CLOSED_PIPE, traced=False)
        cause = cause.__context__
    if end.code in (None, 0):
        return 0
    said, code = (end.code, 1) if isinstance(end.code, str) else ("a library ended the program", int(end.code or 1))
    return fail(f"{said} (not foreseen; --verbose shows where)", code)


__all__ = ["app", "main"]

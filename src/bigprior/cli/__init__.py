"""The command line: thin, no science. Torch is imported by the commands that need it, never for ``--help``."""

from __future__ import annotations

import sys
from typing import Any

import typer

from bigprior.cli.evaluating import evaluate, results
from bigprior.cli.presets import priors
from bigprior.cli.restoring import demo, restore
from bigprior.cli.training import train
from bigprior.errors import BigpriorError

app = typer.Typer(
    help="Restore pictures, and see pixel by pixel what was measured and what was made up.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (restore, demo, evaluate, results):
    app.command()(command)
app.add_typer(train, name="train")
app.add_typer(priors, name="priors")

#: The parser's own errors, of which typer only names this child.
_UsageError: Any = typer.BadParameter.__mro__[1]


def main() -> None:
    """Entry point: an error that bigprior raises on purpose, or a wrong option, is one line, and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except BigpriorError as error:
        code = _say(str(error), 2)
    except _UsageError as error:
        # Without a command the help itself has been shown, and there is nothing to add.
        code = _say(f"{error.format_message()} (see --help)", 2) if error.format_message() else 2
    except (KeyboardInterrupt, typer.Abort):
        code = _say("interrupted", 130)
    raise SystemExit(code)


def _say(message: str, code: int) -> int:
    print(f"bigprior: {' '.join(message.split())}", file=sys.stderr)
    return code


__all__ = ["app", "main"]

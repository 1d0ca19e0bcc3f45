"""How much the program says, and how it is asked to: before the command or after it."""

import logging
import subprocess
import sys

import pytest

import bigprior
from bigprior import cli
from bigprior.cli import terminal


@pytest.fixture(autouse=True)
def _as_it_was():
    yield
    terminal.speak()


def test_the_version(run):
    assert run("--version") == (0, f"bigprior {bigprior.__version__}\n", "")


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "bigprior", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"bigprior {bigprior.__version__}\n")


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
@pytest.mark.parametrize("first", [True, False])
def test_quiet_leaves_errors_alone(run, flag, first):
    words = ("priors", "list")
    assert run(flag, *words) == (0, "", "") if first else run(*words, flag) == (0, "", "")
    assert "tiny" in run(*words)[1]  # the next call is as it always was
    code, out, err = run("priors", "show", "nonesuch", flag)
    assert (code, out) == (2, "") and err.startswith("bigprior: unknown preset") and err.count("\n") == 1


@pytest.mark.parametrize("flag", ["-v", "--verbose"])
@pytest.mark.parametrize("first", [True, False])
def test_verbose_shows_timings_and_where_an_error_came_from(run, tmp_path, flag, first):
    words = ("evaluate", "nonesuch", "--data", tmp_path)
    code, _, err = run(flag, *words) if first else run(*words, flag)
    assert code == 2
    assert err.startswith("Traceback") and err.splitlines()[-1].startswith("bigprior: unknown")
    assert run(*words)[2].count("\n") == 1
    terminal.speak(verbose=True)
    with terminal.working("some work"):
        pass
    assert logging.getLogger("bigprior").isEnabledFor(logging.INFO)


def test_timings_are_printed_only_if_asked_for(capsys):
    for verbose in (False, True):
        terminal.speak(verbose=verbose)
        with terminal.working("some work"), terminal.progress_of("more") as tell:
            tell(1, 2)
        err = capsys.readouterr().err
        assert ("bigprior: some work: 0.0" in err and "bigprior: more: 0.0" in err) == verbose


def test_quiet_and_verbose_are_not_given_together(run):
    for words in (("-q", "-v", "priors", "list"), ("priors", "list", "-q", "-v")):
        code, _, err = run(*words)
        assert code == 2 and "pass one of them" in err.splitlines()[-1]


def test_a_wrong_option_is_one_line_even_if_verbose(run):
    code, _, err = run("-v", "priors", "list", "--nonesuch")
    assert code == 2 and err.startswith("bigprior: No such option") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [(KeyboardInterrupt(), 130, "interrupted"), (RuntimeError("two\nlines"), 1, "RuntimeError: two lines")],
)
def test_what_is_not_foreseen_is_one_line_too(run, monkeypatch, raised, code, said):
    def fail(**_):
        raise raised

    monkeypatch.setattr(cli, "app", fail)
    came, _, err = run("priors", "list")
    assert came == code and err.startswith(f"bigprior: {said}") and err.count("\n") == 1


def test_every_command_listens():
    def commands(app):
        for group in app.registered_groups:
            yield from commands(group.typer_instance)
        yield from app.registered_commands

    callbacks = [command.callback for command in commands(cli.app)]
    assert len(callbacks) > 8
    for callback in callbacks:
        assert {"quiet", "verbose"} <= set(callback.__annotations__)


def test_help_says_all_that_is_written():
    """What stands in brackets is no style of rich's, which would leave it out."""
    from rich.text import Text
    from typer.main import get_command

    from bigprior.cli import app

    commands, said = [get_command(app)], []
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        said += [command.help, *(getattr(parameter, "help", None) for parameter in command.params)]
    assert len(said) > 100
    assert [text for text in said if text and Text.from_markup(text).plain != text] == []

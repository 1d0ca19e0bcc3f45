"""Threads that wait are told to sleep before anything that has threads is loaded, unless the user said how to wait."""

import os
import subprocess
import sys

import pytest

from bigprior.threads import wait_passively

#: Prints how threads are told to wait when a library that has some is first asked for.
WATCH = """
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "imagecodecs"):
            print(name, os.environ.get("OMP_WAIT_POLICY"), os.environ.get("KMP_BLOCKTIME"), file=sys.stderr)
sys.meta_path.insert(0, Watch())
sys.argv = ["bigprior", "priors", "list"]
from bigprior.cli import main
main()
"""


def loaded(**environment: str) -> list[str]:
    unset = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "KMP_", "GOMP_"))}
    done = subprocess.run([sys.executable, "-c", WATCH], env=unset | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def test_the_program_says_so_before_torch_is_loaded() -> None:
    said = loaded()
    assert "torch PASSIVE 0" in said
    assert all(line.endswith("PASSIVE 0") for line in said)


@pytest.mark.slow
def test_the_users_word_counts() -> None:
    assert "torch ACTIVE None" in loaded(OMP_WAIT_POLICY="ACTIVE")


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"])
def test_nothing_is_added_to_what_the_user_chose(name: str) -> None:
    environment = {name: "7", "HOME": "/home"}
    wait_passively(environment)
    assert environment == {name: "7", "HOME": "/home"}


def test_importing_the_library_changes_nothing() -> None:
    code = "import os; before = dict(os.environ); import bigprior.cli; assert dict(os.environ) == before"
    subprocess.run([sys.executable, "-c", code], check=True)

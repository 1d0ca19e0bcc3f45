"""How the threads of a computation wait for each other: asleep, so that one that waits does not hold a core.

OpenMP's threads spin by default. On a machine that does something else as well, one that spins keeps from running the
very thread that it waits for: a picture then takes several times as long as with a single thread.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

#: GNU's OpenMP, torch's on Linux, reads the first; Intel's and LLVM's read it too, and sleep only after the second.
_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
#: A person who has set one of these has decided.
_CHOSEN = (*_PASSIVE, "GOMP_SPINCOUNT")


def wait_passively(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let threads sleep while they wait, unless the user has said how they should.

    It has to be called before numpy's friends and torch are loaded: their OpenMP reads the environment once, then.
    Processes that this one starts inherit it.
    """
    if not any(name in environment for name in _CHOSEN):
        environment.update(_PASSIVE)

"""Packages that only those need who have such models."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from bigprior.errors import WeightsError


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings of others' old habits, which whoever restores a photo cannot mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def needed(package: str, path: Path) -> Any:
    """A package that reads a file.

    Raises:
        WeightsError: it is not installed.
    """
    try:
        with quiet():
            return import_module(package)
    except ImportError as error:
        raise WeightsError(
            f"{path} needs the package {package}, which is not installed: pip install 'bigprior[models]'"
        ) from error

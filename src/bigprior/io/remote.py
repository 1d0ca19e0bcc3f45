"""Files that lie elsewhere, by URL: ``s3://``, ``gs://``, ``https://`` and all others that fsspec knows.

What reads and writes pictures has files of this machine: one from elsewhere is fetched, and sent when it is finished.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bigprior.errors import BigpriorError, ImageError, OutputError, SettingsError

#: ``pathlib`` makes one slash of two.
_URL = re.compile(r"([a-z][a-z0-9+.-]+):/+")


def url_of(place: Path | str) -> str | None:
    """The URL that a place is, also one that has been a ``Path``; None if it is a file or folder of this machine."""
    text = str(place)
    found = _URL.match(text)
    return None if found is None else f"{found[1]}://{text[found.end() :]}"


def files(url: str) -> list[str]:
    """The URLs of all files below a folder, in the order of their names; or of those that a pattern matches.

    Raises:
        ImageError: there is no such folder, or it cannot be listed.
        SettingsError: fsspec, or what it needs for this kind of URL, is not installed.
    """
    with _said(ImageError, f"cannot list {url}"):
        system, path = _at(url)
        names = system.glob(path) if re.search(r"[*?\[]", path) else system.find(path)
        return sorted(url_of(system.unstrip_protocol(name)) or str(name) for name in names)


def fetch(url: str, path: Path) -> None:
    """Copy a file from elsewhere to this machine.

    Raises:
        ImageError: there is none, or it cannot be read.
        SettingsError: as :func:`files`.
    """
    with _said(ImageError, f"cannot read {url}"):
        system, there = _at(url)
        system.get_file(there, str(path))


def send(path: Path, url: str) -> None:
    """Copy a file from this machine to elsewhere, in the place of what is there.

    Raises:
        OutputError: it cannot be written.
        SettingsError: as :func:`files`.
    """
    with _said(OutputError, f"cannot write {url}"):
        system, there = _at(url)
        system.makedirs(there.rpartition("/")[0], exist_ok=True)
        system.put_file(str(path), there)


def remove(url: str) -> None:
    """Remove a file that lies elsewhere.

    Raises:
        OutputError: it cannot be removed.
        SettingsError: as :func:`files`.
    """
    with _said(OutputError, f"cannot remove {url}"):
        system, there = _at(url)
        system.rm_file(there)


@contextmanager
def _said(kind: type[BigpriorError], what: str) -> Iterator[None]:
    """Whatever a file system raises in the block, of dozens of types, is one error of one line."""
    try:
        yield
    except BigpriorError:
        raise
    except Exception as error:
        raise kind(
            f"{what} ({' '.join(str(error).split()) or type(error).__name__}): check its name and rights"
        ) from error


def _at(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise SettingsError(f"{url} needs fsspec: pip install 'bigprior[ray]'") from error
    try:
        system, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise SettingsError(f"{url} cannot be opened ({' '.join(str(error).split())})") from error
    return system, path

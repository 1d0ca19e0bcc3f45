"""Writes that leave the old or the new, never half of one: files, folders that appear whole, lines that are added.

What is not finished yet lies beside its place under a name of its own, locked as long as its process lives. So what a
killed process left is known, and the next write into the same folder removes it.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from bigprior.errors import OutputError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # a system without such locks: what a killed process left stays
    fcntl = None

#: A disk, a share of it, or a file that can grow no more.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: How names begin of what is not finished, and of what is about to be removed once its successor is in its place.
_UNFINISHED, _REPLACED = ".bigprior-unfinished-", ".bigprior-replaced-"


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it takes the place of ``path``.

    The temporary file keeps the suffix of ``path``, since image libraries choose a format by it.
    If the block raises, or the process is killed, ``path`` is as it was.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    path = Path(path)
    with _beside(path, lambda where, prefix: _new_file(where, prefix, path.suffix)) as temporary:
        try:
            yield temporary
            # A temporary file is private; a result should have the permissions that any new file gets.
            temporary.chmod(0o666 & ~_umask())
            with _said(path):
                os.replace(temporary, path)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise OutputError(f"cannot write {path}: {error.strerror}") from error
            raise


@contextmanager
def appearing(folder: Path | str, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside ``folder``; on success it takes the place of ``folder``, all at once.

    Args:
        folder: not there yet, or empty.
        replace: or one with files, which are gone then.

    Raises:
        OutputError: it cannot be written, or it has files and ``replace`` does not say that they can go.
    """
    place = Path(folder).resolve()  # a link stays where it is
    with _beside(place, _new_folder) as temporary:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        with _said(folder):
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()
            if not replace or not place.exists():
                os.rename(temporary, place)  # fails if somebody else's files have appeared meanwhile
                return
        with _beside(place, lambda where, _: _new_folder(where, _REPLACED)) as away, _said(folder):
            os.rename(place, away / place.name)
            os.rename(temporary, place)


@contextmanager
def scratch(folder: Path | str) -> Iterator[Path]:
    """Yield a new folder inside ``folder``, for what is to be moved to its place there once it is finished.

    It is gone after the block; if the process is killed, when the next one writes there.

    Raises:
        OutputError: it cannot be made.
    """
    with _beside(Path(folder) / "scratch", _new_folder) as temporary:
        yield temporary


@contextmanager
def alone(path: Path | str) -> Iterator[None]:
    """While the block lasts, no other process is in one for the same ``path``, as far as the system has locks.

    Raises:
        OutputError: another one is, or the place cannot be written.
    """
    path = Path(path)
    lock = path.with_name(f".{path.name}.lock")
    with _said(path):
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    handle = _lock(lock)
    if fcntl is not None and handle is None:
        raise OutputError(f"another process is writing {path}: wait for it, or stop it")
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)


def check_place(folder: Path) -> None:
    """That a folder can appear at this place, found out by making another one beside it.

    Raises:
        OutputError: it cannot.
    """
    with _said(folder):
        place = folder.resolve()
        there = next(path for path in (place, *place.parents) if path.exists())
        if not there.is_dir():
            raise OutputError(f"{there} is a file: pass another folder for the results")
        if there == place and (place.is_mount() or Path.cwd().is_relative_to(place)):
            raise OutputError(f"{folder} cannot be moved, and results appear all at once: pass a folder inside it")
        probe = _new_folder(there.parent if there == place else there, _UNFINISHED)
        try:
            (probe / place.name).mkdir()  # the name may be longer than any file's can be
        finally:
            shutil.rmtree(probe, ignore_errors=True)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def append_line(path: Path | str, line: str) -> None:
    """Add ``line`` to the text file ``path``, which is made if absent.

    Raises:
        OutputError: the place cannot be written.
    """
    path = Path(path)
    with _said(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{line}\n")


@contextmanager
def _said(path: Path | str) -> Iterator[None]:
    """What the system refuses in the block is said of ``path``."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def _beside(path: Path, make: Callable[[Path, str], Path]) -> Iterator[Path]:
    """Something new in the folder of ``path``, in use until the block ends; then it is gone, if it is still there.

    Folders that were made for it go too, if nothing came into them.
    """
    with _said(path):
        made = [place for place in path.parents if not place.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        temporary, handle = _in_use(lambda: make(path.parent, _UNFINISHED))
    try:
        yield temporary
    finally:
        _discard(temporary)
        if handle is not None:
            os.close(handle)
        for place in made:
            with suppress(OSError):
                place.rmdir()


def _new_folder(where: Path, prefix: str) -> Path:
    return Path(tempfile.mkdtemp(dir=where, prefix=prefix))


def _new_file(where: Path, prefix: str, suffix: str) -> Path:
    handle, name = tempfile.mkstemp(dir=where, prefix=prefix, suffix=suffix)
    os.close(handle)
    return Path(name)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _sweep(folder: Path) -> None:
    """Remove what killed processes left in a folder."""
    for left in folder.glob(".bigprior-*"):
        if left.name.startswith((_UNFINISHED, _REPLACED)):
            with suppress(OSError):
                if (handle := _lock(left)) is not None:
                    _discard(left)
                    os.close(handle)


def _in_use(make: Callable[[], Path]) -> tuple[Path, int | None]:
    """Something new, and the handle that says that it is in use, where something can say so."""
    for _ in range(0 if fcntl is None else 9):
        temporary = make()
        handle = _lock(temporary)
        if handle is not None and temporary.exists():
            return temporary, handle
        if handle is not None:
            os.close(handle)
        _discard(temporary)  # another process has taken it for a leftover before it was locked
    return make(), None


def _discard(left: Path) -> None:
    """Remove something that is not needed any more; what has no successor in its place goes back there."""
    if left.name.startswith(_REPLACED):
        for old in left.iterdir():
            if not (left.parent / old.name).exists():
                os.rename(old, left.parent / old.name)
    if left.is_dir() and not left.is_symlink():
        shutil.rmtree(left, ignore_errors=True)
    else:
        left.unlink(missing_ok=True)


def _lock(path: Path) -> int | None:
    """A handle of a file or folder that says that it is in use, until it is closed or its process ends.

    None if another one says so, or where nothing can say it.
    """
    if fcntl is None:
        return None
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
        else:
            return handle
    return None

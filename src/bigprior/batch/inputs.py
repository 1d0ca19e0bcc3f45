"""Which pictures a batch is of: files, folders, patterns, lists and URLs; and which share of them is this process's."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath

from bigprior.errors import ImageError, OutputError, SettingsError
from bigprior.io.decoding import SUFFIXES, USUAL_SUFFIXES
from bigprior.io.remote import files, url_of
from bigprior.report.output import RECORD

_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Item:
    """A picture of a batch.

    Attributes:
        source: its file or URL.
        name: of its results: where it lies below what all pictures of the batch have in common, without its suffix.
    """

    source: str
    name: str


@dataclass(frozen=True)
class Shard:
    """One of several processes that do a batch together.

    Attributes:
        number: of this one, from 1 on.
        of: how many there are.
    """

    number: int = 1
    of: int = 1

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"

    def its(self, items: Sequence[Item]) -> list[Item]:
        """Every so many-th picture, so that all processes have some of each folder."""
        return list(items[self.number - 1 :: self.of])


def shard_of(text: str | None, environment: Mapping[str, str] = os.environ) -> Shard:
    """The share of ``3/16``, the third of sixteen; or of ``slurm``, that of an array job's task.

    Raises:
        SettingsError: neither, or no array job.
    """
    if text is None:
        return Shard()
    if text == "slurm":
        try:
            task, first, count = (int(environment[f"SLURM_ARRAY_TASK_{name}"]) for name in ("ID", "MIN", "COUNT"))
            last = int(environment["SLURM_ARRAY_TASK_MAX"])
        except (KeyError, ValueError) as error:
            raise SettingsError(
                "--shard slurm says nothing outside an array job: sbatch --array=1-16 makes one"
            ) from error
        step = (last - first) // (count - 1) if count > 1 else 1
        return Shard((task - first) // step + 1, count)
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise SettingsError(f"--shard is {text!r}: expected such as 3/16, the third of sixteen, or slurm")
    return Shard(int(found[1]), int(found[2]))


def is_several(place: str) -> bool:
    """Whether it is a folder, a pattern that the shell has left, or a URL: no single file of this machine."""
    return url_of(place) is not None or os.path.isdir(place) or _is_pattern(place)


def listed(file: str) -> list[str]:
    """The lines of a file, or of standard input by ``-``; or what lies between its zero bytes, as ``find -print0`` has.

    Raises:
        ImageError: it cannot be read, or is empty.
    """
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read the list {file} ({error.strerror}): check its name and permissions") from error
    text = os.fsdecode(data)
    lines = text.split("\0") if "\0" in text else text.splitlines()
    if not (names := [line for line in lines if line.strip()]):
        raise ImageError(f"the list {file} is empty: expected a picture's name on each line")
    return names


def found(places: Iterable[str], *, leave_out: Path | None = None) -> list[Item]:
    """The pictures of files, folders with all that is below them, patterns and URLs, in the order of their names.

    Hidden files and folders, and folders of results, are left out. Results are named by where pictures lie below the
    deepest folder that holds all of what was given.

    Args:
        places: files need not be pictures, nor be there: that is said when they are read.
        leave_out: a folder that is not looked into: where results go.

    Raises:
        ImageError: a folder or a pattern without pictures.
        OutputError: two pictures whose results would have one name.
    """
    sources: dict[str, None] = {}
    roots = list[str]()
    for place in places:
        root, some = _below(place, None if leave_out is None else leave_out.resolve())
        roots.append(root)
        sources |= dict.fromkeys(some)
    base = _common(roots)
    names = dict[str, str]()
    for source in sources:
        name = os.path.splitext(_relative(source, base))[0]
        if name in names:
            raise OutputError(f"{names[name]} and {source} would both be written to {name}: restore them apart")
        names[name] = source
    for name, source in names.items():  # of a-phi.png, where the phi of a.png would be
        owner = name.rpartition(".")[0]
        if owner in names:
            raise OutputError(f"results of {names[owner]} may have the name of {source}'s: restore them apart")
    return [Item(names[name], name) for name in sorted(names)]


def _below(place: str, leave_out: Path | None) -> tuple[str, Iterable[str]]:
    """The folder that names are relative to, and the pictures."""
    url = url_of(place)
    if url is not None:
        fixed = url[: m.start()].rpartition("/")[0] if (m := _PATTERN.search(url)) else url
        if not _PATTERN.search(url) and PurePosixPath(url).suffix.lower() in SUFFIXES:
            return url.rpartition("/")[0], [url]
        return fixed, _some(place, (file for file in files(url) if _is_shown(file[len(fixed) :])))
    if os.path.isdir(place):
        return place, _some(place, _walked(place, leave_out))
    if not _is_pattern(place):
        return os.path.dirname(place), [place]
    root = os.path.dirname(place[: next(_PATTERN.finditer(place)).start()])
    matched = sorted(glob.glob(place, recursive=True))
    inside = [file for path in matched if os.path.isdir(path) for file in _walked(path, leave_out)]
    return root, _some(
        place, [*(path for path in matched if os.path.isfile(path) and _is_shown(path[len(root) :])), *inside]
    )


def _walked(folder: str, leave_out: Path | None) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        at = Path(place)
        if RECORD in names or (place != folder and leave_out is not None and at.resolve() == leave_out):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(place, name) for name in sorted(names) if _is_shown(name))


def _is_pattern(place: str) -> bool:
    return bool(_PATTERN.search(place)) and not os.path.exists(place)


def _is_shown(name: str) -> bool:
    """Whether a file is taken for a picture, by its name or by where it lies below a folder."""
    path = PurePosixPath(name.replace(os.sep, "/").strip("/"))
    return path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.parts)


def _some(place: str, files: Iterable[str]) -> list[str]:
    """The files, which are some.

    Raises:
        ImageError: there are none.
    """
    if not (some := list(files)):
        raise ImageError(f"no pictures in {place}: expected files ending in {', '.join(USUAL_SUFFIXES)}")
    return some


def _common(roots: Sequence[str]) -> str:
    """The deepest folder that holds all of them."""
    if any(url_of(root) is not None for root in roots):
        split = [(url_of(root) or os.path.abspath(root)).split("/") for root in roots]
        same = takewhile(lambda parts: len(set(parts)) == 1, zip(*split, strict=False))
        return "/".join(parts[0] for parts in same)
    return os.path.commonpath([os.path.abspath(root) for root in roots])


def _relative(source: str, base: str) -> str:
    """Where a picture lies below a folder, with slashes."""
    if url_of(source) is not None:
        return source[len(base) :].strip("/")
    return os.path.relpath(source, base).replace(os.sep, "/") if base else os.path.abspath(source).strip("/")

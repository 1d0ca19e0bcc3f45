"""The manifest: one line of JSON for each picture of a batch, in the folder of its results.

It is what a batch that was stopped goes on from, and, as Parquet, what a table is made of.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bigprior.batch.inputs import Item, Shard
from bigprior.errors import OutputError, SettingsError
from bigprior.io.atomic import alone, append_line, replacing, write_text
from bigprior.io.remote import fetch, files, remove, send, url_of

#: A part of a manifest that lies elsewhere, where nothing can be appended to, has so many lines.
_PART = 64


@dataclass(frozen=True)
class Row:
    """What became of a picture.

    Attributes:
        input: its file or URL.
        name: of its results.
        sha256: of its bytes; None where it could not be read, as all that follows from it.
        bytes, modified: its size, and when it was last changed, in seconds since 1970, as its file system says.
        output: the restored picture's file in the folder of results, or the shard that it is in.
        output_sha256: of the restored picture's bytes.
        share: of its variance, what is made up, in [0, 1].
        bound: half the mean width of the intervals for the true values, on the scale of [0, 1].
        far: it is so unlike those that calibrated that the bound may not hold.
        seconds: that it took: reading, computing and writing.
        error: why there is no result; None where there is one.
        how: a digest of what was asked for.
    """

    input: str
    name: str
    sha256: str | None = None
    bytes: int | None = None
    modified: float | None = None
    output: str | None = None
    output_sha256: str | None = None
    share: float | None = None
    bound: float | None = None
    far: bool | None = None
    seconds: float = 0.0
    error: str | None = None
    how: str = ""

    def is_of(self, item: Item) -> bool:
        """Whether it says what became of a picture that has not changed since; one from elsewhere has not."""
        if (self.input, self.name) != (item.source, item.name) or self.error is not None:
            return False
        if url_of(item.source) is not None:
            return True
        try:
            there = os.stat(item.source)
        except OSError:
            return False
        return (self.bytes, self.modified) == (there.st_size, there.st_mtime)


class Manifest:
    """The manifest of this process's share of a batch.

    Args:
        folder: of the results; or a URL.
        shard: which share.
        how: a digest of what is asked for.
    """

    def __init__(self, folder: Path | str, shard: Shard, how: str) -> None:
        self.folder, self.how = folder, how
        self.stem = "manifest" if shard.of == 1 else f"manifest-{shard}"
        self._url = url_of(folder)
        self._waiting = list[str]()
        self._parts = 0

    @contextmanager
    def opened(self, *, resume: bool = False, overwrite: bool = False) -> Iterator[dict[str, Row]]:
        """Nobody else writes it in the block; yields what is there to go on from, by the names of the results.

        Raises:
            OutputError: the folder holds other things, or a manifest that nobody said what to do with.
            SettingsError: what there is was asked for differently.
        """
        with ExitStack() as held:
            if self._url is None:
                held.enter_context(alone(Path(self.folder) / f"{self.stem}.jsonl"))
            rows = self._there(resume=resume, overwrite=overwrite)
            yield rows
            self._flush()

    def forget(self, names: Collection[str]) -> None:
        """Drop the lines of what is done again, and what a killed process has left half of one."""
        own = [name for name in self._names() if self._is_own(name)]
        kept = merged(row for row in self._lines(own) if row.name not in names)
        self._replace(own, [json.dumps(asdict(row)) for row in kept.values()])

    def add(self, row: Row) -> None:
        """Add a line, which is there at once, or, elsewhere, with those before it."""
        line = json.dumps(asdict(row))
        if self._url is None:
            append_line(Path(self.folder) / f"{self.stem}.jsonl", line)
            return
        self._waiting.append(line)
        if len(self._waiting) >= _PART:
            self._flush()

    def finish(self, *, parquet: bool = True) -> list[Row]:
        """All pictures of this share, by their names; where pyarrow is, they are also written as Parquet.

        Args:
            parquet: they are to be.
        """
        self._flush()
        rows = merged(self._lines(filter(self._is_own, self._names())))
        inside = sorted(rows.values(), key=lambda row: row.name)
        if not parquet:
            return inside
        try:
            import pyarrow
            from pyarrow.parquet import write_table
        except ImportError:
            return inside
        table = pyarrow.Table.from_pylist([asdict(row) for row in inside], schema=_schema(pyarrow))
        with self._written(f"{self.stem}.parquet") as path:
            write_table(table, path)
        return inside

    def _there(self, *, resume: bool, overwrite: bool) -> dict[str, Row]:
        """What has been done."""
        names = [Path(name).name for name in self._names()]
        others = sorted(name for name in names if not name.startswith((".", "manifest")))
        own = [name for name in self._names() if self._is_own(name)]
        if others and not any(name.startswith("manifest") for name in names):
            raise OutputError(
                f"{self.folder} holds {others[0]}, which is of no batch: pass another folder for the results"
            )
        if own and not (resume or overwrite):
            raise OutputError(
                f"{self.folder} holds a batch already: --resume goes on with it, --overwrite does it again"
            )
        rows = merged(self._lines(self._names())) if resume else {}
        for row in rows.values():
            if row.how != self.how:
                raise SettingsError(
                    f"{self.folder} was made with other options or of another list: pass the same, or another folder"
                )
        if not resume or not own:
            self._replace(own, [])
        return {name: row for name, row in rows.items() if row.error is None}

    def _names(self) -> list[str]:
        if self._url is not None:
            return [file for file in files(self._url) if "/" not in file[len(self._url) :].strip("/")]
        return [str(path) for path in Path(self.folder).iterdir()]

    def _is_own(self, name: str) -> bool:
        """Whether it is the manifest of this share, or a part of it."""
        return re.fullmatch(rf"{self.stem}(-\d{{6}})?\.jsonl", Path(name).name) is not None

    def _lines(self, names: Iterable[str]) -> Iterator[Row]:
        """The lines of manifests; one that a killed process has left half is none."""
        for name in sorted(name for name in names if re.fullmatch(r"manifest.*\.jsonl", Path(name).name)):
            with _local(name) as path:
                for line in path.read_text("utf-8").splitlines():
                    try:
                        yield Row(**json.loads(line))
                    except (ValueError, TypeError):
                        continue

    def _replace(self, own: Sequence[str], lines: list[str]) -> None:
        """These lines are the manifest of this share from now on."""
        if self._url is None:
            write_text(Path(self.folder) / f"{self.stem}.jsonl", "".join(f"{line}\n" for line in lines))
            return
        self._parts = 1 + max((int(name[-12:-6]) for name in own), default=-1)
        self._write_part(lines)
        for name in own:
            remove(name)

    def _flush(self) -> None:
        if self._waiting:
            lines, self._waiting = self._waiting, []
            self._write_part(lines)

    def _write_part(self, lines: list[str]) -> None:
        with self._written(f"{self.stem}-{self._parts:06d}.jsonl") as path:
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        self._parts += 1

    @contextmanager
    def _written(self, name: str) -> Iterator[Path]:
        """A file of this name in the folder, once the block has written it."""
        if self._url is None:
            with replacing(Path(self.folder) / name) as path:
                yield path
            return
        with tempfile.TemporaryDirectory() as place:
            yield Path(place) / name
            send(Path(place) / name, f"{self._url}/{name}")


@contextmanager
def _local(name: str) -> Iterator[Path]:
    """A file of this machine, or a copy of one that is elsewhere."""
    if url_of(name) is None:
        yield Path(name)
        return
    with tempfile.TemporaryDirectory() as place:
        fetch(name, Path(place) / "lines")
        yield Path(place) / "lines"


def merged(rows: Iterator[Row]) -> dict[str, Row]:
    """One row a picture: that of a result where there is one, else the last."""
    found = dict[str, Row]()
    for row in rows:
        if row.name not in found or row.error is None or found[row.name].error is not None:
            found[row.name] = row
    return found


def _schema(pyarrow: Any) -> Any:
    """The columns of the table, whatever of them is null in all rows."""
    kinds = {"bytes": pyarrow.int64(), "far": pyarrow.bool_()}
    numbers = ("modified", "share", "bound", "seconds")
    kinds |= {name: pyarrow.float64() for name in numbers}
    return pyarrow.schema([(field.name, kinds.get(field.name, pyarrow.string())) for field in fields(Row)])

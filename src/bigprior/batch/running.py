"""A batch from beginning to end: what is left to do, done by an engine, listed in the manifest."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bigprior.batch.engines import Chunk
from bigprior.batch.inputs import Item, Shard
from bigprior.batch.manifest import Manifest, Row
from bigprior.batch.places import key_of
from bigprior.batch.work import Plan
from bigprior.errors import BigpriorError, OutputError
from bigprior.io.remote import url_of

#: Does chunks of a batch, and says what became of each picture.
Engine = Callable[[Plan, Sequence[Chunk], Callable[[Row], None]], None]


@dataclass(frozen=True)
class Outcome:
    """How a batch went.

    Attributes:
        rows: what became of each picture of it, in the order of their names.
        before: so many had been done before.
    """

    rows: tuple[Row, ...]
    before: int

    @property
    def failed(self) -> list[Row]:
        """Those without a result."""
        return [row for row in self.rows if row.error is not None]


class FirstFailureError(BigpriorError):
    """A picture of a batch that was to stop at the first failure has failed."""


def run_batch(
    items: Sequence[Item],
    plan: Plan,
    engine: Engine,
    *,
    shard: Shard | None = None,
    resume: bool = False,
    overwrite: bool = False,
    keep_going: bool = False,
    parquet: bool = True,
    heard: Callable[[Row, int, int], None] = lambda row, done, total: None,
) -> Outcome:
    """Restore the pictures of a batch, and write its manifest.

    Args:
        items: all of its pictures, also those of other processes.
        plan: what to do with each.
        engine: who does it.
        shard: which share of them is done here.
        resume: what the manifest in the folder lists is not done again.
        overwrite: do all again, in the place of what there is.
        keep_going: go on after a failure.
        parquet: where pyarrow is, write the manifest as Parquet too.
        heard: called with what became of each, how many are done, of how many in all.

    Raises:
        FirstFailureError: a picture failed, and nobody said to go on.
        OutputError, SettingsError: as :meth:`bigprior.batch.manifest.Manifest.opened`.
    """
    shard = shard or Shard()
    manifest = Manifest(plan.folder, shard, plan.how)
    if plan.shard_size is not None:
        _check_keys(items)
    with manifest.opened(resume=resume, overwrite=overwrite) as rows:
        chunks = [left for chunk in _chunks(items, plan, shard) if (left := _left(chunk, rows, plan)) is not None]
        total, finished = sum(len(chunk.items) for chunk in chunks), 0

        def done(row: Row) -> None:
            nonlocal finished
            manifest.add(row)
            finished += 1
            heard(row, finished, total)
            if row.error is not None and not keep_going:
                raise FirstFailureError(
                    f"{row.error} ({finished - 1} of {total} done; --keep-going goes on past such, --resume from here)"
                )

        manifest.forget({item.name for chunk in chunks for item in chunk.items})
        if chunks:
            engine(plan, chunks, done)
        mine = {item.name for chunk in _chunks(items, plan, shard) for item in chunk.items}
        return Outcome(tuple(row for row in manifest.finish(parquet=parquet) if row.name in mine), len(mine) - total)


def _chunks(items: Sequence[Item], plan: Plan, shard: Shard) -> list[Chunk]:
    """The pictures of this share: all in one, or as they go into tar files."""
    if plan.shard_size is None:
        return [Chunk(tuple(shard.its(items)))]
    size = plan.shard_size
    tars = [Chunk(tuple(items[start : start + size]), start // size) for start in range(0, len(items), size)]
    return tars[shard.number - 1 :: shard.of]


def _left(chunk: Chunk, rows: dict[str, Row], plan: Plan) -> Chunk | None:
    """What of a chunk is to be done: what no manifest lists as done; of a tar file all or nothing."""
    left = tuple(item for item in chunk.items if not _is_done(item, rows, plan))
    if not left:
        return None
    return chunk if chunk.shard is not None else Chunk(left)


def _is_done(item: Item, rows: dict[str, Row], plan: Plan) -> bool:
    row = rows.get(item.name)
    if row is None or not row.is_of(item) or row.output is None:
        return False
    return url_of(plan.folder) is not None or os.path.exists(Path(plan.folder) / row.output)


def _check_keys(items: Sequence[Item]) -> None:
    """That no two pictures have one key in a WebDataset."""
    found = dict[str, Item]()
    for item in items:
        if (other := found.setdefault(key_of(item.name), item)) is not item:
            raise OutputError(
                f"{other.source} and {item.source} would have one key, {key_of(item.name)}: restore them apart"
            )

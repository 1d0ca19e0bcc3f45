"""How the commands restore a batch: what of it is asked for, who does it, and what is said when it is over."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bigprior.cli.options import Choices
from bigprior.cli.terminal import ERR, OUT, counted, working
from bigprior.errors import SettingsError

if TYPE_CHECKING:
    from bigprior.batch.inputs import Item
    from bigprior.batch.running import Engine, Outcome
    from bigprior.restorer import Restorer

#: So many failures are listed; the manifest has all.
_LISTED = 20
#: What of the options says nothing about a picture's result.
_NO_MATTER = ("output", "overwrite", "from_file", "keep_going", "resume", "shard", "device", "parquet")


@dataclass(frozen=True)
class Cluster:
    """Where a batch is done.

    Attributes:
        engine: ``local``, this process, or ``ray``.
        address: of a Ray cluster, see :func:`bigprior.batch.engines.on_ray`.
        workers, cores: how many processes, and cores of each.
        shard_size: so many pictures are in a tar file each; None for files.
    """

    engine: str = "local"
    address: str = "local"
    workers: int | None = None
    cores: int = 1
    shard_size: int | None = None

    def does(self, device: str) -> Engine:
        """What does the work there.

        Raises:
            SettingsError: no such engine, one that is not installed, or a number that is none.
        """
        from bigprior.batch.engines import here, on_ray

        for name, value in (("workers", self.workers), ("cores", self.cores), ("per-shard", self.shard_size)):
            if value is not None and value < 1:
                raise SettingsError(f"--{name} is {value}: expected at least 1")
        if self.engine == "ray":
            if find_spec("ray") is None:  # before there is a folder for results
                raise SettingsError("--engine ray needs Ray: pip install 'bigprior[ray]'")
            options: dict[str, Any] = {"address": self.address, "workers": self.workers, "cores": self.cores}
            return partial(on_ray, **options, on_gpu=device.startswith("cuda"))
        if self.engine != "local":
            raise SettingsError(f"--engine is {self.engine!r}: expected local or ray")
        return here


def is_batch(photos: Sequence[Path], how: Choices) -> bool:
    """Whether pictures are done as they come, with a manifest: of a folder, a pattern or a list."""
    if how.asks_for_a_batch:
        return True
    from bigprior.batch.inputs import is_several

    return any(is_several(str(photo)) for photo in photos)


def restore_batch(
    task: str,
    photos: Sequence[Path],
    how: Choices,
    settings_of: Callable[[Path], Mapping[str, Any]],
    asked: Mapping[str, Any],
    fused: Mapping[str, Any],
    load: Callable[[Path | None], Restorer],
    cluster: Cluster,
) -> None:
    """Restore a batch; ends the program with exit code 1, and a list, if some of it failed.

    Args:
        task, photos, how, settings_of: as for :func:`bigprior.cli.restoring.restore_photos`.
        asked: what a :class:`bigprior.jobs.Job` is told beside.
        fused: what the restorer is told beside.
        load: the restorer, with a prior in place of the preset's.
        cluster: where it is done.
    """
    # Long for what is put together here and nowhere else.
    from bigprior.batch.inputs import found, listed, shard_of
    from bigprior.io.remote import url_of

    shard, engine = shard_of(how.shard), cluster.does(how.device)
    output = how.written(batch=True)
    if cluster.shard_size is not None:
        output = replace(output, only=("restored",), format="png")
    if how.resume and how.overwrite:
        raise SettingsError("--resume goes on with what there is, --overwrite does it again: leave one of them out")
    if how.parquet and find_spec("pyarrow") is None:
        raise SettingsError("--parquet needs pyarrow, which is not installed: pip install 'bigprior[parquet]'")
    places = [*map(str, photos), *(listed(how.from_file) if how.from_file is not None else ())]
    folder = url_of(how.output) or how.output if how.output is not None else _beside(places, task)
    with working("looking for pictures"):
        items = found(places, leave_out=folder if isinstance(folder, Path) else None)
    with working("loading"):
        from bigprior.batch.options import check_options
        from bigprior.batch.running import run_batch
        from bigprior.batch.work import Plan
        from bigprior.io.namesakes import is_folder

        # Refused before anything is written; a cluster's processes load their own.
        first = None if is_folder(how.prior) else load(how.prior)
    plan = Plan(
        task=task,
        settings_of=settings_of,
        asked={**asked, "output": replace(output, overwrite=False)},
        load=load if first is None or cluster.engine == "ray" else lambda _: first,
        prior=how.prior,
        folder=folder,
        each=how.folders,
        shard_size=cluster.shard_size,
        how=_digest(task, how, settings_of, fused, items if cluster.shard_size is not None else ()),
    )
    check_options(items, plan)
    if isinstance(folder, Path):
        folder.mkdir(parents=True, exist_ok=True)
    keeping = {
        "parquet": how.parquet is not False,
        "resume": how.resume,
        "overwrite": how.overwrite,
        "keep_going": how.keep_going,
    }
    with counted(task) as heard:
        outcome = run_batch(items, plan, engine, shard=shard, heard=heard, **keeping)
    _say(outcome, folder)


def _say(outcome: Outcome, folder: Path | str) -> None:
    failed, before = outcome.failed, f", {outcome.before} of them before" if outcome.before else ""
    done = [row for row in outcome.rows if row.error is None]
    share = f", {sum(row.share or 0 for row in done) / len(done):.0%} made up on average" if done else ""
    OUT.print(f"{len(done)} restored{before}, {len(failed)} failed{share} -> {folder}", soft_wrap=True)
    if failed:
        for row in failed[:_LISTED]:
            said = str(row.error)
            print(f"bigprior: {said if row.input in said else f'{row.input}: {said}'}", file=ERR.file)
        if len(failed) > _LISTED:
            print(f"bigprior: and {len(failed) - _LISTED} more, which the manifest lists", file=ERR.file)
        raise typer.Exit(1)


def _beside(places: Sequence[str], task: str) -> Path:
    """Where results go that nobody gave a folder for: beside the one folder that was named.

    Raises:
        SettingsError: there is no such folder.
    """
    if len(places) != 1 or not os.path.isdir(places[0]):
        raise SettingsError("results of several places need a folder: pass one as -o")
    named = Path(places[0]).resolve()
    return named.with_name(f"{named.name}-{task}")


def _digest(
    task: str,
    how: Choices,
    settings_of: Callable[[Path], Mapping[str, Any]],
    fused: Mapping[str, Any],
    items: Sequence[Item],
) -> str:
    """What results depend on beside the pictures, and, of tar files, which pictures they are of."""
    chosen = {name: value for name, value in asdict(how).items() if name not in _NO_MATTER}
    said = [task, chosen, dict(settings_of(Path("photo"))), dict(fused), [item.name for item in items]]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]

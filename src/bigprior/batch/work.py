"""The work of a batch: each picture by :mod:`bigprior.jobs`, one after another, none stopped by another's failure."""

from __future__ import annotations

import errno
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from bigprior.batch.inputs import Item
from bigprior.batch.manifest import Row
from bigprior.batch.pipeline import pipelined
from bigprior.batch.places import Beside, FolderEach, Place, Tar
from bigprior.errors import BigpriorError
from bigprior.io.atomic import scratch
from bigprior.io.namesakes import OneEach, is_folder
from bigprior.io.remote import fetch, url_of
from bigprior.jobs import Job, Outcome, Prepared, check, compute, prepare
from bigprior.report.record import read_values, sha256_of

if TYPE_CHECKING:
    from bigprior.restorer import Restorer

#: Above so many values in the measurement, pictures are not read ahead, nor computed while one is written.
_LARGE = 3 * 4_000_000
#: A disk that is full is so for every picture that follows.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Plan:
    """What is to be done with the pictures of a batch. It travels to other processes and machines.

    Attributes:
        task: a degradation's name, or its verb.
        settings_of: the degradation's settings for a photo's file. A folder among them has one file for each photo.
        asked: the other fields of a :class:`bigprior.jobs.Job`; folders among them are the same.
        load: the restorer, with a prior in place of the preset's, or None.
        prior: which; a folder has one for each photo.
        folder: of the results; or a URL.
        each: results are in a folder for each picture.
        shard_size: so many pictures are in a tar file each, in place of both; None for none.
        how: a digest of all this, for the manifest.
    """

    task: str
    settings_of: Callable[[Path], Mapping[str, Any]]
    asked: Mapping[str, Any]
    load: Callable[[Path | None], Restorer]
    prior: Path | None
    folder: Path | str
    each: bool = False
    shard_size: int | None = None
    how: str = ""

    @property
    def one_restorer(self) -> bool:
        """Whether all pictures have the same."""
        return not is_folder(self.prior)


@dataclass
class _Piece:
    """A picture on its way."""

    item: Item
    place: Path
    photo: Path | None = None
    row: dict[str, Any] = field(default_factory=dict)
    spent: float = 0.0
    prepared: Prepared | None = None
    outcome: Outcome | None = None
    restorer: Restorer | None = None

    def is_large(self) -> bool:
        """Whether nothing else should be in memory beside it."""
        return self.prepared is not None and self.prepared.y.numel() > _LARGE


class Worker:
    """Restores pictures of a batch, with a restorer that is loaded once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._folders = OneEach()
        self._restorer = plan.load(plan.prior) if plan.one_restorer else None

    def do(self, items: Sequence[Item], done: Callable[[Row], None], shard: int | None = None) -> None:
        """Restore pictures, in order.

        Args:
            items: the pictures.
            done: called, from another thread, with what became of each, when it is in its place.
            shard: all of them go into the tar file of this number; what became of them is said when that is there.

        Raises:
            OSError: the disk is full.
            Exception: what ``done`` raises; nothing else is restored then.
        """
        plan, waiting = self.plan, list[Row]()
        with ExitStack() as held:
            if url_of(plan.folder) is None:
                own = held.enter_context(scratch(plan.folder))
            else:
                own = Path(held.enter_context(tempfile.TemporaryDirectory()))
            place: Place = (FolderEach if plan.each else Beside)(plan.folder)
            if shard is not None:
                place = Tar(plan.folder, f"shard-{shard:06d}.tar", own)
            numbers = count()
            pipelined(
                items,
                lambda item: self._read(_Piece(item, own / str(next(numbers)))),
                self._compute,
                lambda piece: (done if shard is None else waiting.append)(self._written(piece, place)),
                _Piece.is_large,
            )
            if isinstance(place, Tar):
                place.close()
        for row in waiting:
            done(row)

    def _read(self, piece: _Piece) -> _Piece:
        plan, source = self.plan, PurePosixPath(piece.item.source)
        with _said(piece):
            piece.photo = photo = self._here(piece.item.source, piece.place)
            there = photo.stat() if photo.exists() else None
            if there is not None and photo.is_file():
                piece.row |= {"bytes": there.st_size, "modified": there.st_mtime, "sha256": sha256_of(photo)}

            def own(values: Mapping[str, Any]) -> dict[str, Any]:
                chosen = {name: self._folders.own(name, value, source) for name, value in values.items()}
                return {
                    name: self._here(value, piece.place) if isinstance(value, Path) else value
                    for name, value in chosen.items()
                }

            results = piece.place / "results"
            job = Job(photo, plan.task, own(plan.settings_of(photo)), results, **own(plan.asked))
            check(job)
            piece.prepared = prepare(job)
            if not plan.one_restorer:
                assert plan.prior is not None
                piece.restorer = plan.load(own({"prior": plan.prior})["prior"])
        return piece

    def _compute(self, piece: _Piece) -> _Piece:
        with _said(piece):
            if piece.prepared is not None and (restorer := piece.restorer or self._restorer) is not None:
                piece.outcome = compute(piece.prepared, restorer)
        return piece

    def _written(self, piece: _Piece, place: Place) -> Row:
        with _said(piece):
            if piece.outcome is not None:
                piece.outcome.save()
                result, files = piece.outcome.results[0], piece.outcome.prepared.job.folder
                hashes = read_values(files)["files"]
                bound = result.bound
                said = {
                    "output": place.put(files, piece.item.name, result.phi),
                    "output_sha256": next((h for name, h in hashes.items() if Path(name).stem == "restored"), None),
                    "share": result.mean_share,
                    "bound": None if bound is None else float(bound.width.mean()) / 2,
                    "far": None if bound is None else bool(bound.far.any()),
                }
                piece.row |= said
        shutil.rmtree(piece.place, ignore_errors=True)
        return Row(piece.item.source, piece.item.name, **piece.row, seconds=round(piece.spent, 3), how=self.plan.how)

    def _here(self, source: Any, place: Path) -> Path:
        """A file of this machine; one that is elsewhere, once it has been fetched."""
        if (url := url_of(source)) is None:
            return Path(source)
        # Named as it is there, since records and errors say names; in a folder of its own, since others are so named.
        path = place / hashlib.sha256(url.encode()).hexdigest()[:12] / PurePosixPath(url).name
        path.parent.mkdir(parents=True, exist_ok=True)
        fetch(url, path)
        return path


@contextmanager
def _said(piece: _Piece) -> Iterator[None]:
    """What goes wrong with a picture in the block is its error; what would go wrong with all is raised."""
    if "error" in piece.row:
        yield
        return
    began = time.perf_counter()
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OSError) and cause.errno in _NO_ROOM:
                raise
            cause = cause.__cause__
        foreseen = isinstance(error, BigpriorError)
        said = str(error) if foreseen else f"{type(error).__name__}: {error} (not foreseen)"
        if piece.photo is not None:  # which may be a copy
            said = said.replace(str(piece.photo), piece.item.source)
        piece.row["error"] = " ".join(said.split())
        piece.prepared = piece.outcome = None
    finally:
        piece.spent += time.perf_counter() - began

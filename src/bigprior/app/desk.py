"""One desk, one queue: jobs of the page and of the endpoint wait for each other, in a temporary folder of their own."""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import torch

from bigprior.app.asked import Asked
from bigprior.app.limits import Limits
from bigprior.errors import BigpriorError
from bigprior.io.decoding import declared_size
from bigprior.jobs import Job, Outcome, check, compute, degradation_of, prepare
from bigprior.progress import Progress

if TYPE_CHECKING:
    from bigprior.restorer import Restorer

#: So many restorers are kept, each with its networks.
_KEPT = 4


class Desk:
    """Restores what it is given, one after the other. On leaving, all that it wrote is gone.

    Args:
        limits: of what it takes.
        preset: restores where none is named.
        device: where to compute.
        load: makes a restorer, as :func:`bigprior.load_restorer` does.

    Attributes:
        folder: the only place that it reads and writes.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        preset: str | None = None,
        device: Any = "cpu",
        load: Callable[..., Restorer] | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.preset, self.device, self._load = preset, device, load
        self.folder = Path(tempfile.mkdtemp(prefix="bigprior-app-")).resolve()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="bigprior-desk")
        self._restorers: OrderedDict[tuple[Any, ...], Restorer] = OrderedDict()
        self._lock, self.waiting = threading.Lock(), 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Finish what is being computed, drop what waits, and remove the folder."""
        self._worker.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def place(self) -> Path:
        """A new folder in :attr:`folder`."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def submit(
        self, asked: Asked, files: dict[str, Path], folder: Path, progress: Progress | None = None
    ) -> Future[Outcome]:
        """Queue a job.

        Args:
            asked: how the photo is to be restored.
            files: as for :meth:`Asked.job`, all of them in :attr:`folder`.
            folder: where results will go, in :attr:`folder`.
            progress: called with (finished, total) units of the prior's work.
        """
        with self._lock:
            self.waiting += 1
        future: Future[Outcome] = self._worker.submit(self._done, asked, files, folder, progress)
        future.add_done_callback(self._left)
        return future

    def said(self, error: BigpriorError) -> str:
        """An error in one line, without the places of this machine."""
        text = " ".join(str(error).split())
        return re.sub(rf"{re.escape(str(self.folder))}(?:/[\w-]+)*/", "", text).replace(str(self.folder), "")

    def _left(self, _: Future[Outcome]) -> None:
        with self._lock:
            self.waiting -= 1

    def _done(self, asked: Asked, files: dict[str, Path], folder: Path, progress: Progress | None) -> Outcome:
        for name, path in files.items():
            (self.limits.check_kernel if name == "kernel" else self.limits.check)(path)
        if self.preset is not None and "preset" not in asked.model_fields_set:
            asked = asked.model_copy(update={"preset": self.preset})
        job = asked.job(folder, files)
        self._refuse_large(job)
        check(job)
        return compute(prepare(job), self._restorer(asked, job), progress)

    def _refuse_large(self, job: Job) -> None:
        """Of a result that is larger than its photo, the limits hold too; nothing is computed for that."""
        degradation = degradation_of(job)
        if degradation.channels in (1, 3):  # a measurement is a picture
            like = torch.empty(1, degradation.channels, *declared_size(job.photo), device="meta")
            self.limits.check_result(job.photo.name, degradation.picture_size(like))

    def _restorer(self, asked: Asked, job: Job) -> Restorer:
        """For what was asked; the last few are kept."""
        names = ("samples", "strength", "rho", "grain", "frame", "prior")
        options = {name: getattr(asked, name) for name in names}
        key = (asked.preset, job.task, *options.values())
        if key not in self._restorers:
            from bigprior.presets.loading import load_restorer

            load = partial(self._load or load_restorer, device=self.device)
            self._restorers[key] = load(asked.preset, job.task, **options)
            while len(self._restorers) > _KEPT:
                self._restorers.popitem(last=False)
        self._restorers.move_to_end(key)
        return self._restorers[key]


@contextmanager
def passing(folder: Path) -> Iterator[Path]:
    """A folder that is gone if the block raises."""
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise

"""What one page has at hand: a photo, what was painted on it, and what came of it."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bigprior.app import shown
from bigprior.app.painter import strokes
from bigprior.errors import ImageError
from bigprior.io.pictures import write_picture
from bigprior.jobs import Outcome
from bigprior.painting import painted
from bigprior.report.output import Output
from bigprior.restoration import Restoration

#: What can be downloaded, and what of a restoration it is.
DOWNLOADS = {
    "picture": Output(("restored",)),
    "layers": Output(("restored",), layers="float"),
    "report": Output(("report",)),
    "everything": Output(layers="float"),
}


@dataclass
class Session:
    """One page's.

    Attributes:
        folder: of its own, in the desk's.
        photo: the file that was dropped on it.
        size: its height and width.
        hole: what was painted as missing, as a data URL; None of nothing.
        kernel: the file of a blur.
        outcome: what was restored last.
        chosen: which of the alternatives is looked at.
        result: that one, with what was painted on it.
        before: the measurement, as the page shows it.
        token: who knows it can download the result.
        rounds: how many pictures it has had.
    """

    folder: Path
    photo: Path | None = None
    size: tuple[int, int] = (0, 0)
    hole: str | None = None
    kernel: Path | None = None
    outcome: Outcome | None = None
    chosen: int = 0
    result: Restoration | None = None
    before: str = ""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    rounds: int = 0

    def begin(self, photo: Path, size: tuple[int, int]) -> None:
        """A new photo: what there was is gone."""
        self.photo, self.size, self.hole, self.outcome, self.result = photo, size, None, None, None
        self.rounds += 1

    def files(self, *, holes: bool = True, kernel: bool = False) -> dict[str, Path]:
        """What there is to restore.

        Args:
            holes: what was painted as missing, as a mask.
            kernel: the kernel that was dropped.

        Raises:
            ImageError: nothing yet, or no kernel.
            MaskError: what was painted cannot be read.
        """
        if self.photo is None:
            raise ImageError("there is no picture yet: drop one first")
        files = {"photo": self.photo}
        if kernel:
            if self.kernel is None:
                raise ImageError("there is no kernel yet: drop its file, .npy or a picture")
            files["kernel"] = self.kernel
        if holes and self.hole is not None and (hole := np.logical_or.reduce(strokes(self.hole, self.size))).any():
            files["mask"] = self.folder / "mask.png"
            write_picture(files["mask"], 1 - torch.from_numpy(hole).float()[None, None])
        return files

    def done(self, outcome: Outcome) -> None:
        """What came of it."""
        self.outcome = outcome
        self.choose(0)

    def choose(self, number: int) -> None:
        """Look at one of the alternatives."""
        assert self.outcome is not None
        self.chosen = min(max(number, 0), len(self.outcome.results) - 1)
        self.result = self.outcome.results[self.chosen]
        self.before = shown.url(shown.before(self.result))
        self.rounds += 1

    def paint(self, sent: Any) -> Restoration:
        """The alternative that is looked at, with phi as it was painted: 0 by the first brush, 1 by the second.

        Where nothing was measured there is nothing to keep.

        Raises:
            ImageError: nothing was restored yet.
            MaskError: what was painted cannot be read.
        """
        if self.outcome is None:
            raise ImageError("there is nothing to paint on yet: restore a picture first")
        result = self.outcome.results[self.chosen]
        height, width = result.restored.shape[2:]
        keep, free = (torch.from_numpy(mask).float()[None, None] for mask in strokes(sent, (height, width)))
        if (hole := self._hole(result)) is not None:
            keep = keep * (1 - hole)
        self.result = painted(result, keep, free) if bool(keep.any()) or bool(free.any()) else result
        return self.result

    def saved(self, what: str) -> Path:
        """The folder of results that one of :data:`DOWNLOADS` is, written now.

        Raises:
            BigpriorError: it cannot be written.
        """
        assert self.outcome is not None and self.result is not None
        others = [r for i, r in enumerate(self.outcome.results) if i != self.chosen]
        folder = self.folder / f"{what}-{secrets.token_hex(4)}"
        prepared = self.outcome.prepared
        job = replace(prepared.job, folder=folder, output=DOWNLOADS[what])
        alone = () if what in ("picture", "report") else others
        Outcome(replace(prepared, job=job), (self.result, *alone)).save()
        return folder

    def close(self) -> None:
        """Nothing of it is kept."""
        self.outcome, self.result, self.photo = None, None, None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _hole(self, result: Restoration) -> Tensor | None:
        """Where nothing was measured, (1, 1, H, W); None where all was."""
        assert self.outcome is not None
        degradation = self.outcome.prepared.degradation
        m = degradation.measure(result.measurement)
        return None if m.known_phi is None and not degradation.noisy else m.hole


class Sessions:
    """Every page's, by what Gradio calls it; the oldest goes when there are too many.

    Args:
        place: makes a new folder for one.
        most: so many.
    """

    def __init__(self, place: Callable[[], Path], most: int = 4) -> None:
        self._place, self._most, self._open = place, most, OrderedDict[str, Session]()
        self._lock = threading.Lock()

    def of(self, name: str | None) -> Session:
        """The page's own, which begins when it is first asked for."""
        key = name or ""
        with self._lock:
            if key not in self._open:
                self._open[key] = Session(self._place())
                while len(self._open) > self._most:
                    self._open.popitem(last=False)[1].close()
            self._open.move_to_end(key)
            return self._open[key]

    def forget(self, name: str | None) -> None:
        """A page was closed."""
        with self._lock:
            session = self._open.pop(name or "", None)
        if session is not None:
            session.close()

    def opened_by(self, token: str) -> Session | None:
        """The session of a token."""
        return next((one for one in list(self._open.values()) if secrets.compare_digest(one.token, token)), None)

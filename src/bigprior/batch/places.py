"""Where results of a batch go: beside each other under the photos' names, into a folder each, or into tar files."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bigprior.errors import OutputError
from bigprior.io.remote import send, url_of
from bigprior.report.output import RECORD, check_folder

if TYPE_CHECKING:
    from torch import Tensor


class Place(Protocol):
    """Takes a picture's results when all of them are written."""

    def put(self, results: Path, name: str, phi: Tensor) -> str:
        """Move the results of one picture to where they belong.

        Args:
            results: their folder, which may be emptied.
            name: of the picture's results.
            phi: its map, (1, 1 or 3, H, W), 1 = made up.

        Returns:
            The restored picture's place, relative to the batch's folder.

        Raises:
            OutputError: it cannot be written, or holds what is not ours.
        """


class Beside:
    """``2019/a.jpg`` of ``2019/a.jpg``, with ``2019/a.phi.png`` and ``2019/a.json``, the record.

    Args:
        folder: of the batch's results; or a URL.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = folder

    def put(self, results: Path, name: str, phi: Tensor) -> str:
        """See :class:`Place`."""
        moved = {file.name: f"{name}{_behind(file.name)}" for file in results.iterdir()}
        first = restored_in(list(moved))
        for file in sorted(moved, key=lambda file: file == first):  # the restored picture last: with it, all are there
            _move(results / file, self.folder, moved[file])
        return moved[first]


class FolderEach:
    """A folder for each picture, as of a single one."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = folder

    def put(self, results: Path, name: str, phi: Tensor) -> str:
        """See :class:`Place`."""
        files = [file.name for file in results.iterdir()]
        if url_of(self.folder) is not None:
            for file in files:
                _move(results / file, self.folder, f"{name}/{file}")
        else:
            place = Path(self.folder) / name
            check_folder(place, overwrite=True)  # left by a process that was killed before it could say so
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists():
                shutil.rmtree(place)
            os.rename(results, place)
        return f"{name}/{restored_in(files)}"


class Tar:
    """A shard of a WebDataset, which appears when the block ends: ``KEY.png``, ``KEY.phi.png`` and ``KEY.json`` each.

    ``phi`` has 16 bits; ``1 - phi`` weighs a loss by how much of each pixel was measured. The same pictures make the
    same bytes.

    Args:
        folder: of the shards; or a URL.
        name: of this one's file.
        scratch: a folder of this machine for what is not finished.
    """

    def __init__(self, folder: Path | str, name: str, scratch: Path) -> None:
        self.folder, self.name, self.path = folder, name, scratch / name
        self._tar = tarfile.open(self.path, "w", format=tarfile.GNU_FORMAT)  # noqa: SIM115  # closed by close()
        self._count = 0

    def put(self, results: Path, name: str, phi: Tensor) -> str:
        """See :class:`Place`."""
        from bigprior.io.pictures import write_picture

        write_picture(results / "phi.png", phi.mean(dim=1, keepdim=True), bits=16)
        restored, key = restored_in([file.name for file in results.iterdir()]), key_of(name)
        record = json.loads((results / RECORD).read_text("utf-8"))
        self._add(f"{key}{Path(restored).suffix}", (results / restored).read_bytes())
        self._add(f"{key}.phi.png", (results / "phi.png").read_bytes())
        self._add(f"{key}.json", json.dumps(record | {"name": name, "loss_weight": "1 - phi"}).encode())
        self._count += 1
        shutil.rmtree(results)
        return self.name

    def close(self) -> None:
        """Put the shard in its place, if there is anything in it."""
        self._tar.close()
        if self._count:
            _move(self.path, self.folder, self.name)

    def _add(self, name: str, data: bytes) -> None:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        self._tar.addfile(entry, io.BytesIO(data))


def key_of(name: str) -> str:
    """A picture's key in a WebDataset, which ends at the first dot."""
    return name.replace(".", "_")


def restored_in(files: Sequence[str]) -> str:
    """The restored picture among results; without one, their record."""
    return next((name for name in files if Path(name).stem == "restored"), RECORD)


def _behind(file: str) -> str:
    """What stands behind a photo's name in that of a result: ``.png``, ``.phi.png``, ``.json``."""
    return Path(file).suffix if Path(file).stem in ("restored", Path(RECORD).stem) else f".{file}"


def _move(path: Path, folder: Path | str, name: str) -> None:
    """A file to its place in a folder, which may be elsewhere; there it replaces what is there."""
    if (url := url_of(folder)) is not None:
        send(path, f"{url}/{name}")
        path.unlink()
        return
    place = Path(folder) / name
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, place)
    except OSError as error:
        raise OutputError(f"cannot write {place}: {error.strerror or error}") from error

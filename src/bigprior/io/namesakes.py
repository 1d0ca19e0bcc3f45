"""The file of one folder that belongs to a file of another, by its name: each photo's mask, prior or hints."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePath
from typing import Any

from bigprior.errors import SettingsError
from bigprior.io.decoding import SUFFIXES
from bigprior.io.remote import files, url_of


class Namesakes:
    """The pictures of a folder and of those in it, listed once, when the first is asked for.

    Args:
        folder: of this machine, or a URL.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = folder
        self._by_name: dict[str, list[tuple[tuple[str, ...], Path | str]]] | None = None

    def of(self, photo: PurePath) -> list[Path | str]:
        """Those with a photo's name, whatever their suffix; of several, those whose folders are most like its own.

        ``masks/2019/a.png`` is that of ``photos/2019/a.jpg``, where ``masks/2020/a.png`` is not.
        """
        if self._by_name is None:
            self._by_name = self._listed()
        found, most = list[Path | str](), -1
        for folders, file in self._by_name.get(photo.stem, []):
            if photo.parent.parts[len(photo.parent.parts) - len(folders) :] == folders and len(folders) >= most:
                found = [*found, file] if len(folders) == most else [file]
                most = len(folders)
        return found

    def _listed(self) -> dict[str, list[tuple[tuple[str, ...], Path | str]]]:
        listed, found = defaultdict(list), list[tuple[PurePath, Path | str]]()
        url = url_of(self.folder)
        if url is not None:
            found = [(PurePath(file[len(url) :].strip("/")), file) for file in files(url)]
        else:
            paths = (path for path in sorted(Path(self.folder).rglob("*")) if path.is_file())
            found = [(path.relative_to(self.folder), path) for path in paths]
        for below, file in found:
            if below.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in below.parts):
                listed[below.stem].append((below.parent.parts, file))
        return dict(listed)


class OneEach:
    """What is one file for all photos, or a folder with one for each."""

    def __init__(self) -> None:
        self._folders: dict[str, Namesakes] = {}

    def own(self, what: str, value: Any, photo: PurePath) -> Any:
        """A photo's own file where ``value`` is a folder; else the value.

        Args:
            what: the value is, in an error.
            value: of an option or a setting; a ``Path`` is one of a file or folder.
            photo: its file, or its URL as a path.

        Raises:
            SettingsError: the folder has none, or several, of the photo's name.
        """
        if not is_folder(value):
            return value
        found = self._folders.setdefault(str(value), Namesakes(value)).of(photo)
        if len(found) != 1:
            raise SettingsError(
                f"{value} holds {len(found)} pictures called {photo.stem}: expected one, the {what} of {photo.name}"
            )
        return Path(found[0])


def is_folder(value: Any) -> bool:
    """Whether it is a ``Path`` of a folder, here or elsewhere; what is elsewhere and has no suffix is taken for one."""
    if not isinstance(value, Path):
        return False
    return value.is_dir() if url_of(value) is None else not value.suffix

"""Things by name, which a third party can add to: by registration, or by an entry point of its package.

A package that is installed beside this one offers, say, a frame, by these lines in its ``pyproject.toml``::

    [project.entry-points."bigprior.frames"]
    fourier = "their_package:FourierFrame"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Generic, TypeVar

from bigprior.errors import BigpriorError, UnknownNameError

T = TypeVar("T")
_Registered = TypeVar("_Registered")


class Registry(Mapping[str, T], Generic[T]):
    """A mapping of names to things of one kind, in the order in which they were added.

    Args:
        kind: what they are, as an error says it: ``frame``, ``phi network``.
        group: the entry points that offer more, such as ``bigprior.frames``; they are imported when they are first
            looked at.
        own: what is there from the beginning.
    """

    def __init__(self, kind: str, group: str, own: Mapping[str, T] | None = None) -> None:
        self.kind, self.group = kind, group
        self._things: dict[str, T] = dict(own or {})
        self._offered: dict[str, EntryPoint] | None = None

    def register(self, name: str) -> Callable[[_Registered], _Registered]:
        """A decorator that adds what it is put on; an older thing of that name is replaced."""

        def add(thing: _Registered) -> _Registered:
            self._things[name] = thing  # type: ignore[assignment]  # a class is a thing that makes one
            return thing

        return add

    def remove(self, name: str) -> None:
        """Forget what was registered under ``name``.

        Raises:
            UnknownNameError: nothing was.
        """
        if self._things.pop(name, None) is None:
            raise UnknownNameError(self.kind, name, list(self))

    def _entry_points(self) -> dict[str, EntryPoint]:
        if self._offered is None:
            self._offered = {point.name: point for point in entry_points(group=self.group)}
        return self._offered

    def __getitem__(self, name: str) -> T:
        """The thing called ``name``.

        Raises:
            UnknownNameError: nothing is called so; it is a KeyError too, as of any mapping.
            BigpriorError: another package offers it, and it cannot be imported.
        """
        if name not in self._things:
            point = self._entry_points().get(name)
            if point is None:
                raise UnknownNameError(self.kind, name, list(self))
            try:
                self._things[name] = point.load()
            except Exception as error:  # of another's module, which can raise anything
                said = f"{type(error).__name__}: {error}"
                raise BigpriorError(
                    f"the {self.kind} {name!r} is offered as {point.value}, which cannot be imported ({said}): "
                    "mend or uninstall the package"
                ) from error
        return self._things[name]

    def __contains__(self, name: object) -> bool:
        return name in self._things or name in self._entry_points()

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._things, *self._entry_points()]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<Registry of {self.kind}s: {', '.join(self)}>"


def missing(package: str) -> str | None:
    """Why what needs a package cannot run, if it cannot.

    Args:
        package: by the name that it is imported under; with a dot, a part of it.
    """
    name, _, part = package.partition(".")
    # A part of a compiled package is no module that could be found.
    there = find_spec(name) is not None and (not part or hasattr(import_module(name), part))
    return None if there else f"needs the package {package}"

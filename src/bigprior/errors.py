"""Every error that bigprior raises on purpose.

::

    BigpriorError                 anything below; the command line prints it on one line and exits with 2
    ├── ImageError                a file that is not a usable picture, or a tensor that is not one
    ├── MaskError                 a mask of the wrong size, or with nothing to keep or nothing to fill
    ├── SettingsError             a setting out of its range
    ├── UnknownNameError          a preset, task or generator that is not registered
    ├── WeightsError              a weights file that is missing, foreign, or does not fit
    └── OutputError               a place that cannot be written
"""

from typing import Self


class BigpriorError(Exception):
    """Root of the tree: says what came, what was expected and what to do."""

    def of(self, part: str) -> Self:
        """The same error, said of a part that is named: a file, or a step."""
        error = type(self).__new__(type(self))
        error.args = (f"{part}: {self}",)
        return error


class ImageError(BigpriorError):
    """A file that is not a usable picture, or a tensor that is not one."""


class MaskError(BigpriorError):
    """A mask of the wrong size, or one with nothing to keep or nothing to fill."""


class SettingsError(BigpriorError):
    """A setting out of its range."""


class UnknownNameError(BigpriorError, KeyError):
    """A name that is not registered; the message lists those that are."""

    __str__ = Exception.__str__  # a KeyError's is the repr of its message

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}: the known ones are {', '.join(sorted(known))}")


class WeightsError(BigpriorError):
    """A weights file that is missing, foreign, or does not fit the network."""


class OutputError(BigpriorError):
    """A place that cannot be written."""

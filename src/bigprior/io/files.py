"""Files opened and replaced for decoders and encoders, whose every failure becomes one error of one line."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL.Image import DecompressionBombError

from bigprior.errors import ImageError, OutputError
from bigprior.io.atomic import replacing

_SILENT = logging.NullHandler()


@contextmanager
def reading(path: Path | str) -> Iterator[BinaryIO]:
    """An open file; whatever a decoder raises in the block becomes one ImageError with one line.

    Raises:
        ImageError: no such file, not a plain file, not readable, empty, or what the decoder raised.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # also keeps open() from waiting on a pipe
            raise ImageError(f"{path} is {'a folder' if path.is_dir() else 'not a plain file'}: pass one picture file")
        file = path.open("rb")
    except FileNotFoundError as error:
        raise ImageError(f"no picture {path}: check the name") from error
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise ImageError(f"cannot read {path} ({_one_line(error)}): check its name and permissions") from error
    # tifffile logs what it also raises, and Python prints a log that nobody handles: one line should be said, not two.
    logging.getLogger("tifffile").addHandler(_SILENT)
    with file, _without_warnings():
        if not path.stat().st_size:
            raise ImageError(f"{path} is empty (0 bytes): expected a picture")
        try:
            yield file
        except ImageError:
            raise
        except DecompressionBombError as error:
            raise ImageError(f"{path} is too large ({_one_line(error)}): make it smaller or crop it") from error
        except Exception as error:  # the decoders have dozens of types for a damaged file
            raise ImageError(f"{path} is truncated or damaged ({_one_line(error)}): get a whole copy of it") from error


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of ``path``; whatever an encoder raises becomes one OutputError.

    Raises:
        OutputError: the place cannot be written, or what the encoder raised.
    """
    try:
        with replacing(path) as temporary, _without_warnings():
            yield temporary
    except OutputError:
        raise
    except Exception as error:  # each encoder has its own types
        raise OutputError(f"cannot write {path} ({_one_line(error)}): choose another place or format") from error


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Pillow warns of damaged tags, which say nothing about the pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__

"""What the allocator keeps of freed memory."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

#: Values of a picture from which on it pays: what is kept of smaller ones is little.
_LARGE = 3_000_000


def give_back(values: int) -> None:
    """Give freed memory back to the system, after work on a large picture.

    glibc keeps what was freed below something that is still in use: after a fusion in windows of 12 megapixels, a
    gigabyte. Other systems' allocators do not, and there nothing is done.

    Args:
        values: of the picture's, over all channels.
    """
    trim = _trim()
    if values >= _LARGE and trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], Any] | None:
    """Glibc's ``malloc_trim``, where there is one."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)

"""How far a piece of work is."""

from __future__ import annotations

from collections.abc import Callable

#: Called with (finished, total) units of work.
Progress = Callable[[int, int], None]


def part_of(progress: Progress | None, part: int, parts: int) -> Progress | None:
    """The progress of one of several equal parts, as progress of the whole; None where nobody listens."""
    if progress is None:
        return None
    return lambda done, total: progress(part * total + done, parts * total)

"""Reading ahead and writing behind, while one computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")
_Piece = TypeVar("_Piece")

#: So many are read before they are computed.
_AHEAD = 2


def pipelined(
    items: Iterable[_Item],
    read: Callable[[_Item], _Piece],
    compute: Callable[[_Piece], _Piece],
    write: Callable[[_Piece], None],
    is_large: Callable[[_Piece], bool] = lambda piece: False,
) -> None:
    """``write(compute(read(item)))`` of every item, in order; reading and writing in a thread each, computing in this.

    At any time two are read, one is computed and one is written, so that memory stays as it is however many there are.
    Of what is large, one is read and one computed or written.

    Raises:
        Exception: what a step raises; nothing is read or computed then, and what is computed is written.
    """
    remaining, ahead = iter(items), deque[Future[_Piece]]()
    with ThreadPoolExecutor(1, "read") as reading, ThreadPoolExecutor(1, "write") as writing:

        def read_more(upto: int) -> None:
            ahead.extend(reading.submit(read, item) for item in islice(remaining, max(0, upto - len(ahead))))

        try:
            behind: Future[None] | None = None
            read_more(_AHEAD)
            while ahead:
                piece = ahead.popleft().result()
                large = is_large(piece)
                read_more(1 if large else _AHEAD)
                piece = compute(piece)
                if behind is not None:
                    behind.result()
                behind = writing.submit(write, piece)
                del piece  # which is not kept while the next one is computed
                if large:
                    behind.result()
            if behind is not None:
                behind.result()
        finally:
            for future in ahead:
                future.cancel()

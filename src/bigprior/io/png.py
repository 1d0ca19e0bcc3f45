"""PNG files by their chunks (ISO/IEC 15948): 16 bits a channel, interlaced or not, and what is said about a picture.

Pillow keeps 8 bits of such files. libpng, behind imagecodecs, has all of them, but prints on the terminal whatever it
finds odd, from another colour profile to interlacing; so it is given only what the pixels are made of.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Where the seven passes of an interlaced picture begin, and their steps: x, y (ISO/IEC 15948, 8.2).
_PASSES = (
    ((0, 0), (8, 8)),
    ((4, 0), (8, 8)),
    ((0, 4), (4, 8)),
    ((2, 0), (4, 4)),
    ((0, 2), (2, 4)),
    ((1, 0), (2, 2)),
    ((0, 1), (1, 2)),
)
#: Samples a pixel by colour type; pictures with a palette have no 16 bits.
_SAMPLES = {0: 1, 2: 3, 4: 2, 6: 4}


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk as a file holds it."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(png: bytes, more: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A PNG with more chunks, kinds and contents, after its header."""
    return png[:33] + b"".join(chunk(kind, data) for kind, data in more) + png[33:]


def decode_deep(png: bytes) -> Array:
    """The samples of a PNG of 16 bits, (H, W) or (H, W, samples), uint16; one transparent colour becomes an alpha.

    Raises:
        Exception: of whatever kind, for a damaged file.
    """
    parts = list(_chunks(png))
    header, data = parts[0][1], b"".join(data for kind, data in parts if kind == b"IDAT")
    width, height, bits, colour, *_, interlaced = struct.unpack(">IIBBBBB", header)
    key = b"".join(chunk(kind, data) for kind, data in parts if kind == b"tRNS")
    if not interlaced:
        return _decode(header, key, data)
    passes = []
    for (left, top), (dx, dy) in _PASSES:
        w, h = -(-(width - left) // dx), -(-(height - top) // dy)
        if w > 0 and h > 0:
            passes.append((slice(top, None, dy), slice(left, None, dx), w, h, h * (1 + w * _SAMPLES[colour] * 2)))
    rows = zlib.decompressobj().decompress(data, sum(length for *_, length in passes))
    whole, begin = None, 0
    for ys, xs, w, h, length in passes:
        part = rows[begin : begin + length]
        small = _decode(struct.pack(">IIBBBBB", w, h, bits, colour, 0, 0, 0), key, zlib.compress(part, 1))
        whole = np.empty((height, width, *small.shape[2:]), small.dtype) if whole is None else whole
        whole[ys, xs] = small
        begin += length
    assert whole is not None  # the first pass has a pixel
    return whole


def _decode(header: bytes, key: bytes, data: bytes) -> Array:
    png = _SIGNATURE + chunk(b"IHDR", header) + key + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    samples: Array = imagecodecs.png_decode(png)
    return samples


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and contents of every chunk that is whole."""
    at = len(_SIGNATURE)
    while at + 12 <= len(png):
        (length,), kind = struct.unpack_from(">I", png, at), png[at + 4 : at + 8]
        if at + 12 + length > len(png):
            raise ValueError("a part is missing")
        yield kind, png[at + 8 : at + 8 + length]
        at += 12 + length


def resolution(dpi: tuple[float, float]) -> bytes:
    """The contents of a pHYs chunk: pixels a metre."""
    per_metre = [max(0, min(2**31 - 1, round(x / 0.0254))) if math.isfinite(x) else 0 for x in dpi]
    return struct.pack(">IIB", *per_metre, 1)

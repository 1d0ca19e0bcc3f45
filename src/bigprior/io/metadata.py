"""What files say about their pictures: EXIF, XMP, IPTC, resolution and texts, from any format to any other.

A picture is upright once it is read, so what is written says that it is, and how large it has become. All else is kept
as it came; the little preview that EXIF may hold is left out, since it shows the picture as it was.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from bigprior.io.png import resolution
from bigprior.io.xmp import with_source_type

#: The tag of EXIF and TIFF that says which way is up.
ORIENTATION_TAG = 274
_PREFIX = b"Exif\0\0"
_EXIF_IFD, _GPS_IFD = 34665, 34853
_XMP_TAG, _IPTC_TAG = 700, 33723
#: Of a TIFF's own tags, those that say something about the picture, not about how the file holds it: description,
#: camera and its software, dates, people, rating, and Windows' own five.
_DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096))
#: Tags of a picture's width and height, in the first directory and in that of EXIF.
_SIZES = ({256: 0, 257: 1}, {40962: 0, 40963: 1})
_IPTC_RESOURCE = 0x0404
#: Texts of a PNG that hold one of the other kinds, by the custom of ImageMagick.
_RAW = "Raw profile type "
_ORIENTATION_IN_XMP = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>)\s*)[2-8]")
#: What one segment of a JPEG holds.
_SEGMENT = 65533


@dataclass(frozen=True)
class Metadata:
    """What a file says about its picture.

    Attributes:
        exif: a block of EXIF, from its byte order on, as it came.
        xmp: a packet of XMP.
        iptc: records of IPTC.
        dpi: pixels an inch, across and down.
        texts: of a PNG, with their keywords; a comment of a JPEG or GIF is one.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    texts: tuple[tuple[str, str], ...] = ()

    def upright_exif(self, width: int, height: int) -> bytes | None:
        """EXIF that says that the picture is upright and so large; None if it cannot be understood."""
        if self.exif is None or (order := {b"II": "<", b"MM": ">"}.get(self.exif[:2])) is None:
            return None
        data = bytearray(self.exif)
        try:
            (first,) = struct.unpack_from(order + "I", data, 4)
            _, end = _amend(data, order, first, {ORIENTATION_TAG: 1}, _SIZES[0], (width, height))
            for tag, where in _entries(data, order, first):
                if tag == _EXIF_IFD:
                    (inner,) = struct.unpack_from(order + "I", data, where + 8)
                    _amend(data, order, inner, {}, _SIZES[1], (width, height))
            struct.pack_into(order + "I", data, end, 0)  # no second directory, which is that of a preview
        except struct.error:
            return None
        return bytes(data)

    def with_source(self, kind: str) -> Metadata:
        """The same, but that its XMP says how the picture came to be, see :func:`bigprior.io.xmp.with_source_type`."""
        return replace(self, xmp=with_source_type(self.xmp, kind))

    @property
    def upright_xmp(self) -> bytes | None:
        """XMP that says that the picture is upright."""
        return None if self.xmp is None else _ORIENTATION_IN_XMP.sub(rb"\g<1>1", self.xmp)

    def png_chunks(self, width: int, height: int) -> Iterator[tuple[bytes, bytes]]:
        """Kinds and contents of a PNG's chunks."""
        if self.dpi is not None:
            yield b"pHYs", resolution(self.dpi)
        if (exif := self.upright_exif(width, height)) is not None:
            yield b"eXIf", exif
        texts = PngInfo()
        if self.upright_xmp:
            texts.add_itxt("XML:com.adobe.xmp", self.upright_xmp.decode("utf-8", "replace"))
        if self.iptc:
            texts.add_text(f"{_RAW}iptc", f"\niptc\n{len(self.iptc):8}\n{self.iptc.hex()}\n", zip=True)
        for keyword, text in self.texts:
            texts.add_text(keyword, text)
        yield from ((part[0], part[1]) for part in texts.chunks)

    def jpeg_options(self, width: int, height: int) -> dict[str, Any]:
        """What Pillow is told when it writes a JPEG; what no segment can hold is left out."""
        found: dict[str, Any] = {}
        exif, xmp, iptc, extra = self.upright_exif(width, height), self.upright_xmp, self.iptc, b""
        if exif is not None and len(exif) < _SEGMENT - len(_PREFIX):
            found["exif"] = _PREFIX + exif
        if xmp:
            extra += _segment(b"\xff\xe1", b"http://ns.adobe.com/xap/1.0/\0" + xmp)
        if iptc:
            resource = struct.pack(">HHI", _IPTC_RESOURCE, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)
            extra += _segment(b"\xff\xed", b"Photoshop 3.0\x008BIM" + resource)
        if extra:
            found["extra"] = extra
        if self.dpi is not None and max(self.dpi) < 65536:
            found["dpi"] = self.dpi
        comment = dict(self.texts).get("Comment", "").encode()
        return found | ({"comment": comment} if 0 < len(comment) < _SEGMENT else {})

    def webp_options(self, width: int, height: int) -> dict[str, bytes]:
        """What Pillow is told when it writes a WebP, which holds neither IPTC nor texts."""
        found = {"exif": self.upright_exif(width, height), "xmp": self.upright_xmp}
        return {name: value for name, value in found.items() if value}

    def add_to_tiff(self, path: Path, width: int, height: int) -> None:
        """Put it into the first page of a TIFF that has been written without it."""
        with path.open("r+b") as file:
            head = file.read(8)
            order = "<" if head.startswith(b"II") else ">"
            said = ImageFileDirectory_v2(head)
            with suppress(Exception):  # tags that their own reader does not understand
                for tag, value in _tags(self.upright_exif(width, height)).items():
                    said[tag] = value
            for tag, record in ((_XMP_TAG, self.upright_xmp), (_IPTC_TAG, self.iptc)):
                if record:
                    said.tagtype[tag] = 1 if tag == _XMP_TAG else 7
                    said[tag] = record
            if self.dpi is not None:
                said[282], said[283], said[296] = *self.dpi, 2
            if len(said):
                _add_tags(file, order, said)


def orientation_of(picture: Image.Image) -> int:
    """Which way is up, as the tag has it; 1, as it lies, where nothing says so."""
    try:
        return int(picture.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # a damaged tag raises many types, and says nothing about the pixels
        return 1


def of_picture(picture: Image.Image) -> Metadata:
    """What a picture says that Pillow has read and loaded; damaged parts are left out."""
    texts = {k: str(v) for k, v in getattr(picture, "text", {}).items() if isinstance(k, str)}
    exif = picture.info.get("exif") or _unwrapped(texts, "exif") or _unwrapped(texts, "APP1")
    xmp, resources = picture.info.get("xmp"), picture.info.get("photoshop", {})
    comment = picture.info.get("comment")
    if isinstance(comment, bytes) and comment:
        texts.setdefault("Comment", comment.decode("utf-8", "replace"))
    return Metadata(
        exif=exif.removeprefix(_PREFIX) if exif else None,
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        iptc=resources.get(_IPTC_RESOURCE) or _unwrapped(texts, "iptc"),
        dpi=_checked_dpi(picture.info.get("dpi")),
        texts=tuple((k, v) for k, v in texts.items() if not k.startswith((_RAW, "XML:com.adobe.xmp"))),
    )


def of_tiff(file: BinaryIO) -> Metadata:
    """What the first page of a TIFF says; damaged parts are left out."""
    read, made, dpi = Image.Exif(), Image.Exif(), None
    try:
        file.seek(0)
        read.load_from_fp(file)
        for tag in _DESCRIPTIVE:
            if tag in read:
                made[tag] = read[tag]
        if 282 in read and 283 in read and read.get(296, 2) in (2, 3):
            dpi = _checked_dpi([float(read[tag]) * (2.54 if read.get(296, 2) == 3 else 1) for tag in (282, 283)])
    except Exception:  # Pillow has many types for damaged tags, which say nothing about the pixels
        return Metadata()
    for tag in (_EXIF_IFD, _GPS_IFD):
        with suppress(Exception):
            if inner := read.get_ifd(tag):
                made[tag] = dict(inner)
                made.tobytes()  # what cannot be written again is left out
                continue
        if tag in made:
            del made[tag]
    exif = made.tobytes().removeprefix(_PREFIX) if len(made) else None
    return Metadata(exif, _record(read.get(_XMP_TAG)), _record(read.get(_IPTC_TAG)), dpi)


def _amend(
    data: bytearray, order: str, at: int, values: dict[int, int], sides: dict[int, int], size: tuple[int, int]
) -> tuple[int, int]:
    """Put numbers into entries of a directory that has them; gives where it begins and where its entries end."""
    end = at + 2
    for tag, where in _entries(data, order, at):
        end = where + 12
        value = values.get(tag, size[sides[tag]] if tag in sides else None)
        kind, count = struct.unpack_from(order + "HI", data, where + 2)
        if value is not None and count == 1 and kind in (3, 4):
            struct.pack_into(
                order + ("H" if kind == 3 else "I"), data, where + 8, min(value, 65535 if kind == 3 else value)
            )
    return at, end


def _entries(data: bytes | bytearray, order: str, at: int) -> Iterator[tuple[int, int]]:
    """Tag and place of each entry of a directory."""
    (count,) = struct.unpack_from(order + "H", data, at)
    for where in range(at + 2, at + 2 + 12 * count, 12):
        yield struct.unpack_from(order + "H", data, where)[0], where


def _tags(exif: bytes | None) -> dict[int, Any]:
    """A block of EXIF as tags of a TIFF."""
    if exif is None:
        return {}
    read = Image.Exif()
    read.load(_PREFIX + exif)
    found: dict[int, Any] = {tag: read[tag] for tag in _DESCRIPTIVE if tag in read}
    for tag in (_EXIF_IFD, _GPS_IFD):
        if inner := dict(read.get_ifd(tag)):
            found[tag] = inner
    return found


def _add_tags(file: BinaryIO, order: str, said: ImageFileDirectory_v2) -> None:
    """Put tags beside those that the first page has: its directory is written again, at the end of the file."""
    file.seek(4)
    (old,) = struct.unpack(order + "I", file.read(4))
    file.seek(old)
    (count,) = struct.unpack(order + "H", file.read(2))
    kept, rest = file.read(12 * count), file.read(4)
    begin = (file.seek(0, 2) + 1) // 2 * 2
    blob = said.tobytes(begin)
    file.seek(begin)
    file.write(blob + bytes(len(blob) % 2))
    entries = {
        struct.unpack_from(order + "H", part)[0]: part for part in (kept[i : i + 12] for i in range(0, len(kept), 12))
    }
    entries |= {tag: blob[where : where + 12] for tag, where in _entries(blob, order, 0)}
    new = file.tell()
    file.write(struct.pack(order + "H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + rest)
    file.seek(4)
    file.write(struct.pack(order + "I", new))


def _segment(marker: bytes, data: bytes) -> bytes:
    return marker + struct.pack(">H", len(data) + 2) + data if len(data) <= _SEGMENT else b""


def _unwrapped(texts: dict[str, str], kind: str) -> bytes | None:
    """A record that a PNG holds as a text: its name, its length and its bytes in hexadecimal."""
    with suppress(KeyError, ValueError):
        _, _, _, digits = texts[f"{_RAW}{kind}"].split("\n", 3)
        return bytes.fromhex("".join(digits.split())) or None
    return None


def _record(value: Any) -> bytes | None:
    """A tag's bytes, which some programs call numbers."""
    if isinstance(value, tuple) and value and all(isinstance(x, int) for x in value):
        return struct.pack(f"<{len(value)}{'B' if max(value) < 256 else 'I'}", *value)
    return value or None if isinstance(value, bytes) else None


def _checked_dpi(dpi: Any) -> tuple[float, float] | None:
    """A resolution, if it is one."""
    with suppress(TypeError, ValueError, ZeroDivisionError, OverflowError):
        across, down = (float(x) for x in dpi)
        if 0 < across < 1e6 and 0 < down < 1e6:
            return across, down
    return None

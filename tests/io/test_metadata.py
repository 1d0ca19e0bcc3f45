"""What a file says about its picture is said by every file that is made of it, as Pillow and tifffile read them."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, IptcImagePlugin, PngImagePlugin

from bigprior.io.metadata import Metadata
from bigprior.io.pictures import read_picture, write_picture

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" tiff:Make="Maker"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
IPTC = b"\x1c\x02\x78\x00\x0bA cup, seen"  # the caption
FORMATS = ("jpg", "png", "webp", "tif")


def exif(orientation: int = 6) -> Image.Exif:
    """Of a camera, with a date, an exposure, a place and a preview."""
    made = Image.Exif()
    made[ExifTags.Base.Make], made[ExifTags.Base.Model] = "Maker", "Model 3"
    made[ExifTags.Base.DateTime], made[ExifTags.Base.Orientation] = "2024:05:06 07:08:09", orientation
    made[ExifTags.Base.Copyright] = "somebody"
    inner = {ExifTags.Base.ExposureTime: 0.004, ExifTags.Base.DateTimeOriginal: "2024:05:06 07:08:09"}
    inner |= {ExifTags.Base.ExifImageWidth: 12, ExifTags.Base.ExifImageHeight: 8, ExifTags.Base.MakerNote: b"note" * 9}
    made[ExifTags.IFD.Exif] = inner
    made[ExifTags.IFD.GPSInfo] = {1: "N", 2: (47.0, 22.0, 1.5), 3: "E", 4: (8.0, 32.0, 0.0)}
    return made


def photo(path: Path, orientation: int = 6) -> Path:
    """A photograph of 12x8 that lies on its side."""
    picture, suffix = Image.fromarray(np.arange(288, dtype=np.uint8).reshape(8, 12, 3)), path.suffix[1:]
    said = exif(orientation)
    if suffix == "jpg":
        records = struct.pack(">HHI", 0x0404, 0, len(IPTC)) + IPTC + b"\0" * (len(IPTC) % 2)
        records = b"Photoshop 3.0\x008BIM" + records
        extra = b"\xff\xed" + struct.pack(">H", len(records) + 2) + records
        picture.save(path, exif=said, xmp=XMP, dpi=(300, 300), extra=extra, comment=b"of a cup")
    elif suffix == "png":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
        texts.add_text("Raw profile type iptc", f"\niptc\n{len(IPTC):8}\n{IPTC.hex()}\n", zip=True)
        texts.add_text("Comment", "of a cup")
        texts.add_itxt("Title", "Tasse, gesehen: \u00fc \u4e2d")
        picture.save(path, exif=said, dpi=(300, 300), pnginfo=texts)
    elif suffix == "webp":
        picture.save(path, exif=said, xmp=XMP, lossless=True)
    else:
        tags = said.get_ifd(0)
        info = {tag: tags[tag] for tag in ()} | {tag: said[tag] for tag in said}
        info |= {700: XMP, 33723: IPTC}
        picture.save(path, tiffinfo=info, dpi=(300, 300))
    return path


def said_by(path: Path) -> dict[str, object]:
    """What Pillow reads."""
    with Image.open(path) as picture:
        picture.load()
        read = picture.getexif()
        found: dict[str, object] = {"make": read.get(ExifTags.Base.Make), "date": read.get(ExifTags.Base.DateTime)}
        found["orientation"] = read.get(ExifTags.Base.Orientation, 1)
        inner, place = read.get_ifd(ExifTags.IFD.Exif), read.get_ifd(ExifTags.IFD.GPSInfo)
        found["exposure"] = round(float(inner[ExifTags.Base.ExposureTime]), 6)
        found["note"], found["size"] = inner[ExifTags.Base.MakerNote], (inner.get(40962), inner.get(40963))
        found["place"] = tuple(map(float, place[2]))
        xmp = picture.info.get("xmp")
        found["xmp"] = xmp.encode() if isinstance(xmp, str) else xmp
        caption = (IptcImagePlugin.getiptcinfo(picture) or {}).get((2, 120))
        found["caption"] = caption.decode() if isinstance(caption, bytes) else caption
        dpi = picture.info.get("dpi")
        found["dpi"] = None if dpi is None else tuple(round(float(x)) for x in dpi)
        found["preview"] = bool(read.get_ifd(ExifTags.IFD.IFD1))
    return found


@pytest.mark.parametrize("into", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_it_survives_from_any_format_to_any_other(tmp_path: Path, source: str, into: str) -> None:
    picture = read_picture(photo(tmp_path / f"a.{source}"))
    assert picture.image.shape == (1, 3, 12, 8)  # upright
    write_picture(tmp_path / f"b.{into}", picture.image, metadata=picture.metadata)
    said = said_by(tmp_path / f"b.{into}")
    assert said["make"] == "Maker" and said["date"] == "2024:05:06 07:08:09" and said["orientation"] == 1
    assert said["exposure"] == 0.004 and said["note"] == b"note" * 9 and said["place"] == (47.0, 22.0, 1.5)
    assert said["size"] == (8, 12) and not said["preview"]
    xmp = said["xmp"]
    assert isinstance(xmp, bytes) and b'tiff:Make="Maker"' in xmp and b'tiff:Orientation="1"' in xmp
    if source != "webp" and into != "webp":  # which holds none
        assert said["dpi"] == (300, 300)
        # Pillow reads no IPTC of a PNG
        caption = (
            said["caption"] if into != "png" else (read_picture(tmp_path / "b.png").metadata.iptc or b"")[5:].decode()
        )
        assert caption == "A cup, seen"
    assert torch.equal(read_picture(tmp_path / f"b.{into}").image, picture.image) or into == "jpg"


@pytest.mark.parametrize("bits", [8, 16])
def test_texts_of_a_png_survive(tmp_path: Path, bits: int) -> None:
    picture = read_picture(photo(tmp_path / "a.png"))
    write_picture(tmp_path / "b.png", picture.image, metadata=picture.metadata, bits=bits)
    with Image.open(tmp_path / "b.png") as again:
        assert again.text["Comment"] == "of a cup" and again.text["Title"] == "Tasse, gesehen: \u00fc \u4e2d"
    assert read_picture(tmp_path / "b.png").metadata == read_picture(tmp_path / "b.png").metadata
    write_picture(tmp_path / "c.jpg", picture.image, metadata=picture.metadata)
    with Image.open(tmp_path / "c.jpg") as again:
        assert again.info["comment"] == b"of a cup"


def test_a_tiff_of_16_bits_says_it_to_other_readers(tmp_path: Path) -> None:
    picture = read_picture(photo(tmp_path / "a.jpg"))
    write_picture(tmp_path / "b.tif", picture.image, bits=16, alpha=torch.rand(1, 1, 12, 8), metadata=picture.metadata)
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        assert len(tiff.pages) == 1
        tags = tiff.pages[0].tags
        assert tags["Make"].value == "Maker" and tags["ExifTag"].value["ExposureTime"] == 0.004
        assert tags["GPSTag"].value["GPSLatitudeRef"] == "N" and tags["XResolution"].value == (300, 1)
        assert tiff.pages[0].asarray().shape == (12, 8, 4)
    assert read_picture(tmp_path / "b.tif").alpha is not None


def test_a_preview_of_the_picture_as_it_was_is_left_out(tmp_path: Path) -> None:
    block = exif().tobytes()
    made = Image.Exif()
    made.load(block)
    head = bytearray(block[6:])
    order = "<" if head[:2] == b"II" else ">"
    (count,) = struct.unpack_from(order + "H", head, 8)
    struct.pack_into(order + "I", head, 10 + 12 * count, len(head))  # another directory
    head += struct.pack(order + "HHHIII", 1, 259, 3, 1, 6, 0)
    Image.new("RGB", (12, 8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + bytes(head))
    with Image.open(tmp_path / "a.jpg") as picture:
        assert picture.getexif().get_ifd(ExifTags.IFD.IFD1)
    picture = read_picture(tmp_path / "a.jpg")
    write_picture(tmp_path / "b.png", picture.image, metadata=picture.metadata)
    assert not said_by(tmp_path / "b.png")["preview"]


@pytest.mark.parametrize("into", FORMATS)
def test_what_a_format_cannot_hold_does_not_stop_it(tmp_path: Path, into: str) -> None:
    much = Metadata(
        exif().tobytes()[6:] + bytes(70000), XMP + b" " * 70000, IPTC * 9000, (1e5, 1e5), (("Comment", "x" * 70000),)
    )
    write_picture(tmp_path / f"a.{into}", torch.rand(1, 3, 8, 9), metadata=much)
    assert read_picture(tmp_path / f"a.{into}").image.shape == (1, 3, 8, 9)


@given(
    st.binary(max_size=80), st.binary(max_size=30), st.sampled_from(FORMATS), st.integers(0, 300), st.binary(max_size=4)
)
def test_damaged_metadata_does_not_cost_the_picture(
    tmp_path: Path, block: bytes, xmp: bytes, into: str, at: int, put: bytes
) -> None:
    real = exif().tobytes()[6:]
    for damaged in (block, real[:at] + put + real[at + len(put) :], real[:at]):
        write_picture(tmp_path / f"a.{into}", torch.rand(1, 3, 8, 9), metadata=Metadata(damaged, xmp, xmp, None, ()))
        assert read_picture(tmp_path / f"a.{into}").image.shape == (1, 3, 8, 9)
    file = io.BytesIO()
    Image.new("RGB", (9, 8)).save(file, "PNG")
    (tmp_path / "b.png").write_bytes(file.getvalue())
    assert read_picture(tmp_path / "b.png").metadata == Metadata()

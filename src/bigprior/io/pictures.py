"""Pictures, masks and layers on disk: the only place where ranges and colour orders change.

Everywhere else a picture is float32 NCHW RGB in [0, 1]. Values are taken as stored: colour profiles are not applied,
but kept, so that a picture that is written back looks as it did.
"""

from __future__ import annotations

import logging
import math
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile
import torch
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from torch import Tensor

from bigprior.errors import ImageError, MaskError, OutputError, SettingsError
from bigprior.io.atomic import replacing

MAX_PIXELS = 200_000_000  # 2.4 GB as float32 RGB

Array = npt.NDArray[Any]

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two are BigTIFF
# Pillow's classes are called directly: Image.open() would warn or refuse by its own global limit, and would try every
# format it knows, some of which run other programs.
_PILLOW: dict[bytes, Callable[[BinaryIO], Image.Image]] = {
    b"\x89PNG": PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
    b"RIFF": WebPImageFile,
    b"BM": BmpImageFile,
    b"GIF8": GifImageFile,
}
_GREY_MODES = ("1", "L", "LA", "La")
_COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
_WRITERS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_ORIENTATION = 274  # the tag of EXIF and TIFF
_TURNS: dict[int, Callable[[Array], Array]] = {  # orientation -> how an HWC array is turned upright
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
_SILENT = logging.NullHandler()


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as read, upright.

    Attributes:
        image: float32 (1, 3, H, W), RGB in [0, 1].
        alpha: float32 (1, 1, H, W) in [0, 1], or None if the file had none; kept aside for :func:`write_picture`.
        bits: 8 or 16 per channel: what the file held, rounded up (16 for floats).
        is_grey: the file held one channel, of which ``image`` has three copies; ``image[:, :1]`` writes it back.
        profile: the ICC profile of the values, or None if the file had none; for :func:`write_picture`.
    """

    image: Tensor
    alpha: Tensor | None
    bits: int
    is_grey: bool
    profile: bytes | None = None

    def __repr__(self) -> str:
        """``<Picture 640x480 RGB+alpha 8-bit>``: width x height."""
        height, width = self.image.shape[-2:]
        kind = ("grey" if self.is_grey else "RGB") + ("" if self.alpha is None else "+alpha")
        return f"<Picture {width}x{height} {kind} {self.bits}-bit>"


def read_picture(path: Path | str) -> Picture:
    """Read a PNG, TIFF, JPEG, WebP, BMP or GIF: its first page or frame, turned as its orientation tag says.

    The format is told by the contents, not by the suffix. Palettes and CMYK become RGB; a float TIFF must be in [0, 1].

    Raises:
        ImageError: no such file, not readable, not a picture, damaged, above ``MAX_PIXELS``, or of an unclear range.
    """
    with _reading(path) as file:
        values, bits, profile = _decode_tiff(file) if _is_tiff(file) else _decode(file)
    tensor = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None]
    colours = 1 if tensor.shape[1] < 3 else 3
    image = tensor[:, :colours].expand(-1, 3, -1, -1).contiguous()
    alpha = tensor[:, colours:].contiguous() if tensor.shape[1] > colours else None
    own = profile if _profile_is_of(profile, colours) else None  # a CMYK picture's is not of its RGB
    return Picture(image, alpha, bits, colours == 1, own)


def read_mask(path: Path | str) -> Tensor:
    """Read a mask from any picture: float32 (1, 1, H, W), 1 = known, 0 = hole.

    Known is where the mean of the channels is at least half; the alpha of the picture is ignored.

    Raises:
        ImageError: as :func:`read_picture`.
        MaskError: nothing to keep, or nothing to fill.
    """
    mask = (read_picture(path).image.mean(1, keepdim=True) >= 0.5).float()
    if mask.min() == mask.max():
        what = "known (white), with nothing to fill" if mask.min() else "hole (black), with nothing to keep"
        raise MaskError(f"mask {path} is all {what}: paint what is known white and the holes black")
    return mask


def write_picture(
    path: Path | str, image: Tensor, *, bits: int = 8, alpha: Tensor | None = None, profile: bytes | None = None
) -> None:
    """Write ``image`` atomically as .png, .tif, .tiff, .jpg, .jpeg (quality 95) or .webp (lossless).

    Args:
        path: where to; an old file stays as it was if anything fails.
        image: float (1, 3, H, W) RGB, or (1, 1, H, W) for a grey file; clipped to [0, 1] and rounded.
        bits: 8, or 16 in PNG and TIFF, per channel.
        alpha: float (1, 1, H, W) in [0, 1], or None; not in JPEG.
        profile: ICC profile of the values, RGB or grey as ``image`` is; kept in the file, not applied.

    Raises:
        ImageError: not such a tensor, NaN or infinite values, or an alpha of another size.
        SettingsError: an unknown suffix, bits or an alpha that the format cannot hold, or a profile of other colours.
        OutputError: the place cannot be written, or the encoder failed.
    """
    path = Path(path)
    kind = _WRITERS.get(path.suffix.lower())
    if kind is None:
        raise SettingsError(f"{path} ends in {path.suffix!r}: expected one of {', '.join(_WRITERS)}")
    if bits not in (8, 16):
        raise SettingsError(f"bits is {bits}: expected 8 or 16")
    if bits == 16 and kind not in ("PNG", "TIFF"):
        raise SettingsError(f"{path}: {kind} holds 8 bits, not 16: write .png or .tif, or pass bits=8")
    if alpha is not None and kind == "JPEG":
        raise SettingsError(f"{path}: JPEG holds no alpha: write .png, .tif or .webp, or pass alpha=None")
    samples = _quantise(image, bits)
    if profile is not None and not _profile_is_of(profile, samples.shape[2]):
        raise SettingsError(f"{path}: the profile is not of {'RGB' if samples.shape[2] == 3 else 'grey'}: leave it out")
    if alpha is not None:
        plane = _quantise(alpha, bits, "alpha")
        if plane.shape != (*samples.shape[:2], 1):
            came, wanted = tuple(alpha.shape), (1, 1, *samples.shape[:2])
            raise ImageError(f"alpha is {came} but the image needs {wanted}: pass one of the image's size")
        samples = np.concatenate([samples, plane], axis=2)
    if samples.shape[2] == 1:
        samples = samples[:, :, 0]
    with _writing(path) as temporary:
        if kind == "PNG":
            temporary.write_bytes(_with_profile(bytes(imagecodecs.png_encode(samples)), profile))
        elif kind == "TIFF":
            with tifffile.TiffWriter(temporary) as tiff:
                extra = None if alpha is None else ["unassalpha"]
                _write_page(tiff, samples, extrasamples=extra, iccprofile=profile)
        elif kind == "JPEG":  # no chroma subsampling: colour is what some restorations are about
            Image.fromarray(samples).save(temporary, "JPEG", quality=95, subsampling=0, icc_profile=profile)
        else:  # exact: colours under a transparent pixel are kept
            Image.fromarray(samples).save(temporary, "WEBP", lossless=True, exact=True, icc_profile=profile)


def write_layers(path: Path | str, layers: dict[str, Tensor]) -> None:
    """Write named tensors as the pages of one .tif, bit for bit, atomically.

    Args:
        path: where to; an old file stays as it was if anything fails.
        layers: name -> float32 (1, 1, H, W) or (1, 3, H, W), of any range and each of its own size.

    Raises:
        ImageError: a tensor of another shape or type.
        SettingsError: no layer, a suffix other than .tif or .tiff, or a name that is not plain printable ASCII.
        OutputError: the place cannot be written.
    """
    path = Path(path)
    if _WRITERS.get(path.suffix.lower()) != "TIFF":
        raise SettingsError(f"{path} ends in {path.suffix!r}: layers are written to .tif or .tiff")
    if not layers:
        raise SettingsError(f"no layers for {path}: pass at least one")
    for name, layer in layers.items():
        if not name or name != name.strip() or not (name.isascii() and name.isprintable()):
            raise SettingsError(f"layer name {name!r}: expected printable ASCII without spaces around it")
        if layer.dtype != torch.float32 or not _is_picture(layer):
            raise ImageError(f"layer {name!r} is {_describe(layer)}: expected float32 (1, 1, H, W) or (1, 3, H, W)")
    with _writing(path) as temporary, tifffile.TiffWriter(temporary) as tiff:
        for name, layer in layers.items():
            samples = layer.detach().cpu()[0].permute(1, 2, 0).contiguous().numpy()
            samples = samples[:, :, 0] if samples.shape[2] == 1 else samples
            # ImageDescription is what read_layers reads; PageName (285) is what picture editors show.
            _write_page(tiff, samples, description=name, extratags=[(285, "s", 0, name, True)])


def read_layers(path: Path | str) -> dict[str, Tensor]:
    """Read what :func:`write_layers` wrote: name -> float32 (1, 1, H, W) or (1, 3, H, W), in the order of the pages.

    Raises:
        ImageError: no such file, not readable, damaged, or not a TIFF of named float32 pages.
    """
    layers: dict[str, Tensor] = {}
    with _reading(path) as file:
        if not _is_tiff(file):
            raise ImageError(f"{path} is not a TIFF: expected a file that write_layers wrote")
        with tifffile.TiffFile(file) as tiff:
            for number, page in enumerate(tiff.pages):
                name, samples = str(page.aspage().description), _samples(page.aspage(), path)
                if not name or name in layers or samples.dtype != np.float32 or samples.shape[2] not in (1, 3):
                    what = f"{samples.dtype}, {samples.shape[2]} channels, named {name!r}"
                    raise ImageError(f"page {number} of {path} is {what}: expected a file that write_layers wrote")
                layers[name] = torch.from_numpy(np.ascontiguousarray(samples.transpose(2, 0, 1)))[None]
    return layers


def to_uint8(image: Tensor) -> Array:
    """HWC uint8 (C = 3, RGB, or 1) of float (1, 3, H, W), (3, H, W) or (1, 1, H, W) in [0, 1], clipped and rounded.

    Raises:
        ImageError: not such a tensor, or NaN or infinite values.
    """
    return _quantise(image, 8)


def from_array(array: Array) -> Tensor:
    """A picture (H, W, 3), RGB in [0, 1], of any kind of number, to a float32 tensor (1, 3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).permute(2, 0, 1)[None].contiguous()


def _quantise(image: Tensor, bits: int, name: str = "image") -> Array:
    """HWC uint8 or uint16 of a float picture in [0, 1]."""
    batch = image[None] if image.ndim == 3 else image
    if not batch.is_floating_point() or not _is_picture(batch):
        raise ImageError(f"{name} is {_describe(image)}: expected floats in [0, 1], (1, 3, H, W) or (1, 1, H, W)")
    batch = batch.detach().float().cpu()
    if not batch.isfinite().all():
        raise ImageError(f"{name} has NaN or infinite values: expected floats in [0, 1]; mend what computed it")
    samples = (batch.clamp(0, 1) * (2**bits - 1)).round()[0].permute(1, 2, 0)
    array: Array = samples.contiguous().numpy().astype(np.uint8 if bits == 8 else np.uint16)
    return array


def _profile_is_of(profile: bytes | None, colours: int) -> bool:
    """Whether an ICC profile is of as many colours, 1 or 3, by its header (ICC.1:2022, 7.2.6)."""
    return profile is not None and profile[16:20] == (b"GRAY" if colours == 1 else b"RGB ")


def _with_profile(png: bytes, profile: bytes | None) -> bytes:
    """A PNG with an ICC profile after its header, which the encoder has no option for (ISO/IEC 15948, 11.3.3.3)."""
    if profile is None:
        return png
    body = b"iCCP" + b"icc\0\0" + zlib.compress(profile)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:33] + chunk + png[33:]


def _decode(file: BinaryIO) -> tuple[Array, int, bytes | None]:
    """HWC float32 in [0, 1] (grey, grey+alpha, RGB or RGBA), bits and ICC profile, of anything but a TIFF."""
    head = file.read(32)
    file.seek(0)
    reader = next((r for magic, r in _PILLOW.items() if head.startswith(magic)), None)
    if reader is None or (reader is WebPImageFile and head[8:12] != b"WEBP"):
        raise ImageError(f"{file.name} is not a picture: expected a PNG, TIFF, JPEG, WebP, BMP or GIF file")
    if reader is not PngImageFile:
        return _decode_pillow(file, reader)
    width, height, bits = struct.unpack_from(">IIB", head, 16)
    _check_size(file.name, width, height)
    return _decode_pillow(file, reader, deep=bits == 16)


def _decode_pillow(
    file: BinaryIO, reader: Callable[[BinaryIO], Image.Image], deep: bool = False
) -> tuple[Array, int, bytes | None]:
    picture = reader(file)
    _check_size(file.name, *picture.size)
    picture.load()
    profile = picture.info.get("icc_profile")
    turn = _TURNS.get(_orientation(picture), np.asarray)  # after load(): some files end with their tags
    if deep:  # a PNG of 16 bits, of which Pillow keeps 8
        file.seek(0)
        samples = imagecodecs.png_decode(file.read())
        return turn(_scale(np.atleast_3d(samples), 2**16 - 1)), 16, profile
    if picture.mode not in _GREY_MODES + _COLOUR_MODES:
        raise ImageError(f"{file.name} has Pillow mode {picture.mode!r}: expected grey or colour; save it as RGB")
    plain = "L" if picture.mode in _GREY_MODES else "RGB"
    if picture.has_transparency_data:
        plain = {"L": "LA", "RGB": "RGBA"}[plain]
    return turn(_scale(np.atleast_3d(np.asarray(picture.convert(plain))), 2**8 - 1)), 8, profile


def _decode_tiff(file: BinaryIO) -> tuple[Array, int, bytes | None]:
    """HWC float32 in [0, 1] (grey, grey+alpha, RGB or RGBA), bits and ICC profile, of the first page."""
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages.first
        kind = tifffile.PHOTOMETRIC(page.photometric)
        _check_page(page, file.name)
        if kind.name in ("PALETTE", "SEPARATED", "YCBCR") and page.bitspersample <= 8:
            file.seek(0)
            return _decode_pillow(file, TiffImageFile)
        colours = {"MINISWHITE": 1, "MINISBLACK": 1, "RGB": 3}.get(kind.name)
        if colours is None or page.samplesperpixel < colours:
            what = f"{kind.name}, {page.samplesperpixel} samples of {page.bitspersample} bits"
            raise ImageError(f"{file.name} is a TIFF of kind {what}: expected grey or RGB; save it as RGB")
        is_float = page.dtype is not None and page.dtype.kind == "f"
        if page.dtype is None or page.dtype.kind not in "buf" or (page.bitspersample > 16 and not is_float):
            raise ImageError(f"{file.name} holds {page.dtype}: expected 8 or 16 bits, or floats in [0, 1]; save it so")
        samples, peak = _samples(page, file.name), 1 if is_float else 2**page.bitspersample - 1
        extra, orientation = page.extrasamples[:1], page.tags.valueof(_ORIENTATION, 1)
        profile = page.iccprofile
    has_alpha = extra in ((tifffile.EXTRASAMPLE.ASSOCALPHA,), (tifffile.EXTRASAMPLE.UNASSALPHA,))
    values = _scale(samples[:, :, : colours + has_alpha], peak)
    if not (values.min() >= 0 and values.max() <= 1):  # false for NaN too; only floats can be out of range
        came = f"{np.nanmin(values):g} to {np.nanmax(values):g}" if np.isfinite(values).all() else "NaN or infinite"
        raise ImageError(f"{file.name} has values {came}: expected floats in [0, 1]; scale them first")
    if kind == tifffile.PHOTOMETRIC.MINISWHITE:
        values[:, :, :1] = _scale(peak - samples[:, :, :1].astype(np.float32), peak)
    if extra == (tifffile.EXTRASAMPLE.ASSOCALPHA,):  # colours were stored times alpha
        alpha = values[:, :, colours:]
        np.divide(values[:, :, :colours], alpha, out=values[:, :, :colours], where=alpha > 0)
        np.minimum(values, 1, out=values)
    return _TURNS.get(orientation, np.asarray)(values), 8 if page.bitspersample <= 8 else 16, profile


def _samples(page: tifffile.TiffPage, path: Path | str) -> Array:
    """The page as stored: (H, W, samples)."""
    _check_page(page, path)
    counts = page.databytecounts
    ends = [start + count for start, count in zip(page.dataoffsets, counts, strict=False)]
    # tifffile fills what a file lacks with zeros.
    if len(ends) < math.prod(page.chunked) or 0 in counts or max(ends) > page.parent.filehandle.size:
        raise ImageError(f"{path} is truncated or damaged (a part is missing): get a whole copy of it")
    samples = page.asarray()
    if page.axes == "SYX":
        samples = np.moveaxis(samples, 0, 2)
    return samples.reshape(page.imagelength, page.imagewidth, page.samplesperpixel)


def _check_page(page: tifffile.TiffPage, path: Path | str) -> None:
    _check_size(path, page.imagewidth, page.imagelength)
    _check_size(path, page.tilewidth, page.tilelength)
    if page.imagedepth != 1 or page.samplesperpixel > 8:
        what = f"depth {page.imagedepth} and {page.samplesperpixel} samples a pixel"
        raise ImageError(f"{path} has {what}: expected a flat picture; save it as RGB")


def _check_size(path: Path | str, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        limit = f"{MAX_PIXELS // 10**6} megapixels"
        raise ImageError(f"{path} says it is {width}x{height}: expected at most {limit}; make it smaller or crop it")


def _scale(samples: Array, peak: int) -> Array:
    values: Array = np.divide(samples, np.float32(peak), dtype=np.float32)
    return values


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged tag raises many types, and says nothing about the pixels
        return 1


def _is_tiff(file: BinaryIO) -> bool:
    head = file.read(4)
    file.seek(0)
    return head in _TIFF


def _is_picture(tensor: Tensor) -> bool:
    return tensor.ndim == 4 and tuple(tensor.shape[:2]) in ((1, 1), (1, 3)) and tensor.numel() > 0


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _write_page(tiff: tifffile.TiffWriter, samples: Array, **options: Any) -> None:
    """Add (H, W) or (H, W, samples), losslessly compressed."""
    flat = samples.ndim == 2
    photometric = "minisblack" if flat or samples.shape[2] == 2 else "rgb"
    options |= {"planarconfig": None if flat else "contig", "compression": "zlib", "predictor": True, "metadata": None}
    tiff.write(samples, photometric=photometric, **options)


@contextmanager
def _reading(path: Path | str) -> Iterator[BinaryIO]:
    """An open file; whatever a decoder raises in the block becomes one ImageError with one line."""
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
    with file:
        if not path.stat().st_size:
            raise ImageError(f"{path} is empty (0 bytes): expected a picture")
        try:
            yield file
        except ImageError:
            raise
        except Image.DecompressionBombError as error:
            raise ImageError(f"{path} is too large ({_one_line(error)}): make it smaller or crop it") from error
        except Exception as error:  # the decoders have dozens of types for a damaged file
            raise ImageError(f"{path} is truncated or damaged ({_one_line(error)}): get a whole copy of it") from error


@contextmanager
def _writing(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of ``path``; whatever an encoder raises becomes one OutputError."""
    try:
        with replacing(path) as temporary:
            yield temporary
    except OutputError:
        raise
    except Exception as error:  # each encoder has its own types
        raise OutputError(f"cannot write {path} ({_one_line(error)}): choose another place or format") from error

"""Pictures and masks on disk, read as tensors and written from them.

Everywhere else a picture is float32 NCHW RGB in [0, 1]. Values are taken as stored: colour profiles are not applied,
but kept, so that a picture that is written back looks as it did.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
import torch
from PIL import Image
from torch import Tensor

from bigprior.errors import ImageError, SettingsError
from bigprior.io.arrays import to_numpy
from bigprior.io.decoding import decode
from bigprior.io.files import writing
from bigprior.io.masks import decode_mask
from bigprior.io.metadata import Metadata
from bigprior.io.png import with_chunks
from bigprior.io.samples import Array
from bigprior.io.tiff import write_page

_WRITERS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as read, upright.

    Attributes:
        image: float32 (1, 3, H, W), RGB in [0, 1].
        alpha: float32 (1, 1, H, W) in [0, 1], or None if the file had none; kept aside for :func:`write_picture`.
        bits: 8 or 16 per channel: what the file held, rounded up (16 for floats).
        is_grey: the file held one channel, of which ``image`` has three copies; ``image[:, :1]`` writes it back.
        profile: the ICC profile of the values, or None if the file had none; for :func:`write_picture`.
        metadata: what else the file says about the picture: EXIF, XMP, IPTC, resolution, texts; the same.
    """

    image: Tensor
    alpha: Tensor | None
    bits: int
    is_grey: bool
    profile: bytes | None = None
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def is_linear(self) -> bool:
        """Whether its profile says that values are proportional to light."""
        return self.profile is not None and _is_linear(self.profile)

    def __repr__(self) -> str:
        """``<Picture 640x480 RGB+alpha 8-bit>``: width x height."""
        height, width = self.image.shape[-2:]
        kind = ("grey" if self.is_grey else "RGB") + ("" if self.alpha is None else "+alpha")
        return f"<Picture {width}x{height} {kind} {self.bits}-bit>"


def read_picture(path: Path | str, page: int | None = None) -> Picture:
    """Read a PNG, TIFF, JPEG, WebP, AVIF, BMP or GIF as :func:`bigprior.io.decoding.decode` does.

    With the extra ``formats`` also HEIC, JPEG XL and cameras' raw files.

    Args:
        path: the file.
        page: which page of a TIFF or frame of an animation, from 1 on; to be left out only where there is one.

    Raises:
        ImageError: no such file, not readable, not a picture, damaged, too large, of an unclear range, of several pages
            without ``page``, or without that page.
    """
    decoded = decode(path, page)
    tensor = torch.from_numpy(np.ascontiguousarray(decoded.values.transpose(2, 0, 1)))[None]
    colours = 1 if tensor.shape[1] < 3 else 3
    image = tensor[:, :colours].expand(-1, 3, -1, -1).contiguous()
    alpha = tensor[:, colours:].contiguous() if tensor.shape[1] > colours else None
    # A CMYK picture's profile is not of its RGB.
    profile = decoded.profile if _profile_is_of(decoded.profile, colours) else None
    return Picture(image, alpha, decoded.bits, colours == 1, profile, decoded.metadata)


def read_mask(
    path: Path | str, *, grow: int = 0, invert: bool | None = None, alpha: bool = False, page: int | None = None
) -> Tensor:
    """Read a mask from any picture: float32 (1, 1, H, W), 1 = known, 0 = hole.

    Args:
        path, grow, invert, alpha, page: as for :func:`bigprior.io.masks.decode_mask`.

    Raises:
        ImageError: as :func:`read_picture`.
        MaskError: nothing to keep, nothing to fill, most to fill, or more than black, white and edges.
        SettingsError: options that make no sense.
    """
    known = decode_mask(path, grow=grow, invert=invert, alpha=alpha, page=page)
    return torch.from_numpy(known.astype(np.float32))[None, None]


def write_picture(
    path: Path | str,
    image: Tensor,
    *,
    bits: int = 8,
    alpha: Tensor | None = None,
    profile: bytes | None = None,
    metadata: Metadata | None = None,
) -> None:
    """Write ``image`` atomically as .png, .tif, .tiff, .jpg, .jpeg (quality 95) or .webp (lossless).

    Args:
        path: where to; an old file stays as it was if anything fails.
        image: float (1, 3, H, W) RGB, or (1, 1, H, W) for a grey file; clipped to [0, 1] and rounded.
        bits: 8, or 16 in PNG and TIFF, per channel.
        alpha: float (1, 1, H, W) in [0, 1], or None; not in JPEG.
        profile: ICC profile of the values, RGB or grey as ``image`` is; kept in the file, not applied.
        metadata: what else the file says, as far as its format can: that of a picture that was read, which is upright.

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
    dtype = np.uint8 if bits == 8 else np.uint16
    samples = to_numpy(image, dtype)
    if profile is not None and not _profile_is_of(profile, samples.shape[2]):
        raise SettingsError(f"{path}: the profile is not of {'RGB' if samples.shape[2] == 3 else 'grey'}: leave it out")
    if alpha is not None:
        plane = to_numpy(alpha, dtype, name="alpha")
        if plane.shape != (*samples.shape[:2], 1):
            came, wanted = tuple(alpha.shape), (1, 1, *samples.shape[:2])
            raise ImageError(f"alpha is {came} but the image needs {wanted}: pass one of the image's size")
        samples = np.concatenate([samples, plane], axis=2)
    if samples.shape[2] == 1:
        samples = samples[:, :, 0]
    with writing(path) as temporary:
        _encode(temporary, kind, samples, alpha is not None, profile, metadata or Metadata())


def _encode(path: Path, kind: str, samples: Array, has_alpha: bool, profile: bytes | None, said: Metadata) -> None:
    """Write samples, (H, W) or (H, W, C), as a file of a kind that can hold them."""
    height, width = samples.shape[:2]
    if kind == "PNG":
        chunks = [] if profile is None else [(b"iCCP", b"icc\0\0" + zlib.compress(profile))]
        png = bytes(imagecodecs.png_encode(samples))
        path.write_bytes(with_chunks(png, [*chunks, *said.png_chunks(width, height)]))
    elif kind == "TIFF":
        with tifffile.TiffWriter(path) as tiff:
            extra = ["unassalpha"] if has_alpha else None
            write_page(tiff, samples, extrasamples=extra, iccprofile=profile)
        said.add_to_tiff(path, width, height)
    elif kind == "JPEG":  # no chroma subsampling: colour is what some restorations are about
        options = said.jpeg_options(width, height)
        Image.fromarray(samples).save(path, "JPEG", quality=95, subsampling=0, icc_profile=profile, **options)
    else:  # exact: colours under a transparent pixel are kept
        options = said.webp_options(width, height)
        Image.fromarray(samples).save(path, "WEBP", lossless=True, exact=True, icc_profile=profile, **options)


def _profile_is_of(profile: bytes | None, colours: int) -> bool:
    """Whether an ICC profile is of as many colours, 1 or 3, by its header (ICC.1:2022, 7.2.6)."""
    return profile is not None and profile[16:20] == (b"GRAY" if colours == 1 else b"RGB ")


def _is_linear(profile: bytes) -> bool:
    """Whether the tone curve of an ICC profile, of red or of grey, is a straight line (ICC.1:2022, 10.6 and 10.18)."""
    (count,) = struct.unpack_from(">I", profile.ljust(132, b"\0"), 128)
    for at in range(132, min(132 + 12 * count, len(profile) - 11), 12):
        name, start, _ = struct.unpack_from(">4sII", profile, at)
        if name in (b"rTRC", b"kTRC"):
            curve = profile[start : start + 16].ljust(16, b"\0")
            if curve[:4] == b"para":
                return struct.unpack_from(">Hxxi", curve, 8) == (0, 1 << 16)
            points, gamma = struct.unpack_from(">IH", curve, 8)
            return bool(curve[:4] == b"curv" and (points == 0 or (points == 1 and gamma == 1 << 8)))
    return False

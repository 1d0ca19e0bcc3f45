"""JPEG files restored by their own numbers, beside the same files decoded, and denoised as pixels."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile
from torch import Tensor

from bigprior import DEFAULT_PRESET
from bigprior.degradations.jpeg import Jpeg
from bigprior.errors import SettingsError
from bigprior.evaluation.metrics import psnr
from bigprior.evaluation.protocols.request import Request, Results
from bigprior.evaluation.tables import Lines
from bigprior.filters import Denoise, packaged
from bigprior.io.arrays import as_picture, in_eight_bits, to_numpy, to_pil
from bigprior.io.folders import list_pictures
from bigprior.io.jpeg import read_jpeg
from bigprior.io.pictures import read_picture
from bigprior.io.weights import sha256
from bigprior.ops.colour import is_grey
from bigprior.presets.loading import load_restorer
from bigprior.progress import Progress
from bigprior.registry import missing
from bigprior.restoration import Restoration

#: Filters of the decoded pixels, told the error that is expected of them, and the package that each needs.
_FILTERS: dict[str, tuple[Denoise, str]] = {"tv": (packaged.tv, "skimage"), "bm3d": (packaged.bm3d, "bm3d")}


def dejpeg(request: Request, progress: Progress) -> Results:
    """JPEG files of each ``--quality``, Pillow's, 4:2:0 or grey; results of 8 bits, a line a picture and quality.

    Rows are ``input``, as libjpeg decodes the file; ``ours``, with the share of the file's numbers that are the same
    when it is stored with the file's own tables again; and filters of the decoded pixels.

    Raises:
        SettingsError: no quality, or one outside 1..100.
    """
    if not request.qualities or not all(1 <= quality <= 100 for quality in request.qualities):
        raise SettingsError(f"qualities are {request.qualities}: dejpeg needs --quality, 1 to 100, such as 10,20,40")
    files = list_pictures(request.data, request.index)
    restorer = load_restorer(request.preset or DEFAULT_PRESET, Jpeg.name, steps=request.steps, prior=request.prior)
    restorer.calibration = None
    chosen = [name for name, (_, package) in _FILTERS.items() if missing(package) is None]
    if request.baselines is not None:
        chosen = [name for name in chosen if name in request.baselines]
    lines, made_of = Lines(request.lines), [restorer.provenance, chosen]
    results: Results = {}
    for i, quality in enumerate(request.qualities):
        scores: dict[str, list[dict[str, float]]] = {}
        for j, file in enumerate(files):
            key = Lines.key(json.dumps(["dejpeg", quality, sha256(file), made_of], sort_keys=True, default=str))
            if key not in lines.known:
                found = _scored(read_picture(file).image, quality, restorer.restore, chosen)
                lines.add(key, f"quality {quality}", file.stem, found)
            for row, found in lines.known[key].items():
                scores.setdefault(row, []).append(found)
            progress(i * len(files) + j + 1, len(request.qualities) * len(files))
        results[f"quality-{quality}"] = {
            row: {key: float(np.mean([one[key] for one in all_of])) for key in all_of[0]}
            for row, all_of in scores.items()
        }
    return results | {"pictures": len(files)}


def _scored(
    x: Tensor, quality: int, restore: Callable[..., Restoration], chosen: list[str]
) -> dict[str, dict[str, float]]:
    """The scores of a picture (1, 3, H, W) that is stored and restored, by row."""
    with tempfile.TemporaryDirectory() as folder:
        stored, again = Path(folder) / "stored.jpg", Path(folder) / "again.jpg"
        picture = to_pil(x).convert("L" if bool(is_grey(x)) else "RGB")
        picture.save(stored, "JPEG", quality=quality)
        opened = JpegImageFile(stored)
        with opened:
            decoded, tables = as_picture(opened.convert("RGB")), opened.quantization
        y, physics = Jpeg().of_file(stored, read_picture(stored))
        began = time.perf_counter()
        result = restore(y, physics)
        seconds = time.perf_counter() - began
        ours = in_eight_bits(result.restored)
        to_pil(ours).convert(picture.mode).save(again, "JPEG", qtables=tables)
        same = _same(stored, again)
    scores = {"input": {"psnr": float(psnr(decoded, x))}}
    scores["ours"] = {"psnr": float(psnr(ours, x)), "unchanged": same, "share": result.mean_share, "seconds": seconds}
    noise = physics.noise_in(y)
    for name in chosen:
        samples = to_numpy(decoded[:, : 1 if picture.mode == "L" else 3], np.float64)
        clean = as_picture(np.clip(_FILTERS[name][0](samples, float(noise.sigma)), 0, 1)).expand(-1, 3, -1, -1)
        scores[name] = {"psnr": float(psnr(in_eight_bits(clean), x))}
    return scores


def _same(file: Path, other: Path) -> float:
    """The share of a JPEG's numbers that another has too, of blocks that hold something of the picture."""
    one, two = read_jpeg(file), read_jpeg(other)
    most = [max(axis) for axis in zip(*one.sampling, strict=True)]
    same, count = 0, 0
    for a, b, sampling in zip(one.coefficients, two.coefficients, one.sampling, strict=True):
        rows, columns = (-(-side * s // (8 * m)) for side, s, m in zip(one.size, sampling, most, strict=True))
        equal = a[:rows, :columns] == b[:rows, :columns]
        same, count = same + int(equal.sum()), count + equal.size
    return same / count

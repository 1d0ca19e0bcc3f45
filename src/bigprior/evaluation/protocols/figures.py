"""Pictures of what was measured, the prior, ``phi`` and what came of it: the paper's Figures 2 to 6, and others."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from bigprior import DEFAULT_PRESET
from bigprior.degradations import Deblurring, Degradation, Demosaicing, Jpeg, Poisson, Upscaling
from bigprior.degradations.kernels import motion
from bigprior.degradations.simulation import rng_of, simulate
from bigprior.errors import SettingsError
from bigprior.evaluation.metrics import psnr
from bigprior.evaluation.plots import gallery_figure
from bigprior.evaluation.protocols.request import Request, Results, folder_of
from bigprior.io.arrays import in_eight_bits, to_pil
from bigprior.io.folders import load_set
from bigprior.io.pictures import read_picture
from bigprior.presets.loading import load_restorer
from bigprior.progress import Progress
from bigprior.report.folder import save_figure

#: A picture (1, 3, H, W) and its name to a measurement, and how it came to be.
_Measure = Callable[[Tensor, str], tuple[Tensor, Degradation]]
#: How many pictures the figures show that are none of the paper's.
_FEW = 2
#: White noise beside a blur, in [0, 1]; the count of white; and the quality of a JPEG file.
_BLURRED, _PEAK, _QUALITY = 2.55 / 255, 10.0, 10


def gallery(request: Request, progress: Progress) -> Results:
    """Figures 2 to 6, and one for each degradation whose phi is known in closed form: a row a picture.

    What a preset's prior cannot serve is left out, and ``missing`` says why.
    """
    folder = folder_of(request, "gallery")
    pictures, results, missing = load_set(request.data, request.index), Results(), dict[str, str]()
    for done, (name, (task, measure, count)) in enumerate(_SHOWN.items()):
        restorer, rows = load_restorer(request.preset or DEFAULT_PRESET, task, steps=request.steps), []
        names = pictures.names[:count]
        try:
            for i, picture in enumerate(names):
                x = pictures.images[i : i + 1]
                rows.append((restorer.restore(*measure(x, picture)), x))
                progress(done * len(names) + i + 1, len(_SHOWN) * len(names))
        except SettingsError as error:
            missing[name] = str(error)
            continue
        save_figure(gallery_figure(rows), folder / f"{name}.png")
        results[name] = {n: float(psnr(r.restored, x)) for n, (r, x) in zip(names, rows, strict=True)}
    return results | ({"missing": missing} if missing else {})


def _simulated(protocol: str, x: Tensor, name: str) -> tuple[Tensor, Degradation]:
    return simulate(protocol, x, [name])


def _smaller(x: Tensor, name: str) -> tuple[Tensor, Degradation]:
    physics = Upscaling(2)
    return in_eight_bits(physics.f(x)), physics


def _blurred(x: Tensor, name: str) -> tuple[Tensor, Degradation]:
    physics = Deblurring(motion(15, 30), _BLURRED)
    return physics.f(x) + _BLURRED * torch.randn(x.shape, generator=rng_of("gallery-blurred", name)), physics


def _stored(x: Tensor, name: str) -> tuple[Tensor, Degradation]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stored.jpg"
        to_pil(x).save(file, "JPEG", quality=_QUALITY)
        return Jpeg().of_file(file, read_picture(file))


def _counted(x: Tensor, name: str) -> tuple[Tensor, Degradation]:
    return torch.poisson(_PEAK * x, generator=rng_of("gallery-counted", name)) / _PEAK, Poisson(1 / _PEAK)


def _mosaic(x: Tensor, name: str) -> tuple[Tensor, Degradation]:
    physics = Demosaicing()
    return physics.f(x), physics


#: By the name of the file: the task, how pictures are measured, and how many of them are shown; all without a number.
_SHOWN: dict[str, tuple[str, _Measure, int | None]] = {
    "denoising": ("denoising", partial(_simulated, "denoising"), None),
    "inpainting-centre": ("inpainting", partial(_simulated, "inpainting-centre"), None),
    "inpainting-boxes": ("inpainting", partial(_simulated, "inpainting-boxes"), None),
    "colorization": ("colorization", partial(_simulated, "colorization"), None),
    "upscaling": (Upscaling.name, _smaller, _FEW),
    "deblurring": (Deblurring.name, _blurred, _FEW),
    "dejpeg": (Jpeg.name, _stored, _FEW),
    "poisson": (Poisson.name, _counted, _FEW),
    "demosaicing": (Demosaicing.name, _mosaic, _FEW),
}

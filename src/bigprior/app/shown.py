"""What the page shows of a restoration: small enough for a screen, and fast enough to follow a brush."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from bigprior.io.arrays import to_pil
from bigprior.report.noise import noise_map
from bigprior.report.shown import as_picture, shrunk
from bigprior.restoration import Restoration

#: Longest side of a picture on the page, and how much of a tint covers it where it says most.
SIDE_PX, _COVER = 1400, 0.75
_ORANGE, _VIOLET = (0.95, 0.45, 0.05), (0.55, 0.2, 0.85)


def before(result: Restoration) -> Image.Image:
    """The measurement, as a picture of the restored one's size."""
    restored, y = shrunk(result.restored, SIDE_PX), shrunk(as_picture(result), SIDE_PX).clamp(0, 1)
    picture = to_pil(y)
    size = restored.shape[3], restored.shape[2]
    return picture if picture.size == size else picture.resize(size)


def after(result: Restoration) -> Image.Image:
    """The restored picture."""
    return to_pil(shrunk(result.restored, SIDE_PX))


def made_up(result: Restoration) -> Image.Image:
    """The restored picture in grey, orange where it is made up."""
    return _tinted(result, shrunk(result.phi.mean(dim=1, keepdim=True), SIDE_PX), _ORANGE)


def noise(result: Restoration) -> Image.Image | None:
    """The restored picture in grey, violet where most noise was found; None where it is the same everywhere."""
    if result.noise is None or bool(result.noise.white):
        return None
    level = noise_map(result.noise)
    level = torch.nn.functional.interpolate(level, size=result.restored.shape[2:], mode="bilinear")
    return _tinted(result, shrunk(level / level.max().clamp_min(1e-6), SIDE_PX), _VIOLET)


def url(picture: Image.Image) -> str:
    """A picture as a data URL."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _tinted(result: Restoration, cover: Tensor, colour: Sequence[float]) -> Image.Image:
    """The restored picture in grey, under a colour as far as ``cover`` (1, 1, h, w) in [0, 1] says."""
    grey = shrunk(result.restored, SIDE_PX).clamp(0, 1).mean(dim=1, keepdim=True)
    cover = _COVER * cover.clamp(0, 1)
    return to_pil((1 - cover) * grey + cover * torch.tensor(colour).view(1, 3, 1, 1))

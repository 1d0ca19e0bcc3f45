"""A report in one HTML file that asks nobody for anything: what was measured, what was made up, and how it was made."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Mapping
from importlib.resources import files
from string import Template
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from PIL import Image
from torch import Tensor

from bigprior.calibration import Bound
from bigprior.io.arrays import to_pil
from bigprior.report.noise import noise_map
from bigprior.report.shown import Restored, as_picture, shrunk
from bigprior.report.verdict import histogram, verdict

#: Longest side of a picture in the report, and the most that is kept without loss, in pixels.
_SIDE_PX, _LOSSLESS_PX = 1000, 320
#: How opaque an overlay is where it says something.
_OPACITY = 0.8


class Overlay(NamedTuple):
    """A map over the picture.

    Attributes:
        name: what it is called.
        values: (1, 1, h, w), from ``least`` to ``most``.
        least, most: the ends of its scale, in its own unit.
        ends: what a person reads there.
    """

    name: str
    values: Tensor
    least: float
    most: float
    ends: tuple[str, str]


def page(restoration: Restored, values: Mapping[str, Any]) -> str:
    """The report on one picture.

    Args:
        restoration: of one picture.
        values: its record's fields.
    """
    restored, measurement = (shrunk(x, _SIDE_PX) for x in (restoration.restored, as_picture(restoration).clamp(0, 1)))
    maps = [_drawn(i, overlay) for i, overlay in enumerate(_overlays(restoration), start=1)]
    pictures = {"measurement": _url(to_pil(measurement)), "restored": _url(to_pil(restored))}
    prints = [*pictures.items(), *((one["name"], one["url"]) for one in maps)]
    name = (values.get("input") or {}).get("name", restoration.task)
    template = Template(files("bigprior").joinpath("report", "template.html").read_text("utf-8"))
    return template.substitute(
        pictures,
        title=html.escape(f"{name}: {restoration.task}, {restoration.mean_share:.0%} made up"),
        width=max(320, restored.shape[3]),
        verdict="".join(f"<li>{html.escape(line)}</li>" for line in verdict(restoration, values)),
        overlays="".join(
            f'<img class="overlay" data-overlay="{one["key"]}" src="{one["url"]}" alt="{one["name"]}">' for one in maps
        ),
        choices="".join(
            f'<label><input type="radio" name="overlay" value="{one["key"]}"> {one["name"]}</label>' for one in maps
        ),
        scales="".join(f'<div class="scale" data-overlay="{one["key"]}">{one["scale"]}</div>' for one in maps),
        prints="".join(
            f'<figure><img src="{url}" alt=""><figcaption>{what}</figcaption></figure>' for what, url in prints
        ),
        histogram=_bars(histogram(restoration)),
        record=html.escape(json.dumps(dict(values), indent=2)),
    )


def _overlays(restoration: Restored) -> list[Overlay]:
    """What can be shown over the picture: phi; the bound, where there is one; noise that is not the same everywhere."""
    found = [Overlay("phi", restoration.phi.mean(dim=1, keepdim=True), 0, 1, ("0: measured", "1: made up"))]
    bound = getattr(restoration, "bound", None)
    if isinstance(bound, Bound):
        wide = (bound.upper - bound.lower).mean(dim=1, keepdim=True) / 2
        found.append(Overlay("bound", wide, 0, float(wide.max()), ("0", f"± {255 * float(wide.max()):.0f} of 255")))
    if restoration.noise is not None and not bool(restoration.noise.white):
        sigma = noise_map(restoration.noise)
        most = float(sigma.max())
        found.append(Overlay("noise", sigma, 0, most, ("sigma 0", f"{255 * most:.1f} of 255")))
    return found


def _drawn(key: int, overlay: Overlay) -> dict[str, str]:
    """An overlay as a picture, and its scale."""
    colours = matplotlib.colormaps["inferno"]
    at = ((shrunk(overlay.values, _SIDE_PX)[0, 0] - overlay.least) / max(overlay.most - overlay.least, 1e-12)).numpy()
    pixels = (255 * colours(np.clip(at, 0, 1))).round().astype(np.uint8)
    pixels[:, :, 3] = round(255 * _OPACITY)
    scale = Image.fromarray((255 * colours(np.linspace(0, 1, 128)[None])).round().astype(np.uint8))
    least, most = (html.escape(end) for end in overlay.ends)
    name = html.escape(overlay.name)
    url = _url(Image.fromarray(pixels).quantize(128))
    return {
        "key": str(key),
        "name": name,
        "url": url,
        "scale": f'{name}: {least} <img src="{_url(scale)}" alt=""> {most}',
    }


def _bars(parts: list[float]) -> str:
    """A histogram as SVG."""
    width, height, most = 600, 120, max(parts)
    step = width / len(parts)
    bars = "".join(
        f'<rect x="{i * step + 1:.1f}" y="{height * (1 - part / most):.1f}" width="{step - 2:.1f}" '
        f'height="{height * part / most:.1f}" fill="#5b6b8c"><title>{part:.1%} of the pixels</title></rect>'
        for i, part in enumerate(parts)
    )
    ends = f'<text x="0" y="{height + 16}">0</text><text x="{width - 8}" y="{height + 16}">1</text>'
    top = (
        f'<text x="{width / 2}" y="{height + 16}" text-anchor="middle">most in a step: {most:.0%} of the pixels</text>'
    )
    return f'<svg viewBox="0 0 {width} {height + 20}" width="{width}" role="img" font-size="13">{bars}{ends}{top}</svg>'


def _url(picture: Image.Image) -> str:
    """A picture as a data URL: without loss if it is small or a map, else as JPEG."""
    file, kind = io.BytesIO(), "png"
    if picture.mode == "RGB" and max(picture.size) > _LOSSLESS_PX:
        kind = "jpeg"
        picture.save(file, "JPEG", quality=90)
    else:
        picture.save(file, "PNG", optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"

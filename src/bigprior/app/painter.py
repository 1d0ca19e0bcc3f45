"""A picture to paint on, with a mouse, a finger or the keyboard, without any library: Gradio's own editor needs WebGL.

What was painted comes as a PNG of the shown picture's size, from which :func:`strokes` reads one mask for each brush.
"""

from __future__ import annotations

import base64
import binascii
import html
import io
import json
from importlib.resources import files
from typing import Any

import gradio as gr
import numpy as np
import numpy.typing as npt
from PIL.PngImagePlugin import PngImageFile

from bigprior.errors import MaskError
from bigprior.io.samples import Array

#: The colours of brushes, by their order: the first has more blue than red, the second more red.
COLOURS = ((31, 111, 178), (217, 95, 14))
_PREFIX = "data:image/png;base64,"


def painter(label: str, brushes: dict[str, str], elem_id: str) -> gr.HTML:
    """The component. Its value is ``{"url": ..., "round": ...}``: a picture, and a number that changes with a new one.

    Its ``input`` event says in ``painted`` what :func:`strokes` reads.

    Args:
        label: what is painted, for those who do not see it.
        brushes: what each stands for, by its name.
        elem_id: of the component in the page.
    """
    buttons = "".join(
        f'<button type="button" class="brush" data-brush="{i}" aria-pressed="{str(i == 0).lower()}" '
        f'style="--brush:rgb{COLOURS[i]}">{html.escape(said)}</button>'
        for i, said in enumerate(brushes.values())
    )
    folder = files("bigprior").joinpath("app")
    template = folder.joinpath("painter.html").read_text("utf-8").replace("@buttons", buttons)
    colours = json.dumps([f"rgb{colour}" for colour in COLOURS[: len(brushes)]])
    return gr.HTML(
        value={"url": "", "round": 0},
        html_template=template.replace("@label", html.escape(label)),
        css_template=folder.joinpath("painter.css").read_text("utf-8"),
        js_on_load=folder.joinpath("painter.js").read_text("utf-8").replace("@colours", colours),
        elem_id=elem_id,
    )


def strokes(painted: Any, size: tuple[int, int]) -> list[npt.NDArray[np.bool_]]:
    """Where each brush of :data:`COLOURS` was, (H, W), at a picture's own size, from what a page sent.

    Args:
        painted: a PNG as a data URL; any size, which is no larger than 4096 pixels a side.
        size: height and width of the picture.

    Raises:
        MaskError: nothing that the page sends.
    """
    try:
        text = str(painted)
        if not text.startswith(_PREFIX):
            raise ValueError("no PNG")
        picture = PngImageFile(io.BytesIO(base64.b64decode(text.removeprefix(_PREFIX), validate=True)))
        if max(picture.size) > 4096:
            raise ValueError("too large")
        small: Array = np.asarray(picture.convert("RGBA"))
    except (ValueError, OSError, SyntaxError, binascii.Error) as error:
        raise MaskError(f"what was painted cannot be read ({error}): paint it again") from None
    (height, width), (h, w) = size, small.shape[:2]
    if (h, w) != (height, width):
        small = small[np.arange(height) * h // height][:, np.arange(width) * w // width]
    covered, red = small[:, :, 3] > 127, small[:, :, 0] > small[:, :, 2]
    return [covered & ~red, covered & red]

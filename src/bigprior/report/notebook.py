"""A restoration in a notebook: a slider between what was measured and what came of it."""

from __future__ import annotations

import base64
import io

from PIL.Image import Image

from bigprior.io.arrays import to_pil
from bigprior.report.shown import PANEL_PX, Restored, as_picture, shrunk

# A picture over another, of which a slider without any script library cuts a part away.
_HTML = """<figure style="margin:0;max-width:{width}px">
<div style="position:relative;line-height:0">
<img src="{restored}" style="width:100%" alt="restored picture">
<img src="{measurement}" style="position:absolute;inset:0;width:100%;clip-path:inset(0 50% 0 0)" alt="measurement">
</div>
<input type="range" min="0" max="100" value="50" style="width:100%"
aria-label="measurement to the left, restored to the right"
oninput="this.previousElementSibling.lastElementChild.style.clipPath=`inset(0 ${{100-this.value}}% 0 0)`">
<figcaption>{caption}</figcaption>
</figure>"""


def slider(restoration: Restored) -> str:
    """HTML of one picture: the measurement to the left of a slider, the restored picture to the right."""
    restored, measurement = (to_pil(shrunk(x)) for x in (restoration.restored, as_picture(restoration).clamp(0, 1)))
    return _HTML.format(
        width=min(PANEL_PX, restored.width),
        restored=_url(restored),
        measurement=_url(measurement),
        caption=f"{restoration.task}: {restoration.mean_share:.0%} made up",
    )


def _url(picture: Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()

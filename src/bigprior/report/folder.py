"""What a person sees of a restoration: pictures, the phi heat map with its scale, a panel, JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from bigprior.errors import ImageError, SettingsError
from bigprior.frames import FRAMES
from bigprior.io.arrays import as_picture as as_batch
from bigprior.io.arrays import to_numpy
from bigprior.io.atomic import appearing, write_text
from bigprior.io.files import writing
from bigprior.io.layers import write_layers
from bigprior.io.metadata import Metadata
from bigprior.io.pictures import write_picture
from bigprior.report.credentials import sign, source_type
from bigprior.report.noise import noise_figure
from bigprior.report.output import CONTAINERS_OF_LAYERS, PICTURES, RECORD, Output, check_folder
from bigprior.report.page import page
from bigprior.report.record import sealed
from bigprior.report.shown import Restored, as_picture, shrunk
from bigprior.report.tratteggio import hatched

#: What is kept as layers, one of the restored picture's size each, beside the bands of ``phi``.
LAYERS_OF = ("fidelity", "prior", "phi", "measured", "hallucinated", "restored")


def save_restoration(
    restoration: Restored,
    folder: Path | str,
    *,
    bits: int = 8,
    alpha: Tensor | None = None,
    suffix: str = ".png",
    grey: bool = False,
    profile: bytes | None = None,
    metadata: Metadata | None = None,
    others: Sequence[Restored] = (),
    beside: Mapping[str, Tensor] | None = None,
    said: Mapping[str, Any] | None = None,
    photo: Path | None = None,
    **output: Any,
) -> dict[str, Path]:
    """Write a restoration of one picture into a new folder, which appears when all of it is written.

    Args:
        restoration: of one picture.
        folder: not there yet, or empty.
        bits: of ``restored``, ``fidelity`` and ``prior``, per channel.
        alpha: (1, 1, H, W), put back on ``restored``.
        suffix: that of the photo, whose format these pictures get if it keeps every bit, unless ``format`` is given.
        grey: they have one channel.
        profile: their ICC profile.
        metadata: what else the photo's file says, for ``restored``.
        others: other restorations of the same measurement, whose ``restored`` are written beside its own, as
            ``restored-2`` and so on, with ``samples``, all of them side by side.
        beside: pictures more, (1, 1 or 3, H, W), by name; written as PNG.
        said: what the record says beside what the restoration knows, such as which file it is of: fields of
            :class:`bigprior.report.record.Record`.
        photo: what was restored, where the result is to be signed.
        output: ``only``, ``format``, ``layers``, ``layers_as``, ``overwrite`` and ``sign``, see
            :class:`bigprior.report.output.Output`.

    Returns:
        The files by what they hold: the parts that were asked for, ``layers``, and ``json``, how it was made.

    Raises:
        ImageError: a restoration of several pictures.
        OutputError: the folder cannot be written, or holds files.
        SettingsError: an ``output`` that is none.
    """
    # Long for its options, each of which is said once.
    if len(restoration) != 1:
        raise ImageError(f"this restoration holds {len(restoration)} pictures: save each, restoration[0] to the last")
    folder, chosen = Path(folder), Output(**output)
    check_folder(folder, overwrite=chosen.overwrite)
    pictures, drawn = _parts(restoration, others, chosen.only)
    names: dict[str, str] = {}
    with appearing(folder, replace=chosen.overwrite) as place:
        for part, image in pictures.items():
            names[part] = f"{part}{chosen.suffix(suffix)}"
            own: dict[str, Any] = {}
            if part.startswith("restored"):
                marked = (metadata or Metadata()).with_source(source_type(restoration.task))
                own = {"alpha": alpha, "metadata": marked}
            write_picture(place / names[part], image[:, : 1 if grey else 3], bits=bits, profile=profile, **own)
        if "phi" in chosen.only:
            names["phi"] = "phi.png"
            write_picture(place / names["phi"], restoration.phi.mean(dim=1, keepdim=True))
        if "tratteggio" in chosen.only:
            names["tratteggio"] = "tratteggio.png"
            lines = hatched(
                to_numpy(restoration.restored), to_numpy(restoration.phi.mean(dim=1, keepdim=True))[:, :, 0]
            )
            write_picture(place / names["tratteggio"], as_batch(lines))
        for part, figure in drawn.items():
            names[part] = f"{part}.png"
            save_figure(figure, place / names[part])
        for name, picture in (beside or {}).items():
            names[name] = f"{name}.png"
            write_picture(place / names[name], picture)
        values = description(restoration, others) | dict(said or {})
        if chosen.sign is not None:
            if photo is None:
                raise SettingsError("what is signed has an original: pass its file as photo")
            values["credentials"] = sign(place / names["restored"], photo, chosen.sign, values, restoration.phi)
        if chosen.layers != "none":
            names["layers"] = CONTAINERS_OF_LAYERS[chosen.layers_as]
            kept = torch.float16 if chosen.layers == "half" else torch.float32
            write_layers(place / names["layers"], {n: x.to(kept) for n, x in layers_of(restoration).items()})
            values["layers"] = {"file": names["layers"], "kept": chosen.layers}
        if "report" in chosen.only:
            names["report"] = "report.html"
            write_text(place / names["report"], page(restoration, values))
        names["json"] = RECORD
        write_text(place / RECORD, json.dumps(sealed(values, place), indent=2) + "\n")
    return {what: folder / name for what, name in names.items()}


def _parts(
    restoration: Restored, others: Sequence[Restored], only: Sequence[str]
) -> tuple[dict[str, Tensor], dict[str, Figure]]:
    """The pictures that are written as the photo was, and the drawings."""
    pictures = {part: getattr(restoration, part) for part in only if part in PICTURES}
    if "restored" in pictures:
        pictures |= {f"restored-{number}": other.restored for number, other in enumerate(others, start=2)}
    drawn = {part: _FIGURES[part](restoration) for part in only if part in _FIGURES}
    if others and "panel" in drawn:
        drawn["samples"] = samples_figure([restoration, *others])
    if "panel" in drawn and restoration.noise is not None and not bool(restoration.noise.white):
        drawn["noise"] = noise_figure(restoration.noise, restoration.fidelity)
    return pictures, drawn


def layers_of(restoration: Restored) -> dict[str, Tensor]:
    """What gives a restoration of one picture back, by name: tensors (1, 1 or 3, H, W).

    Bands of ``phi`` that are no picture, ``band-1`` to the last, and a measurement that is none, have their channels
    one below the other; the measurement is among them if the fidelity term does not say it.
    """
    found = {name: getattr(restoration, name) for name in LAYERS_OF}
    if len(restoration.bands) > 1:
        found |= {f"band-{i}": band.flatten(1, 2)[:, None] for i, band in enumerate(restoration.bands, start=1)}
    if _channels(restoration) is None:
        y = restoration.measurement
        found["measurement"] = y if y.shape[1] in (1, 3) else y.flatten(1, 2)[:, None]
    return found


def _channels(restoration: Restored) -> int | None:
    """So many of the fidelity term's channels are the measurement; None if it is none of them."""
    y, x = restoration.measurement, restoration.fidelity
    return y.shape[1] if y.ndim == 4 and torch.equal(y, x[:, : y.shape[1]]) else None


def description(restoration: Restored, others: Sequence[Restored] = ()) -> dict[str, Any]:
    """What ``restoration.json`` says: settings, seed, versions, weight hashes, and how much was made up."""
    height, width = restoration.restored.shape[2:]
    seeds = [{"seed": r.provenance.get("seed"), "made_up": _exact(r.mean_share)} for r in (restoration, *others)]
    return {
        "task": restoration.task,
        "width": width,
        "height": height,
        "made_up": _exact(restoration.mean_share),
        "made_up_of": {kind: _exact(float(share.mean())) for kind, share in restoration.kinds.items()},
        "bound": None,
        "capped": None,
        "measurement_channels": _channels(restoration),
        "measurement_shape": list(restoration.measurement.shape[1:]),
        "bands": [list(band.shape[1:]) for band in restoration.bands],
        **restoration.provenance,
        **({"samples": seeds} if others else {}),
        "versions": _versions(),
    }


@cache
def _versions() -> dict[str, str]:
    """Read once: of thousands of pictures, that is a part of the time that writing takes."""
    return {"python": platform.python_version()} | {k: version(k) for k in ("bigprior", "torch", "deepinv")}


def _exact(value: float) -> float:
    """The shortest number that is the same in single precision, within what a share can be."""
    return min(1.0, max(0.0, float(str(np.float32(value)))))


def phi_figure(restoration: Restored) -> Figure:
    """Heat map of phi, the prior's share of each pixel, averaged over colours, with its scale from 0 to 1."""
    values = shrunk(restoration.phi.mean(dim=1, keepdim=True))[0, 0]
    figure = Figure(figsize=(6, 5 * max(0.2, min(2.0, values.shape[0] / values.shape[1])) + 0.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    heat = axes.imshow(values.numpy(), vmin=0, vmax=1, cmap="inferno", interpolation="nearest")
    axes.set_title(f"{restoration.mean_share:.0%} made up")
    figure.colorbar(heat, ax=axes, label="phi: 0 = measured, 1 = made up")
    return figure


def panel_figure(restoration: Restored) -> Figure:
    """Measurement, fidelity, prior, phi and restored picture side by side, with the equation that joins them."""
    measurement = as_picture(restoration)
    shown = {
        "measurement  y": measurement,
        "fidelity  g_inv(y)": restoration.fidelity,
        "prior  G(z*)": restoration.prior,
        f"phi: {restoration.mean_share:.0%} made up": restoration.phi.mean(dim=1, keepdim=True),
        "restored": restoration.restored,
    }
    height, width = measurement.shape[2:]
    aspect = max(0.3, min(3.0, height / width))
    figure = Figure(figsize=(3 * len(shown) + 0.6, 3 * aspect + 0.6), layout="constrained")
    for axes, (title, image) in zip(figure.subplots(1, len(shown)), shown.items(), strict=True):
        axes.set_axis_off()
        axes.set_title(title)
        small = shrunk(image)
        if image.shape[1] == 3:
            axes.imshow(to_numpy(small), interpolation="nearest")
        else:
            heat = axes.imshow(small[0, 0].numpy(), vmin=0, vmax=1, cmap="inferno", interpolation="nearest")
            figure.colorbar(heat, ax=axes, fraction=0.046 * aspect, pad=0.02)
    equation, frame = "(1 - phi) * fidelity + phi * prior", restoration.provenance.get("frame")
    if frame is None:  # of several steps
        equation = "what every step left of the measurement + what any step made up"
    elif frame not in FRAMES:  # a degradation's own, which weighs by itself
        equation = "measured + hallucinated"
    elif len(restoration.bands) > 1:
        equation = f"W\u1d40 [(1 - phi) * W fidelity + phi * W prior],  W = {frame}"
    figure.suptitle(f"{restoration.task}:  restored = {equation}", fontsize=11)
    return figure


def samples_figure(restorations: Sequence[Restored]) -> Figure:
    """Different answers to one measurement, side by side in rows of up to four, with how much of each is made up."""
    columns = min(4, len(restorations))
    rows = -(-len(restorations) // columns)
    height, width = restorations[0].restored.shape[2:]
    aspect = max(0.3, min(3.0, height / width))
    figure = Figure(figsize=(3 * columns, (3 * aspect + 0.4) * rows), layout="constrained")
    for axes, one in zip_longest(figure.subplots(rows, columns, squeeze=False).flat, restorations):
        axes.set_axis_off()
        if one is not None:
            axes.set_title(f"seed {one.provenance.get('seed')}: {one.mean_share:.0%} made up")
            axes.imshow(to_numpy(shrunk(one.restored)), interpolation="nearest")
    return figure


def save_figure(figure: Figure, path: Path | str) -> None:
    """Write a figure as PNG; the same figure gives the same bytes.

    Raises:
        OutputError: the place cannot be written.
    """
    with writing(Path(path)) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary), metadata={"Software": None})


#: Parts of the output that are drawings.
_FIGURES = {"heatmap": phi_figure, "panel": panel_figure}

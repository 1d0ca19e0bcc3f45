"""A folder of results as the restoration that it was saved from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bigprior.errors import ImageError
from bigprior.io.layers import read_layers
from bigprior.priors.base import Projection
from bigprior.report.folder import LAYERS_OF
from bigprior.report.record import ADDED, Record, checked, read_values
from bigprior.restoration import Restoration


def load(folder: Path | str) -> Restoration:
    """The restoration of a folder of results, from its record and its layers.

    Saved with ``layers="float"`` it is equal to what was saved; with ``half`` it is so to 2**-11 of a value. The codes
    and the history of an inversion, and where noise was, are not kept.

    Raises:
        ImageError: no such folder, a record of another form, no layers, or layers that are no restoration's.
    """
    folder = Path(folder)
    values = read_values(folder)
    record = checked(values)
    if record.layers is None:
        raise ImageError(f"{folder} was saved without layers: restore again with --layers float")
    path = folder / record.layers.file
    layers = checked_layers(read_layers(path), str(path), (record.height, record.width))
    if record.measurement_channels is None and "measurement" not in layers:
        raise ImageError(f"{path} does not hold the measurement: restore again with --layers-as tiff or npz")
    pictures: dict[str, Any] = {name: layers[name] for name in LAYERS_OF}
    return Restoration(
        **pictures,
        bands=_bands(layers, record.bands),
        share=torch.tensor([record.made_up]),
        measurement=measurement_of(layers, record),
        projection=Projection(layers["prior"], {}),
        task=record.task,
        provenance=provenance_of(values),
        kinds={kind: torch.tensor([share]) for kind, share in record.made_up_of.items()},
    )


def checked_layers(layers: dict[str, Tensor], name: str, size: tuple[int, int] | None = None) -> dict[str, Tensor]:
    """Layers, if they are those of a restoration of one size: height and width, by default the restored picture's.

    Raises:
        ImageError: one is missing, of another size, not finite, or a phi outside [0, 1]; the message calls the file
            ``name``.
    """
    for layer in LAYERS_OF:
        if layer not in layers:
            raise ImageError(f"{name} has no layer {layer!r}: expected {', '.join(LAYERS_OF)}")
        if not layers[layer].isfinite().all():
            raise ImageError(f"the layer {layer!r} of {name} holds NaN or infinity: expected finite numbers")
    height, width = size or layers["restored"].shape[2:]
    for layer in LAYERS_OF:
        if (came := tuple(layers[layer].shape[2:])) != (height, width):
            raise ImageError(f"the layer {layer!r} of {name} is {came[1]}x{came[0]}: expected {width}x{height}")
    least, most = (float(value) for value in layers["phi"].aminmax())
    if least < 0 or most > 1:
        raise ImageError(f"the layer 'phi' of {name} has values {least:g} to {most:g}: expected 0 to 1")
    return layers


def measurement_of(layers: dict[str, Tensor], record: Record) -> Tensor:
    """The measurement that the layers hold: one of their own, or channels of the fidelity term."""
    if record.measurement_channels is not None:
        return layers["fidelity"][:, : record.measurement_channels]
    y = layers["measurement"]
    return y if record.measurement_shape is None else y.view(1, *record.measurement_shape)


def provenance_of(values: dict[str, Any]) -> dict[str, Any]:
    """Of a record's fields, what the restorer said."""
    own = {name: value for name, value in values.items() if name not in ADDED}
    return own | {name: values[name] for name in ("bound", "capped") if values.get(name) is not None}


def _bands(layers: dict[str, Tensor], shapes: list[list[int]]) -> tuple[Tensor, ...]:
    if len(shapes) < 2 or "band-1" not in layers:
        return (layers["phi"],)
    return tuple(layers[f"band-{i}"].view(1, *shape) for i, shape in enumerate(shapes, start=1))

"""The restored picture from its layers, as they are or as somebody has edited them."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from bigprior.errors import ImageError, SettingsError
from bigprior.fusion import fuse
from bigprior.io.layers import read_layers
from bigprior.io.pictures import Picture, read_picture, write_picture
from bigprior.provenance.loading import checked_layers
from bigprior.report.record import checked, read_values

#: What a picture is made of again: the sum of both parts; or the fidelity term and the prior, weighed by phi.
WAYS = ("sum", "phi")


def recompose(layers: dict[str, Tensor], by: str = "sum", name: str = "these") -> Tensor:
    """The picture (1, 3, H, W) that layers make: ``measured + hallucinated``, or Eq. 5.

    Args:
        layers: as :func:`bigprior.read_layers` gives them.
        by: ``sum``; or ``phi``: ``(1 - phi) * fidelity + phi * prior``, which is the restored picture where phi weighs
            pixels.
        name: what messages call them.

    Raises:
        ImageError: a layer is missing, of another size, not finite, or a phi outside [0, 1].
        SettingsError: another way.
    """
    if by not in WAYS:
        raise SettingsError(f"by is {by!r}: expected {', '.join(WAYS)}")
    layers = checked_layers(layers, name)
    if by == "sum":
        return layers["measured"] + layers["hallucinated"]
    return fuse(layers["fidelity"], layers["prior"], layers["phi"])


def recompose_file(place: Path, output: Path, by: str = "sum", *, bits: int | None = None) -> Tensor:
    """Write the picture that the layers of a folder of results, or of a file, make.

    Args:
        place: the folder, or the file of layers.
        output: the picture's file; it is as the folder's restored picture is, if there is one: its bits, alpha,
            profile, what its file says, and grey if it is.
        by: as for :func:`recompose`.
        bits: a channel, in place of the restored picture's.

    Raises:
        ImageError: as :func:`recompose`, or no such file.
        OutputError: the place cannot be written.
        SettingsError: as :func:`recompose` and :func:`bigprior.write_picture`.
    """
    like: Picture | None = None
    path = place
    if place.is_dir():
        record = checked(read_values(place))
        if record.layers is None:
            raise ImageError(f"{place} was saved without layers: restore again with --layers float")
        path = place / record.layers.file
        named = [name for name in record.files if Path(name).stem == "restored"]
        like = read_picture(place / named[0]) if named and (place / named[0]).is_file() else None
    picture = recompose(read_layers(path), by, str(path))
    said = {} if like is None else {"alpha": like.alpha, "profile": like.profile, "metadata": like.metadata}
    grey = like is not None and like.is_grey
    write_picture(output, picture[:, : 1 if grey else 3], bits=bits or (8 if like is None else like.bits), **said)  # type: ignore[arg-type]
    return picture

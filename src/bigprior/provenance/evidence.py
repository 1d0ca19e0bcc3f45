"""What there is to check of a restoration: its folder, the photograph, and what was read beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from bigprior.degradations import Degradation
from bigprior.errors import ImageError
from bigprior.io.layers import read_layers
from bigprior.io.pictures import Picture, read_picture
from bigprior.jobs import Job, measurement_of
from bigprior.provenance.loading import checked_layers
from bigprior.report.record import Record, checked, read_values, sha256_of

#: Restores a job as a record, and all of its fields, say.
Again = Callable[[Job, Record, dict[str, Any]], Tensor]


@dataclass(frozen=True)
class Evidence:
    """What there is to check.

    Attributes:
        folder: the results.
        picture: the one file that is asked about; None of all.
        measurement: the photograph that was restored; None if nobody has it.
        others: files that were read beside it, such as a mask.
        again: restores a job as a record says, and gives the restored picture (1, 3, H, W); None if it is not asked.
    """

    folder: Path
    picture: Path | None = None
    measurement: Path | None = None
    others: Sequence[Path] = ()
    again: Again | None = field(default=None, repr=False)

    @cached_property
    def values(self) -> dict[str, Any]:
        """The record's fields as they stand there."""
        return read_values(self.folder)

    @cached_property
    def record(self) -> Record:
        """The record, of the published form."""
        return checked(self.values)

    @cached_property
    def layers(self) -> dict[str, Tensor] | None:
        """The layers, if they were saved."""
        kept = self.record.layers
        if kept is None or self.picture is not None:
            return None
        path = self.folder / kept.file
        return checked_layers(read_layers(path), path.name, (self.record.height, self.record.width))

    @cached_property
    def restored(self) -> Path | None:
        """The restored picture's file, if it was saved."""
        if self.picture is not None:
            return self.picture
        named = [name for name in self.record.files if Path(name).stem == "restored"]
        return self.folder / named[0] if named else None

    @cached_property
    def job(self) -> Job:
        """What was done, with the files that were read then found by their hashes.

        Raises:
            ImageError: one of them is not here.
        """
        assert self.measurement is not None
        page = None if self.record.input is None else self.record.input.page
        settings = {name: self._found(name, value) for name, value in self.record.settings_of_task.items()}
        return Job(self.measurement, self.record.task, settings, self.folder, seed=self.record.seed or 0, page=page)

    @cached_property
    def measured(self) -> tuple[Picture, Degradation, Tensor]:
        """The photograph, how it was degraded, and the measurement that it is."""
        return measurement_of(self.job)

    def _found(self, name: str, value: Any) -> Any:
        """A setting; of a file, the file with the hash that the record names."""
        if not isinstance(value, dict) or "file" not in value:
            return value
        assert self.measurement is not None
        wanted = value["file"]
        beside = [self.folder / wanted["name"], self.measurement.parent / wanted["name"]]
        for path in [*self.others, self.measurement, *beside]:
            if path.is_file() and sha256_of(path) == wanted["sha256"]:
                return path
        raise ImageError(f"its {name}, {wanted['name']}, is not here: pass it as --with {wanted['name']}")

    def tolerance(self, exact: float) -> float:
        """How far a layer may be off; more of one that was kept in half precision."""
        half = self.record.layers is not None and self.record.layers.kept == "half"
        return exact + (2**-10 if half else 0)


def off_by(path: Path, layer: Tensor) -> float:
    """How far the picture in a file is from a layer (1, 1 or 3, H, W), clipped to [0, 1]; infinite of another size."""
    picture = read_picture(path).image
    if picture.shape[2:] != layer.shape[2:]:
        return float("inf")
    return float((picture - layer.cpu().clamp(0, 1)).abs().max())

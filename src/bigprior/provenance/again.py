"""A restoration made a second time, as its record says."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from bigprior.errors import SettingsError
from bigprior.jobs import Job, measurement_of
from bigprior.presets.loading import load_restorer
from bigprior.report.record import Record
from bigprior.restorer import Restorer


def restored_again(job: Job, record: Record, values: dict[str, Any]) -> Tensor:
    """The restored picture (1, 3, H, W) of the record's preset, settings and seed.

    Raises:
        SettingsError: a record of a model of one's own, or the preset is not here as it was.
        BigpriorError: as :meth:`bigprior.Restorer.restore`.
    """
    _, degradation, y = measurement_of(job)
    return _restorer(record, values).restore(y, degradation, seed=job.seed).restored


def _restorer(record: Record, values: dict[str, Any]) -> Restorer:
    """The restorer of a record, which has the weights and settings that it names."""
    if "preset" not in values:
        raise SettingsError("the record names no preset: restore again with the model that made it, and compare")
    fused = {name: values[name] for name in ("rho", "strength", "grain") if name in values}
    steps = values.get("settings", {}).get("steps")
    for more in ({}, {"steps": steps}, {"frame": record.frame}, {"frame": record.frame, "steps": steps}):
        try:
            made = load_restorer(values["preset"], record.task, **fused, **more)
        except SettingsError:  # an option that says nothing to this preset
            continue
        if all(made.provenance.get(name) == values.get(name) for name in ("weights", "settings")):
            return made
    raise SettingsError(f"the preset {values['preset']} has other weights or settings here than the record names")

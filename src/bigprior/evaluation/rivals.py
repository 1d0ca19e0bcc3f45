"""Models that users have, as methods to compare with."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from bigprior.degradations import Degradation, task_of
from bigprior.errors import SettingsError
from bigprior.evaluation.baselines import Baseline, hole_of
from bigprior.io.weights import sha256
from bigprior.priors.anysize import for_any_size
from bigprior.priors.models import load_model
from bigprior.priors.named.base import fills_holes, gives_colours, removes_noise

#: Methods that the paper, or its field, compares with, whose weights their authors released: what each serves, and the
#: architectures that such a file is of.
RELEASED = {
    "colorful colorization": (gives_colours, ("ECCV16", "SIGGRAPH17")),
    "DeepFill v2": (fills_holes, ("DeepFillV2",)),
    "FFDNet": (removes_noise, ("FFDNet",)),
    "IRCNN": (removes_noise, ("IRCNN",)),
    "DRUNet": (removes_noise, ("DRUNet",)),
}


def left_out(task: str, given: Mapping[str, Baseline]) -> dict[str, str]:
    """Released methods of a task of which no file is among those that were given, and why they have no row."""
    known = {row.note.split(",")[0] for row in given.values()}
    why = "needs the weights that its authors released: pass --rival FILE"
    return {
        name: why
        for name, (serves, architectures) in RELEASED.items()
        if serves(task_of(task)) and known.isdisjoint(architectures)
    }


def models(paths: Sequence[Path], task: str, taken: Collection[str], *, trusted: bool = False) -> dict[str, Baseline]:
    """A row for each file, of its name.

    Args:
        paths: the files.
        task: a degradation's name.
        taken: names of other rows.
        trusted: the files may run code.

    Raises:
        SettingsError: a name that another row has; or as :func:`rival`.
        WeightsError: as :func:`rival`.
    """
    found = dict[str, Baseline]()
    for path in paths:
        if path.stem in taken or path.stem in found:
            raise SettingsError(f"two rows would be called {path.stem}: rename {path}")
        found[path.stem] = rival(path, task, trusted=trusted)
    return found


def rival(path: Path, task: str, *, trusted: bool = False) -> Baseline:
    """A model of a file by itself, see :func:`bigprior.load_model`.

    Raises:
        SettingsError: it cannot do the task, or is TorchScript that is not trusted.
        WeightsError: it cannot be read.
    """
    model, digest = load_model(path, trusted=trusted), sha256(path)
    takes = model.model.takes
    takes.refuse(path.name, task_of(task))
    told = takes.told == "sigma"

    def restore(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
        known = physics if sigma is None else physics.with_sigma(sigma)
        image = for_any_size(model, physics.placement).project(known.measure(y)).image
        return image if physics.placement != "hole" else torch.lerp(y, image, hole_of(physics, y))

    note = f"{takes.architecture}, the file {path.name}, by itself" + (", told the noise level" if told else "")
    return Baseline(lambda physics: True, "torch", restore, knows_sigma=told, depends=lambda _: digest, note=note)

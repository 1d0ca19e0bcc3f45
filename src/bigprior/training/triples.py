"""What phi networks learn from: pictures, their measurements, and what a prior makes of these."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from bigprior.degradations import DEGRADATIONS, Measurement
from bigprior.degradations.simulation import learning_protocols, simulate
from bigprior.errors import SettingsError
from bigprior.io.atomic import replacing
from bigprior.io.folders import PictureSet, list_pictures, load_set
from bigprior.io.pictures import read_picture
from bigprior.io.weights import digest_of
from bigprior.priors.anysize import for_any_size
from bigprior.priors.base import Prior
from bigprior.progress import Progress


@dataclass(frozen=True)
class Triples:
    """What Eq. 14 needs of each picture: ``g_inv(y)``, ``G(z*)`` and the truth, each (N, 3, H, W) in [0, 1]."""

    fidelity: Tensor
    prior: Tensor
    truth: Tensor

    def __len__(self) -> int:
        return len(self.truth)

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Fidelity, prior and truth."""
        return self.fidelity, self.prior, self.truth

    def to(self, device: torch.device) -> Triples:
        """The same on a device."""
        return Triples(*(part.to(device) for part in self.parts()))

    def described(self) -> str:
        """How many there are, and a digest of them."""
        return f"{len(self)}, {digest_of(self.truth, self.fidelity)[:16]}"


def make_triples(
    prior: Prior,
    protocols: Sequence[str],
    truth: Tensor,
    names: Sequence[str],
    *,
    draws: int = 1,
    key: str,
    cache: Path | str,
    batch: int = 50,
    progress: Progress | None = None,
) -> Triples:
    """Simulate and invert every picture; inversions are kept on disk, so that a second training starts at once.

    Args:
        prior: projects the measurements.
        protocols: of :data:`bigprior.degradations.simulation.PROTOCOLS`; each picture is measured by each.
        truth: (N, 3, H, W), RGB in [0, 1].
        names: of the pictures; they seed the measurements.
        draws: measurements of each picture and protocol.
        key: what the prior depends on (weights, settings); the measurement itself is added here.
        cache: folder of the inversions.
        batch: pictures inverted at once.
    """
    fidelity, images, truths = [], [], []
    chunks = [(p, d, i) for p in protocols for d in range(draws) for i in range(0, len(truth), batch)]
    for done, (protocol, draw, start) in enumerate(chunks):
        x = truth[start : start + batch]
        y, physics = simulate(protocol, x, names[start : start + batch], draw)
        m = physics.measure(y)
        image = _cached_projection(prior, m, key, Path(cache))
        fidelity.append(m.fidelity)
        images.append(image)
        truths.append(x)
        if progress is not None:
            progress(done + 1, len(chunks))
    return Triples(torch.cat(fidelity), torch.cat(images), torch.cat(truths))


def task_triples(
    task: str,
    data: Path | str,
    parts: Sequence[tuple[int, int] | None],
    prior: Prior,
    key: str,
    cache: Path | str,
    *,
    draws: int = 1,
    progress: Progress | None = None,
) -> list[Triples]:
    """Measure and invert a folder's pictures at a prior's size, as a task's networks learn from them.

    Of a task whose large photographs go in tiles, the native tiles of the pictures are learned from as well.

    Args:
        task: a degradation's name.
        data: folder of pictures.
        parts: first and last picture of each part, both included; all by None.
        prior: at its own size.
        key, cache, draws, progress: as for :func:`make_triples`.

    Raises:
        ImageError, SettingsError: no such pictures.
    """
    made, placement = [], DEGRADATIONS[task].placement
    placed, protocols = for_any_size(prior, placement), learning_protocols(task)
    for index in parts:
        pictures = load_set(data, index, prior.resolution)
        if placement == "tiles" and prior.resolution is not None:
            pictures = _with_tiles(pictures, data, index, prior.resolution)
        images, names = pictures.images, pictures.names
        made.append(
            make_triples(placed, protocols, images, names, draws=draws, key=key, cache=cache, progress=progress)
        )
    return made


def check_apart(train: tuple[int, int] | None, validation: tuple[int, int] | None) -> None:
    """That no weights are chosen on pictures that they learned from.

    Raises:
        SettingsError: both ranges share pictures; None is all of them to learn from, and none to choose on.
    """
    if validation is not None and (train is None or (train[0] <= validation[1] and validation[0] <= train[1])):
        learned = "all pictures" if train is None else "{}-{}".format(*train)
        raise SettingsError(
            f"index is {learned} and validation {validation[0]}-{validation[1]}: choose pictures that are in one alone"
        )


def given_triples(task: str, data: Path | str, prior_dir: Path | str, index: tuple[int, int] | None) -> Triples:
    """A task's triples with priors that were computed elsewhere, one of the same name a picture.

    Raises:
        SettingsError: the folders do not match, or the task's measurements are drawn, so that these priors are of
            others.
    """
    truth, priors = load_set(data, index), load_set(prior_dir, index)
    if truth.names != priors.names:
        raise SettingsError(f"{prior_dir} does not hold a prior of the same name for each picture of {data}")
    protocol, *others = learning_protocols(task)
    y, physics = simulate(protocol, truth.images, truth.names)
    if others or not torch.equal(y[:1], simulate(protocol, truth.images[:1], truth.names[:1], draw=1)[0]):
        raise SettingsError(f"prior_dir goes with tasks whose measurements are not drawn, not {task}: leave it out")
    return Triples(physics.measure(y).fidelity, priors.images, truth.images)


def _with_tiles(pictures: PictureSet, data: Path | str, index: tuple[int, int] | None, side: int) -> PictureSet:
    """Add the tile in the middle of each picture that is larger, at its own scale."""
    tiles, names = [pictures.images], list(pictures.names)
    for file in list_pictures(data, index):
        image = read_picture(file).image
        top, left = ((length - side) // 2 for length in image.shape[2:])
        if min(top, left) >= 1:
            tiles.append(image[:, :, top : top + side, left : left + side])
            names.append(f"{file.stem}-tile")
    return PictureSet(torch.cat(tiles), names)


def _cached_projection(prior: Prior, m: Measurement, key: str, cache: Path) -> Tensor:
    path = cache / f"{hashlib.sha256(f'{key}/{m.fingerprint()}'.encode()).hexdigest()}.safetensors"
    if path.exists():
        return load_file(path)["image"]
    image = prior.project(m).image
    with replacing(path) as temporary:
        save_file({"image": image.contiguous()}, temporary)
    return image

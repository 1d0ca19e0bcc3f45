"""From folders of pictures to a phi network for one task."""

from __future__ import annotations

from pathlib import Path

import torch

from bigprior.degradations import DEGRADATIONS
from bigprior.degradations.simulation import simulate
from bigprior.errors import SettingsError
from bigprior.io.folders import PictureSet, list_pictures, load_set
from bigprior.io.pictures import read_picture
from bigprior.phi import phi_network
from bigprior.presets.loading import load_prior
from bigprior.priors.anysize import for_any_size
from bigprior.progress import Progress
from bigprior.training.phi import PhiSettings, Triples, make_triples, train_phi

#: What each task's network learns from. Inpainting learns to find holes of both kinds by itself.
TASK_PROTOCOLS = {
    "colorization": ("colorization",),
    "denoising": ("denoising",),
    "inpainting": ("inpainting-boxes", "inpainting-centre"),
}


def train_task_phi(
    task: str,
    data: Path | str,
    train: tuple[int, int] | None,
    validation: tuple[int, int] | None,
    out: Path | str,
    preset: str,
    settings: PhiSettings,
    *,
    steps: int | None = None,
    draws: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Train a preset's phi network on pictures at the generator's size; inversions are kept in ``out/cache``.

    For denoising the native tiles of the pictures are learned from as well, since large photographs go in tiles.

    Args:
        task: a degradation's name.
        data: folder of pictures.
        train, validation: first and last picture of each part, both included; all to learn from, and none to choose
            the weights on, in which case the last ones are exported, by None.
        out: the run's folder.
        preset: whose prior is weighed.
        settings: of the training.
        steps: of the inversion, in place of the preset's.
        draws: measurements of each picture.
        progress: of the inversions.

    Returns:
        The path of the weights.

    Raises:
        ImageError, SettingsError, UnknownNameError, WeightsError: as for the parts; or both parts share pictures.
    """
    check_apart(train, validation)
    phi_network(settings.network, **settings.network_settings)  # what cannot be built is said before the inversions
    loaded = load_prior(preset, task, steps=steps)
    prior, key = loaded.prior, loaded.key

    def triples(index: tuple[int, int] | None) -> Triples:
        assert prior.resolution is not None
        pictures = load_set(data, index, prior.resolution)
        if task == "denoising":
            pictures = _with_tiles(pictures, data, index, prior.resolution)
        protocols, cache = TASK_PROTOCOLS[task], Path(out) / "cache"
        placed = for_any_size(prior, DEGRADATIONS[task].placement)
        images, names = pictures.images, pictures.names
        return make_triples(placed, protocols, images, names, draws=draws, key=key, cache=cache, progress=progress)

    header = {"task": task, "preset": preset, "prior": loaded.weights}
    chosen_on = None if validation is None else triples(validation)
    return train_phi(out, settings, triples(train), chosen_on, header=header)


def train_phi_on_priors(
    data: Path | str,
    prior_dir: Path | str,
    train: tuple[int, int] | None,
    validation: tuple[int, int] | None,
    out: Path | str,
    settings: PhiSettings,
) -> Path:
    """Train a colorization phi network on priors that were computed elsewhere, one picture a picture of ``data``.

    Without ``validation`` the last weights are exported.

    Raises:
        SettingsError: the folders do not match.
    """
    check_apart(train, validation)
    learned_from = given_triples(data, prior_dir, train)
    chosen_on = given_triples(data, prior_dir, validation) if validation else None
    return train_phi(out, settings, learned_from, chosen_on, header={"task": "colorization"})


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


def given_triples(data: Path | str, prior_dir: Path | str, index: tuple[int, int] | None) -> Triples:
    """Colorization's triples with priors that were computed elsewhere, one of the same name a picture.

    Raises:
        SettingsError: the folders do not match.
    """
    truth, priors = load_set(data, index), load_set(prior_dir, index)
    if truth.names != priors.names:
        raise SettingsError(f"{prior_dir} does not hold a prior of the same name for each picture of {data}")
    y, physics = simulate("colorization", truth.images, truth.names)
    return Triples(physics.g_inv(y), priors.images, truth.images)


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

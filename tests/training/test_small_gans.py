"""Small generators learn from a handful of photographs, and become presets."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bigprior.errors import SettingsError
from bigprior.io.weights import read_weights
from bigprior.networks.generators import GENERATORS
from bigprior.presets.importing import import_preset
from bigprior.presets.store import load_part, preset
from bigprior.training.kinds import TRAININGS
from bigprior.training.loop import fit
from bigprior.training.small_gans import CVAEGANTrainer, SmallGANSettings

KINDS = ["lr-gan", "cvae-gan"]
SMALL = {
    "resolution": 16,
    "width": 4,
    "discriminator_width": 4,
    "batch": 4,
    "total_kimg": 0.024,
    "snapshot_kimg": 0.012,
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three, one smaller than what is learned, in colours of their own."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i, size in enumerate([(40, 30), (20, 24), (12, 16)]):
        values = rng.integers(0, 60, (*size, 3), dtype=np.uint8)
        values[..., i] += 150
        Image.fromarray(values).save(folder / f"{i}.png")
    return folder


def settings(kind: str, **more: float) -> SmallGANSettings:
    recipe = TRAININGS[kind].recipe(**{**SMALL, **more})
    assert isinstance(recipe, SmallGANSettings)
    return recipe


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("kind", KINDS)
def test_a_few_steps_make_a_preset_and_the_same_ones_the_same(kind: str, pictures: Path, tmp_path: Path) -> None:
    path = fit(TRAININGS[kind].of(settings(kind), pictures, tmp_path), tmp_path / "run", quiet=True)
    tensors, header = read_weights(path)
    assert header["architecture"] == kind and header["images"] == 24
    assert sorted(p.name for p in (tmp_path / "run").glob("samples-*.png"))
    network = GENERATORS[kind].from_state_dict(tensors)
    assert network.settings == header["generator"] and network.resolution == 16
    import_preset("mine", path)
    assert preset("mine").architecture == kind
    assert load_part("mine", "generator")(network.draw(2, torch.Generator())).isfinite().all()

    kept = fit(TRAININGS[kind].of(settings(kind), pictures, tmp_path), tmp_path / "again", quiet=True)
    assert kept.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_the_generator_comes_nearer_to_the_photographs(kind: str, pictures: Path, tmp_path: Path) -> None:
    trainer = TRAININGS[kind].of(settings(kind, total_kimg=0.2, batch=8, lr=4e-3), pictures, tmp_path)
    with torch.no_grad():
        before = trainer.average(trainer.average.draw(32, torch.Generator().manual_seed(0)))
    fit(trainer, tmp_path / "run", quiet=True)
    with torch.no_grad():
        after = trainer.average(trainer.average.draw(32, torch.Generator().manual_seed(0)))
    trainer.prepare(None)
    truth = trainer.squares(64, torch.Generator().manual_seed(0))[0]
    far, near = ((x.mean((0, 2, 3)) - truth.mean((0, 2, 3))).abs().mean() for x in (before, after))
    assert near < 0.7 * far


def test_settings_that_cannot_be_are_refused(pictures: Path, tmp_path: Path) -> None:
    for kind in KINDS:
        with pytest.raises(SettingsError, match="resolution is 24"):
            TRAININGS[kind].of(settings(kind, resolution=24), pictures, tmp_path)
    for i in range(65):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{i}.png")
    with pytest.raises(SettingsError, match="65 photographs are as many classes, and 64 is the most"):
        CVAEGANTrainer(settings("cvae-gan"), tmp_path)

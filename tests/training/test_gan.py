"""The generator's training, on pictures and features that are small and random."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bigprior.errors import ImageError, SettingsError, WeightsError
from bigprior.io.weights import read_weights, save_weights
from bigprior.networks.generators import PGGAN
from bigprior.presets.importing import import_preset
from bigprior.presets.store import load_part
from bigprior.training.discriminator import ProjectedDiscriminator
from bigprior.training.gan import GANSettings, GANTrainer
from bigprior.training.loop import fit

SMALL = GANSettings(
    resolution=16,
    z_dim=8,
    fmap_base=128,
    fmap_max=8,
    discriminator_width=4,
    batch=4,
    total_kimg=0.032,
    snapshot_kimg=0.008,
)


def train(
    data: Path | str, out: Path | str, vgg: Path | str, settings: GANSettings = SMALL, init: Path | None = None
) -> Path:
    trainer = GANTrainer(settings.model_copy(update={"vgg": Path(vgg)}), data)
    return fit(trainer, out, init=init, quiet=True)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def unbroken(pictures: Path, vgg_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole run of eight steps."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    train(pictures, folder, vgg_weights)
    return folder


@pytest.mark.slow
def test_a_killed_run_ends_like_one_that_was_not(
    pictures: Path, vgg_weights: Path, unbroken: Path, tmp_path: Path, assert_equal_states, run_until_killed
) -> None:
    run_until_killed("gan", "train(*sys.argv[1:])", 3, pictures, tmp_path / "run", vgg_weights)
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["step"] == 3
    path = train(pictures, tmp_path / "run", vgg_weights)
    assert path.read_bytes() == (unbroken / "generator.safetensors").read_bytes()
    assert_equal_states(tmp_path / "run", unbroken)


def test_a_finished_run_is_not_run_again(pictures: Path, vgg_weights: Path, unbroken: Path) -> None:
    before = {p.name: p.read_bytes() for p in unbroken.iterdir() if p.name != "state.pt"}
    assert train(pictures, unbroken, vgg_weights) == unbroken / "generator.safetensors"
    assert {p.name: p.read_bytes() for p in unbroken.iterdir() if p.name != "state.pt"} == before


@pytest.mark.usefixtures("home")
def test_the_moving_average_is_exported_and_makes_a_preset(unbroken: Path) -> None:
    tensors, header = read_weights(unbroken / "generator.safetensors")
    state = torch.load(unbroken / "state.pt", weights_only=True)
    assert header["architecture"] == "pggan"
    assert header["images"] == 32
    assert GANSettings(**header["recipe"]).model_copy(update={"vgg": None}) == SMALL
    assert header["generator"] == {"resolution": 16, "z_dim": 8, "fmap_base": 128, "fmap_max": 8}
    for name, tensor in tensors.items():
        assert torch.equal(tensor, state["average"][name].half().float())
        if name.endswith("conv.weight"):
            assert not torch.equal(state["average"][name], state["network"][name])
    import_preset("trained", unbroken / "generator.safetensors")
    assert load_part("trained", "generator")(torch.randn(1, 8)).shape == (1, 3, 16, 16)


def test_the_run_leaves_a_log_sample_grids_and_its_settings(unbroken: Path) -> None:
    lines = [json.loads(line) for line in (unbroken / "log.jsonl").read_text().splitlines()]
    assert [line["images"] for line in lines] == [8, 16, 24, 32]
    assert all(np.isfinite([line["loss_d"], line["loss_g"], line["moments"]]).all() for line in lines)
    grids = list(unbroken.glob("samples-*.png"))
    assert [g.name for g in grids] == ["samples-00000k.png"]
    with Image.open(grids[0]) as grid:
        assert grid.size == (8 * 16, 8 * 16)
    saved = GANSettings.model_validate_json((unbroken / "settings.json").read_text())
    assert saved.model_copy(update={"vgg": None}) == SMALL
    assert {p.name for p in unbroken.iterdir()} == {
        "generator.safetensors",
        "log.jsonl",
        "samples-00000k.png",
        "settings.json",
        "sources.json",
        "state.pt",
    }


def test_training_moves_both_networks_but_not_the_random_projections(unbroken: Path) -> None:
    state = torch.load(unbroken / "state.pt", weights_only=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SMALL.seed)
        generator = PGGAN(16, 8, 128, 8).state_dict()
        discriminator = ProjectedDiscriminator(4)
    assert all(not torch.equal(state["network"][k], v) for k, v in generator.items() if k.endswith("conv.weight"))
    for name, parameter in discriminator.named_parameters():
        assert torch.equal(state["discriminator"][name], parameter) != parameter.requires_grad, name


def test_a_run_does_not_depend_on_the_callers_random_numbers(
    pictures: Path, vgg_weights: Path, unbroken: Path, tmp_path: Path
) -> None:
    torch.manual_seed(12345)
    path = train(pictures, tmp_path, vgg_weights)
    assert path.read_bytes() == (unbroken / "generator.safetensors").read_bytes()


@pytest.mark.parametrize("change", [{"seed": 1}, {"batch": 2}, {"moments": 0.0}, {"total_kimg": 1.0}])
def test_a_folder_of_another_run_is_refused_and_left_alone(
    pictures: Path, vgg_weights: Path, unbroken: Path, change: dict
) -> None:
    before = {p.name: p.read_bytes() for p in unbroken.iterdir()}
    with pytest.raises(SettingsError, match="other settings"):
        train(pictures, unbroken, vgg_weights, SMALL.model_copy(update=change))
    assert {p.name: p.read_bytes() for p in unbroken.iterdir()} == before


def test_half_precision_takes_nearly_the_same_steps(
    pictures: Path, vgg_weights: Path, unbroken: Path, tmp_path: Path
) -> None:
    half = SMALL.model_copy(update={"precision": "bf16"})
    one, _ = read_weights(train(pictures, tmp_path, vgg_weights, half))
    other, _ = read_weights(unbroken / "generator.safetensors")
    assert any(not torch.equal(one[k], other[k]) for k in one)
    for name, tensor in one.items():
        assert torch.allclose(tensor, other[name], atol=0.05), name


def test_a_new_run_starts_from_the_layers_that_fit(pictures: Path, vgg_weights: Path, tmp_path: Path) -> None:
    torch.manual_seed(20)
    small = PGGAN(8, 8, 128, 8)
    save_weights(tmp_path / "init.safetensors", small.state_dict(), {"images": 1000})
    still = SMALL.model_copy(update={"generator_lr": 1e-9, "total_kimg": 0.008})  # two steps that go nowhere
    tensors, header = read_weights(train(pictures, tmp_path / "run", vgg_weights, still, tmp_path / "init.safetensors"))
    assert header["images"] == 1008
    for name, tensor in small.state_dict().items():
        if name.startswith("layer"):
            assert torch.equal(tensors[name], tensor.half().float()), name
    assert {n for n in tensors if n not in small.state_dict()} == {
        f"{layer}.{part}" for layer in ("layer4", "layer5", "output2") for part in ("conv.weight", "wscale.bias")
    }
    assert all(tensors[f"layer{i}.conv.weight"].std() > 0.5 for i in (4, 5))  # drawn afresh


def test_weights_or_pictures_that_cannot_be_used(pictures: Path, vgg_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not a file of plain tensors"):
        train(pictures, tmp_path / "a", pictures / "0.png")
    with pytest.raises(WeightsError, match="no weights file"):
        train(pictures, tmp_path / "b", vgg_weights, init=tmp_path / "absent.safetensors")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="no pictures in"):
        train(tmp_path / "empty", tmp_path / "c", vgg_weights)

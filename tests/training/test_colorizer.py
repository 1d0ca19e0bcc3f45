"""The colorizer's training, on a few random pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bigprior.errors import SettingsError
from bigprior.io.weights import read_weights
from bigprior.networks.colorizer import ColorizationNetwork
from bigprior.networks.efficientnet import EfficientNetLite
from bigprior.training.colorizer import ColorizerSettings, ColorizerTrainer
from bigprior.training.loop import fit

SMALL = ColorizerSettings(width=8, depth=12, batch=2, total_kimg=0.016, snapshot_kimg=0.008)


def released(depth: int) -> dict[str, torch.Tensor]:
    """Random weights under the names of the released ones."""
    rng, state = torch.Generator().manual_seed(0), {}
    for name, x in EfficientNetLite(depth).state_dict().items():
        if name.endswith(".bias"):
            continue
        *block, part, _ = name.split(".")
        layer = {"stem": "_conv_stem", "expand": "_expand_conv", "depthwise": "_depthwise_conv"}.get(
            part, "_project_conv"
        )
        norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}.get(part, "_bn0")
        before = f"_blocks.{block[1]}." if block else ""
        state[f"{before}{layer}.weight"] = 0.3 * torch.randn(x.shape, generator=rng)
        for what, least in (("weight", 0.5), ("bias", -0.5), ("running_mean", -0.5), ("running_var", 0.5)):
            state[f"{before}{norm}.{what}"] = least + torch.rand(len(x), generator=rng)
    return state


def train(data: Path | str, out: Path | str, settings: ColorizerSettings = SMALL) -> Path:
    return fit(ColorizerTrainer(settings, data), out, quiet=True)


@pytest.fixture(scope="module")
def unbroken(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    train(pictures, folder)
    return folder


@pytest.mark.slow
def test_a_killed_run_ends_like_one_that_was_not(
    pictures: Path, unbroken: Path, tmp_path: Path, assert_equal_states, run_until_killed
) -> None:
    run_until_killed("colorizer", "train(*sys.argv[1:])", 3, pictures, tmp_path / "run")
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["step"] == 3
    path = train(pictures, tmp_path / "run")
    assert path.read_bytes() == (unbroken / "colorizer.safetensors").read_bytes()
    assert_equal_states(tmp_path / "run", unbroken)


def test_a_folder_of_another_run_is_refused(pictures: Path, unbroken: Path) -> None:
    with pytest.raises(SettingsError, match="other settings"):
        train(pictures, unbroken, SMALL.model_copy(update={"lr": 1.0}))


def test_edges_stay_as_the_given_encoder_sees_them(pictures: Path, tmp_path: Path) -> None:
    torch.save(released(12), tmp_path / "imagenet.pth")
    settings = SMALL.model_copy(update={"encoder": str(tmp_path / "imagenet.pth"), "lr": 1e-2})
    tensors, _ = read_weights(train(pictures, tmp_path / "run", settings))
    given = EfficientNetLite(12)
    given.load_released(released(12))
    same = {name: torch.equal(tensors[f"seen.{name}"], x.half().float()) for name, x in given.state_dict().items()}
    assert all(kept for name, kept in same.items() if name.startswith(("stem.", "blocks.4.")))
    assert not any(kept for name, kept in same.items() if name.startswith("blocks.11."))


def test_it_learns_what_colour_a_texture_has(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for i, (red, blue) in enumerate(((40, -40), (-40, 40))):  # smooth pictures are red, rough ones are blue
        grey = np.kron(rng.uniform(80, 150, (256 // (side := (64, 2)[i]),) * 2), np.ones((side, side)))
        Image.fromarray(np.stack([grey + red, grey, grey + blue], axis=2).astype(np.uint8)).save(tmp_path / f"{i}.png")
    alike = {"kept": 0, "encoder_lr": 1.0, "least_px": 256, "tones": 0.1}
    settings = SMALL.model_copy(update={"total_kimg": 0.12, "lr": 5e-3, "width": 16, "ema": 0.9} | alike)
    tensors, header = read_weights(train(tmp_path, tmp_path / "run", settings))
    network = ColorizationNetwork.from_state_dict(tensors, header["network"]).eval()
    for i in range(2):
        truth = torch.from_numpy(np.array(Image.open(tmp_path / f"{i}.png"))).permute(2, 0, 1)[None] / 255
        y = (truth * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
        with torch.no_grad():
            guess = network(y)
        assert float((guess - truth).abs().mean()) < 0.3 * float((y - truth).abs().mean())

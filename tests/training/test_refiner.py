"""The refiner's training, on a few random pictures."""

from pathlib import Path

import pytest
import torch

from bigprior.errors import SettingsError
from bigprior.io.folders import list_pictures, load_square
from bigprior.io.pictures import read_picture
from bigprior.io.weights import read_weights
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.networks.refiner import Refiner
from bigprior.training.draws import step_rng
from bigprior.training.loop import fit
from bigprior.training.refiner import RefinerSettings, RefinerTrainer

SMALL = RefinerSettings(
    width=8, blocks=1, resolution=32, pictures=4, native=0.5, crop_px=16, batch=2, total_kimg=0.016, snapshot_kimg=0.008
)


def denoiser() -> DenoisingUNet:
    torch.manual_seed(0)
    return DenoisingUNet((8, 16), blocks=1).eval().requires_grad_(False)


def train(data: Path | str, out: Path | str, settings: RefinerSettings = SMALL, init: Path | None = None) -> Path:
    return fit(RefinerTrainer(settings, denoiser(), data), out, init=init, quiet=True)


@pytest.fixture(scope="module")
def unbroken(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    train(pictures, folder)
    return folder


@pytest.mark.slow
def test_a_killed_run_ends_like_one_that_was_not(
    pictures: Path, unbroken: Path, tmp_path: Path, assert_equal_states, run_until_killed
) -> None:
    run_until_killed("refiner", "train(*sys.argv[1:])", 3, pictures, tmp_path / "run")
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["step"] == 3
    path = train(pictures, tmp_path / "run")
    assert path.read_bytes() == (unbroken / "refiner.safetensors").read_bytes()
    assert_equal_states(tmp_path / "run", unbroken)


def test_a_folder_of_another_run_is_refused(pictures: Path, unbroken: Path) -> None:
    with pytest.raises(SettingsError, match="other settings"):
        train(pictures, unbroken, SMALL.model_copy(update={"lr": 1.0}))


def test_a_run_starts_from_weights(pictures: Path, unbroken: Path, tmp_path: Path) -> None:
    start = unbroken / "refiner.safetensors"
    settings = SMALL.model_copy(update={"lr": 1e-9, "weight_decay": 0.0})
    path = train(pictures, tmp_path / "run", settings, start)
    for name, tensor in read_weights(start)[0].items():
        torch.testing.assert_close(read_weights(path)[0][name], tensor, atol=1e-3, rtol=1e-2)


def test_smaller_pictures_are_learned_from_too(pictures: Path, unbroken: Path, tmp_path: Path) -> None:
    sheet = read_picture(unbroken / "samples-00000k.png").image
    assert sheet.shape == (1, 3, 5 * 32, 4 * 32)
    shown = sheet[..., -32:, :].split(32, dim=3)  # the truth
    whole = [load_square([picture], 32).float() / 255 for picture in list_pictures(pictures)[:4]]
    as_it_was = [float((a - b).abs().max()) < 0.01 for a, b in zip(shown, whole, strict=True)]
    assert any(as_it_was) and not all(as_it_was)
    settings = SMALL.model_copy(update={"native": 1.0})
    path = train(pictures, tmp_path / "run", settings)
    assert path.read_bytes() != (unbroken / "refiner.safetensors").read_bytes()


def test_it_learns_to_merge(smooth_pictures: Path, tmp_path: Path) -> None:
    settings = SMALL.model_copy(update={"total_kimg": 0.4, "lr": 1e-2})
    tensors, header = read_weights(train(smooth_pictures, tmp_path / "run", settings))
    learned = Refiner.from_state_dict(tensors, header["network"])
    rng, sigma = step_rng(7, 0), torch.full((4,), 0.1)
    x = torch.nn.functional.interpolate(torch.rand(4, 3, 3, 3, generator=rng), size=(32, 32), mode="bicubic").clamp(
        0, 1
    )
    y = x + 0.1 * torch.randn(x.shape, generator=rng)
    answer = denoiser()(y, sigma)

    def error(network: Refiner) -> float:
        return float((network(y, answer, sigma) - x).square().mean())

    assert error(learned) < 0.8 * error(Refiner(8, 1))

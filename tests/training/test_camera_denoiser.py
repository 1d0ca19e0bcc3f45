"""The trainings of what finds a camera's noise, and of the denoiser that is told of it, on a few pictures."""

from pathlib import Path

import pytest
import skimage.data
import torch

from bigprior.errors import SettingsError
from bigprior.io.arrays import as_picture
from bigprior.io.pictures import write_picture
from bigprior.io.weights import read_weights
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.networks.noise_estimator import NoiseEstimator
from bigprior.training.camera_denoiser import CameraSettings, CameraTrainer, NoiseSettings, NoiseTrainer
from bigprior.training.draws import step_rng
from bigprior.training.loop import fit
from bigprior.training.plan import Moment

NOISE = NoiseSettings(
    widths=(8, 16), blocks=1, crop_px=32, batch=2, total_kimg=0.016, snapshot_kimg=0.008, room=0.5, smaller=0.5
)
SMALL = CameraSettings(
    widths=(8, 16), blocks=1, crop_px=32, batch=2, total_kimg=0.016, snapshot_kimg=0.008, estimator="noise.safetensors"
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of several sizes."""
    folder, coffee = tmp_path_factory.mktemp("photos"), as_picture(skimage.data.coffee())
    for i, side in enumerate((60, 75)):
        write_picture(folder / f"{i}.png", coffee[..., 100 : 100 + side, 200 : 290 + i])
    return folder


@pytest.fixture(scope="module")
def estimator(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(NoiseTrainer(NOISE, photos), tmp_path_factory.mktemp("noise") / "run", quiet=True)


def train(data: Path | str, out: Path | str, estimator: Path | str) -> Path:
    return fit(CameraTrainer(SMALL.model_copy(update={"estimator": str(estimator)}), data), out, quiet=True)


def test_what_comes_out_is_what_a_preset_takes(photos: Path, estimator: Path, tmp_path: Path) -> None:
    tensors, header = read_weights(estimator)
    assert header["architecture"] == "noise-estimator"
    NoiseEstimator.from_state_dict(tensors, header["network"])
    tensors, header = read_weights(train(photos, tmp_path / "run", estimator))
    assert (header["architecture"], header["images"]) == ("denoising-unet", 16)
    network = DenoisingUNet.from_state_dict(tensors, header["network"])
    assert (network.condition_channels, network.noise_channels) == (0, 8)
    assert list((tmp_path / "run").glob("samples-*.png"))


def test_an_estimator_learns_that_texture_is_no_noise_and_departs_little(photos: Path, estimator: Path) -> None:
    def loss(**settings: float) -> float:
        trainer = NoiseTrainer(NOISE.model_copy(update=settings), photos)
        trainer.start_from(*read_weights(estimator))
        trainer.prepare(None)
        if settings.get("anchor"):
            with torch.no_grad():
                trainer.network.tail.bias += 0.5
        rng = step_rng(0, 0)
        return trainer.loss(Moment(0, 0, 8), rng, rng)[1].item()

    alone = loss()
    assert loss(coarse=1.0) != alone
    assert loss(clean=0.5) - alone == pytest.approx((loss(clean=1.0) - alone) / 2, rel=1e-4)
    assert loss(anchor=2.0) == pytest.approx(loss(anchor=1e-9) + 2 * 0.25, rel=1e-3)  # half a logarithm, squared
    said = []
    for texture in (0.0, 1.0):
        trainer = NoiseTrainer(NOISE.model_copy(update={"texture": texture}), photos)
        trainer.prepare(None)
        crops = torch.cat([trainer.without_noise(step_rng(0, step)) for step in range(6)])
        assert crops.shape == (12, 3, 32, 32) and 0 <= crops.min() < crops.max() <= 1
        said.append(trainer.network(crops).mean().item())
    assert said[1] > said[0]  # more noise is found in the likeliest of four


@pytest.mark.parametrize("parts", [1, 2])
def test_pairs_that_other_processes_make_teach_the_same(
    photos: Path, estimator: Path, tmp_path: Path, parts: int
) -> None:
    weights = []
    for workers in (0, 2):
        changed = {"estimator": str(estimator), "workers": workers, "parts": parts, "total_kimg": 0.006}
        trainer = CameraTrainer(SMALL.model_copy(update=changed), photos)
        weights.append(read_weights(fit(trainer, tmp_path / f"{workers}", quiet=True))[0])
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.slow
def test_a_killed_run_ends_like_one_that_was_not(
    photos: Path, estimator: Path, tmp_path: Path, assert_equal_states, run_until_killed
) -> None:
    whole = train(photos, tmp_path / "whole", estimator)
    run_until_killed("camera_denoiser", "train(*sys.argv[1:])", 3, photos, tmp_path / "run", estimator)
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["step"] == 3
    assert train(photos, tmp_path / "run", estimator).read_bytes() == whole.read_bytes()
    assert_equal_states(tmp_path / "run", tmp_path / "whole")


def test_the_denoiser_learns(photos: Path, estimator: Path) -> None:
    settings = SMALL.model_copy(update={"estimator": str(estimator), "total_kimg": 0.3, "lr": 2e-3})
    trainer = CameraTrainer(settings, photos)
    trainer.prepare(None)
    with torch.random.fork_rng(devices=[]):
        rng = torch.Generator()
        losses = []
        for step in range(120):
            _, loss = trainer.loss(None, rng.manual_seed(step % 6), rng)  # type: ignore[arg-type]
            trainer.optimizer.zero_grad()
            loss.backward()
            trainer.optimizer.step()
            losses.append(float(loss.detach()))
    assert sum(losses[-6:]) < sum(losses[:6]) - 0.1


def test_crops_that_haar_squares_do_not_divide_are_refused(photos: Path) -> None:
    with pytest.raises(SettingsError, match="crop_px is 40: expected a multiple of 16"):
        NoiseTrainer(NOISE.model_copy(update={"crop_px": 40}), photos)


def test_a_denoiser_that_nobody_would_tell_of_noise_is_refused(photos: Path) -> None:
    with pytest.raises(SettingsError, match=r"no noise estimator: .* pass --set estimator=FILE"):
        CameraTrainer(CameraSettings(), photos)

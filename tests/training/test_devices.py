"""Every training on another device: the same seed takes the same steps, and no tensor stays behind."""

import importlib.util
import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from bigprior.io.weights import save_weights
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.networks.generators import PGGAN
from bigprior.networks.noise_estimator import NoiseEstimator
from bigprior.training.camera_denoiser import CameraSettings, CameraTrainer, NoiseSettings, NoiseTrainer
from bigprior.training.colorizer import ColorizerSettings, ColorizerTrainer
from bigprior.training.denoiser import DenoiserSettings, DenoiserTrainer
from bigprior.training.dncnn import DnCNNSettings, DnCNNTrainer
from bigprior.training.encoder import EncoderSettings, EncoderTrainer
from bigprior.training.filler import FillerSettings, FillerTrainer
from bigprior.training.gan import GANSettings, GANTrainer
from bigprior.training.kinds import TRAININGS
from bigprior.training.loop import fit
from bigprior.training.phi import PhiSettings, PhiTrainer
from bigprior.training.small_gans import CVAEGANSettings, CVAEGANTrainer, LRGANSettings, LRGANTrainer
from bigprior.training.tnrd import TNRDSettings, TNRDTrainer
from bigprior.training.trainer import Trainer
from bigprior.training.triples import Triples

_spec = importlib.util.spec_from_file_location("accelerator", Path(__file__).with_name("accelerator.py"))
assert _spec is not None and _spec.loader is not None
accelerators = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accelerators)


def denoiser(data: Path, vgg: Path, steps: int) -> Trainer[Any]:
    small = {"widths": (4, 8), "blocks": 1, "resolution": 32, "crop_px": 16, "conditional_crop_px": 32, "batch": 2}
    small |= {"snapshot_kimg": 0.002}
    shares = {"conditional": 0.6, "one_step": 0.6, "recoloured": 0.5, "native": 0.5, "ema": 0.5}
    return DenoiserTrainer(DenoiserSettings(total_kimg=2 * steps / 1000, **small, **shares), data)


def gan(data: Path, vgg: Path, steps: int) -> Trainer[Any]:
    small = {"resolution": 16, "z_dim": 8, "fmap_base": 128, "fmap_max": 8, "discriminator_width": 4, "batch": 4}
    small |= {"snapshot_kimg": 0.004}
    return GANTrainer(GANSettings(total_kimg=4 * steps / 1000, vgg=vgg, **small), data)


def encoder(data: Path, vgg: Path, steps: int) -> Trainer[Any]:
    torch.manual_seed(1)
    generator = PGGAN(16, z_dim=16, fmap_base=256, fmap_max=16)
    small = {"codes": 2, "layer": 2, "width": 8, "hidden": 16, "batch": 4, "shared": 0.5}
    small |= {"snapshot_kimg": 0.004}
    return EncoderTrainer(EncoderSettings(total_kimg=4 * steps / 1000, **small), generator, data)


def colorizer(data: Path, vgg: Path, steps: int) -> Trainer[Any]:
    settings = ColorizerSettings(width=8, depth=12, batch=2, snapshot_kimg=0.002, total_kimg=2 * steps / 1000)
    return ColorizerTrainer(settings, data)


def filler(data: Path, vgg: Path, steps: int) -> Trainer[Any]:
    torch.manual_seed(0)
    network = DenoisingUNet((4, 8), blocks=1).eval()
    small = {"rank": 2, "resolution": 64, "batch": 2, "snapshot_kimg": 0.002}
    return FillerTrainer(FillerSettings(total_kimg=2 * steps / 1000, **small), network, data)


def phi(data: Path, vgg: Path, steps: int) -> Trainer[Any]:
    pictures = torch.rand(3, 4, 3, 20, 22, generator=torch.Generator().manual_seed(0))
    triples = Triples(*pictures)
    settings = PhiSettings(network="bands", steps=steps, batch=2, crop_px=16, validate_every=1)
    return PhiTrainer(settings, triples, triples)


def dncnn(data: Path, vgg: Path, steps: int) -> Trainer[Any]:
    small = {"depth": 3, "batch": 2, "crop_px": 9, "validation_px": 12, "validate_every": 1}
    settings = DnCNNSettings(task="inpaint", steps=steps, index=(0, 3), validation=(4, 5), **small)
    return DnCNNTrainer(settings, data)


def noise(data: Path, vgg: Path, steps: int) -> Trainer[Any]:
    settings = NoiseSettings(
        widths=(4, 8), blocks=1, crop_px=16, batch=2, snapshot_kimg=0.002, total_kimg=2 * steps / 1000
    )
    return NoiseTrainer(settings, data)


def camera(data: Path, vgg: Path, steps: int) -> Trainer[Any]:
    estimator = vgg.with_name("estimator.safetensors")
    network = NoiseEstimator((4, 8), blocks=1)
    save_weights(estimator, network.state_dict(), {"network": network.settings})
    small = {
        "widths": (4, 8),
        "blocks": 1,
        "crop_px": 16,
        "batch": 2,
        "snapshot_kimg": 0.002,
        "estimator": str(estimator),
    }
    return CameraTrainer(CameraSettings(total_kimg=2 * steps / 1000, **small), data)


def lr_gan(data: Path, vgg: Path, steps: int) -> Trainer[Any]:
    small = {"resolution": 8, "width": 4, "discriminator_width": 4, "batch": 4, "snapshot_kimg": 0.004}
    return LRGANTrainer(LRGANSettings(total_kimg=4 * steps / 1000, step_dim=4, steps=2, **small), data)


def cvae_gan(data: Path, vgg: Path, steps: int) -> Trainer[Any]:
    small = {"resolution": 8, "width": 4, "discriminator_width": 4, "batch": 4, "snapshot_kimg": 0.004}
    return CVAEGANTrainer(CVAEGANSettings(total_kimg=4 * steps / 1000, noise_dim=4, **small), data)


def tnrd(data: Path, vgg: Path, steps: int) -> Trainer[Any]:
    small = {"stages": 1, "side": 3, "knots": 7, "crop_px": 8, "batch": 2, "validate_every": 1}
    return TNRDTrainer(TNRDSettings(steps=steps, **small), data)


MAKE: dict[str, Callable[[Path, Path, int], Trainer[Any]]] = {
    "denoiser": denoiser,
    "gan": gan,
    "phi": phi,
    "encoder": encoder,
    "colorizer": colorizer,
    "filler": filler,
    "dncnn": dncnn,
    "noise": noise,
    "camera": camera,
    "lr-gan": lr_gan,
    "cvae-gan": cvae_gan,
    "tnrd": tnrd,
}


real = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.mark.parametrize(
    ("device", "steps", "close"),
    [(accelerators.accelerator, 4, 1e-4), pytest.param(lambda: nullcontext("cuda"), 20, 1e-3, marks=real)],
)
@pytest.mark.parametrize("kind", list(TRAININGS))
def test_the_same_seed_takes_the_same_steps(
    pictures: Path, vgg_weights: Path, tmp_path: Path, kind: str, device: Callable[[], Any], steps: int, close: float
) -> None:
    make, losses = MAKE[kind], []
    fit(make(pictures, vgg_weights, steps), tmp_path / "here", quiet=True)
    with device() as name:
        trainer = make(pictures, vgg_weights, steps)
        fit(trainer, tmp_path / "there", device=name, quiet=True)
        assert {p.device.type for p in trainer.network.parameters()} == {name}
    for folder in ("here", "there"):
        lines = [json.loads(line) for line in (tmp_path / folder / "log.jsonl").read_text().splitlines()]
        losses.append([value for line in lines for value in line.values()])
        assert lines[-1]["step"] == steps
    assert losses[1] == pytest.approx(losses[0], rel=close)
    state = torch.load(tmp_path / "there" / "state.pt", weights_only=True)  # it can go on anywhere
    assert {tensor.device.type for tensor in state["network"].values()} == {"cpu"}


def test_the_accelerator_refuses_what_stayed_behind() -> None:
    with accelerators.accelerator() as name:
        x = torch.ones(3).to(name)
        assert float((x + 1).sum().cpu()) == 6 and x.device.type == name
        with pytest.raises(RuntimeError, match="same device"):
            x + torch.ones(3)

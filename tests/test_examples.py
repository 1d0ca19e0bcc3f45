"""The examples run, as a reader would run them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bigprior.io.pictures import read_picture
from bigprior.networks.ffdnet import FFDNet
from bigprior.priors.models import load_model

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_a_denoiser_of_your_own(tmp_path: Path) -> None:
    photo, mask = (
        np.random.default_rng(0).integers(1, 256, (40, 48, 3), dtype=np.uint8),
        np.full((40, 48), 255, np.uint8),
    )
    mask[10:20, 10:30] = 0
    Image.fromarray(photo).save(tmp_path / "photo.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    files = [str(tmp_path / name) for name in ("photo.png", "mask.png", "restored.png")]
    command = [sys.executable, str(EXAMPLES / "own_denoiser.py"), *files, "--steps", "2", "--random-weights"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "inpainting" in done.stdout
    restored, known = read_picture(files[2]).image, torch.from_numpy(mask > 0)
    assert torch.equal(restored[..., known], read_picture(files[0]).image[..., known])


def test_free_pictures(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(EXAMPLES / "free_pictures.py"), str(tmp_path)], check=True, timeout=300)
    assert {p.stem: read_picture(p).image.shape for p in tmp_path.iterdir()} == dict.fromkeys(
        ("astronaut", "chelsea", "coffee", "rocket"), (1, 3, 256, 256)
    )


@pytest.mark.slow
def test_weighted_registration() -> None:
    """What was made up has no say, so that pictures are aligned more precisely."""
    command = [sys.executable, str(EXAMPLES / "weighted_registration.py"), "--pairs", "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    falls = int(done.stdout.split()[-1].rstrip("%"))
    assert falls >= 10, done.stdout


def test_matconvnet_weights(tmp_path: Path) -> None:
    """MATLAB stores kernels on their side, and counts the four pixels of a square down its columns first."""
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'bigprior[bench]'")
    torch.manual_seed(0)
    channels, network = 3, FFDNet(3, width=6, depth=4)
    layers = [("SubP", None), ("concat", None)]
    convolutions = [layer for layer in network.model if isinstance(layer, torch.nn.Conv2d)]
    squares = [4 * i + j for i in range(channels) for j in (0, 2, 1, 3)]
    for i, layer in enumerate(convolutions):
        weight, bias = layer.weight.detach(), layer.bias.detach()
        if i == 0:
            weight = weight[:, [*squares, 4 * channels]]
        if i == len(convolutions) - 1:
            weight, bias = weight[squares], bias[squares]
        layers += [("conv", (weight.transpose(2, 3).numpy(), bias[None].numpy())), ("relu", None)]
    with h5py.File(tmp_path / "ffdnet.mat", "w") as file:
        cells = []
        for i, (kind, weights) in enumerate([*layers[:-1], ("SubP", None)]):
            layer = file.create_group(f"#refs#/{i}")
            layer["type"] = np.frombuffer(kind.encode(), np.uint8).astype(np.uint16)[:, None]
            if weights is not None:
                parts = [file.create_dataset(f"#refs#/{i}-{j}", data=part) for j, part in enumerate(weights)]
                layer.create_dataset("weights", data=np.array([[p.ref] for p in parts]), dtype=h5py.ref_dtype)
            cells.append([layer.ref])
        file.create_dataset("net/layers", data=np.array(cells), dtype=h5py.ref_dtype)
    files = [str(tmp_path / name) for name in ("ffdnet.mat", "ffdnet.safetensors")]
    command = [sys.executable, str(EXAMPLES / "matconvnet_weights.py"), *files]
    subprocess.run(command, check=True, timeout=300)
    read = load_model(files[1]).model
    x, sigma = torch.rand(1, channels, 8, 6), torch.tensor([0.1])
    assert torch.equal(read(x, sigma), network(x, sigma))


@pytest.mark.slow
def test_mri() -> None:
    """What lines were skipped is made up better than by total variation, and no line that was taken is."""
    command = [sys.executable, str(EXAMPLES / "mri.py"), "--side", "64", "--sigma", "0.002", "--share", "0.4"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    found = dict(re.findall(r"^(\S.*?) +(\d+\.\d+) dB", done.stdout, re.MULTILINE))
    assert float(found["bigprior"]) > float(found["total variation"]) > float(found["empty lines"]), done.stdout
    assert "bit for bit: True" in done.stdout
    assert float(done.stdout.split()[-1]) < 0.05, done.stdout


@pytest.mark.slow
def test_special_cases() -> None:
    command = [sys.executable, str(EXAMPLES / "special_cases.py"), "--side", "24"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    assert "Eq. 6, Gaussian MAP: differs from Eq. 5 by " in done.stdout
    assert "  epsilon 0.0 " in done.stdout and "phi 1.000   5% 1.000" in done.stdout

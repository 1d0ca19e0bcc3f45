"""The examples run, as a reader would run them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bigprior.io.pictures import read_picture

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
        ("astronaut", "chelsea", "coffee"), (1, 3, 256, 256)
    )

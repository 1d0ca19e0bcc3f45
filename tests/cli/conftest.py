"""The program, called as a person calls it, on a tiny preset and a small photograph."""

import pytest
import torch

from bigprior.degradations import DEGRADATIONS
from bigprior.io.pictures import write_picture
from bigprior.io.weights import save_weights
from bigprior.networks.generators import PGGAN
from bigprior.phi import UNetPhi
from bigprior.presets.importing import import_preset


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A user's folder with one tiny preset, called ``tiny``."""
    home = tmp_path_factory.mktemp("home")
    torch.manual_seed(0)
    generator = PGGAN(16, z_dim=16, fmap_base=256, fmap_max=16)
    save_weights(home / "g.safetensors", generator.state_dict(), {"images": 1000})
    phi = UNetPhi((4, 8))
    save_weights(home / "phi.safetensors", phi.state_dict(), {"kind": "unet", "network": phi.settings})
    import_preset("tiny", home / "g.safetensors", phi=dict.fromkeys(DEGRADATIONS, home / "phi.safetensors"), into=home)
    return home


@pytest.fixture
def run(home, monkeypatch, program):
    """Call the program with arguments; gives exit code, standard output and standard error."""
    monkeypatch.setenv("BIGPRIOR_HOME", str(home))
    return program


@pytest.fixture
def photo(tmp_path):
    """An 8-bit RGB photograph in sepia, 40 wide and 30 high."""
    path = tmp_path / "photo.png"
    rng = torch.Generator().manual_seed(3)
    write_picture(path, torch.rand(1, 1, 30, 40, generator=rng) * torch.tensor([1, 0.9, 0.7]).view(1, 3, 1, 1))
    return path


@pytest.fixture
def mask(tmp_path):
    """A mask of the photograph's size with a hole in the middle."""
    known = torch.ones(1, 1, 30, 40)
    known[:, :, 10:18, 15:25] = 0
    path = tmp_path / "mask.png"
    write_picture(path, known)
    return path

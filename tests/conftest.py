"""Tiny networks, pictures and weights that the tests share. Everything is seeded and fits in a blink."""

import importlib.util
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from safetensors.torch import save_file
from torch import Tensor, nn

from bigprior import cli
from bigprior.degradations import DEGRADATIONS, Degradation, Inpainting
from bigprior.degradations.simulation import simulate
from bigprior.io.weights import save_weights
from bigprior.networks.generators import GENERATORS, Generator
from bigprior.networks.generators.pggan import PGGAN
from bigprior.phi import DnCNNPhi, UNetPhi

settings.register_profile(
    "bigprior",
    derandomize=True,
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("bigprior")
torch.set_num_threads(1)  # these networks are too small for more

#: A small network of each architecture of ours, which needs a line here; another package's is as it is by default.
TINY: dict[str, dict[str, Any]] = {
    "pggan": {"resolution": 16, "z_dim": 16, "fmap_base": 256, "fmap_max": 16},
    "dcgan": {"z_dim": 16, "widths": [24, 16, 12]},
    "stylegan": {"resolution": 16, "input_dim": 8, "w_dim": 12, "mapping_layers": 2, "fmap_base": 128, "fmap_max": 12},
    "lr-gan": {"resolution": 16, "step_dim": 8, "steps": 3, "background": [16, 12], "foreground": [16, 12]},
    "cvae-gan": {"noise_dim": 8, "classes": 3, "widths": [16, 12]},
    "taesd": {"resolution": 16, "channels": 3, "width": 12, "doublings": 2, "encoder": True},
    "stylegan2": {"resolution": 16, "input_dim": 8, "w_dim": 12, "mapping_layers": 2, "fmap_base": 128, "fmap_max": 12},
}

#: Shapes of torchvision's VGG-16 up to conv3_3.
VGG_SHAPES = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128), 12: (256, 256), 14: (256, 256)}


def is_ours(thing: type) -> bool:
    """Whether it is not of another package, which has registered it beside ours and so meets the same tests."""
    return thing.__module__.startswith("bigprior.")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[Any, str, str]]:
    """Call the program with arguments; gives exit code, standard output and standard error."""

    def call(*arguments: object) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["bigprior", *map(str, arguments)])
        try:
            cli.main()
            code: Any = 0
        except SystemExit as stop:
            code = stop.code or 0
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


@pytest.fixture(scope="session")
def shared() -> Path:
    """The developers' folder beside the repository: the paper's pictures and the released weights."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("no ../shared beside the repository: the paper's own files are only on the developers' machines")
    return folder


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A page in headless Chromium; see ``tests/browser.py``."""
    spec = importlib.util.spec_from_file_location("browser", Path(__file__).with_name("browser.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    opened = module.Browser(tmp_path / "profile")
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    torch.manual_seed(0)


@pytest.fixture
def tiny_generator() -> PGGAN:
    """Makes 16x16 pictures from codes of length 16; splits at layers 0 to 6."""
    torch.manual_seed(1)
    return PGGAN(**TINY["pggan"])


@pytest.fixture
def small() -> Callable[[str], Generator]:
    """``small(name)``: a small network of a registered architecture, ready to make pictures."""

    def build(name: str) -> Generator:
        torch.manual_seed(2)
        assert name in TINY or not is_ours(GENERATORS[name]), f"give {name} small settings in tests/conftest.py"
        network: Generator = GENERATORS[name](**TINY.get(name, {})).train()
        normal = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
        if normal:  # its statistics are those of pictures: here the mean of what was seen
            for layer in normal:
                layer.momentum = None
            with torch.no_grad():
                pictures = network(network.draw(32, torch.Generator().manual_seed(0)))
                network.guess(pictures)
        return network.eval()

    return build


@pytest.fixture(params=sorted(GENERATORS))
def any_generator(request: pytest.FixtureRequest, small: Callable[[str], Generator]) -> Generator:
    """A small network of each registered architecture."""
    return small(request.param)


@pytest.fixture(params=sorted(DEGRADATIONS))
def any_task(request: pytest.FixtureRequest) -> str:
    """The name of each registered degradation."""
    name: str = request.param
    return name


@pytest.fixture(params=sorted(name for name in DEGRADATIONS if is_ours(DEGRADATIONS[name])))
def our_task(request: pytest.FixtureRequest) -> str:
    """The name of each degradation of ours."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def vgg_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random VGG-16 trunk with torchvision's names."""
    rng = torch.Generator().manual_seed(3)
    state: dict[str, Tensor] = {}
    for i, (c_out, c_in) in VGG_SHAPES.items():
        state[f"features.{i}.weight"] = torch.randn(c_out, c_in, 3, 3, generator=rng) * (2 / (9 * c_in)) ** 0.5
        state[f"features.{i}.bias"] = torch.randn(c_out, generator=rng) * 0.1
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    save_file(state, path)
    return path


@pytest.fixture
def measure():  # type: ignore[no-untyped-def]
    """``measure(task, n, height, width)``: measurements of random pictures and their degradation, with its mask."""

    def make(task: str, n: int = 1, height: int = 16, width: int = 16, seed: int = 4) -> tuple[Tensor, Degradation]:
        x = torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed))
        if not is_ours(DEGRADATIONS[task]):
            return simulate(next(iter(DEGRADATIONS[task].protocols)), x, [str(i) for i in range(n)])
        if task != "inpainting" or height * width == 1:  # one pixel cannot be both known and lost
            physics = DEGRADATIONS[task]()
            return (x if physics.channels == 3 else physics.f(x)), physics
        mask = torch.ones(1, 1, height, width)
        mask[..., height // 3 : height // 3 + max(height // 4, 1), width // 3 : width // 3 + max(width // 4, 1)] = 0
        physics = Inpainting(mask)
        return physics.f(x), physics

    return make


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where one's own presets go in this test."""
    monkeypatch.setenv("BIGPRIOR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def generator(tmp_path: Path, tiny_generator: PGGAN) -> Path:
    """A generator as training writes it."""
    path = tmp_path / "generator.safetensors"
    save_weights(path, tiny_generator.state_dict(), {"architecture": "pggan", "images": 123})
    return path


@pytest.fixture
def phi(tmp_path: Path) -> Path:
    """A phi network as training writes it."""
    network = UNetPhi((4, 6))
    save_weights(tmp_path / "phi.safetensors", network.state_dict(), {"kind": "unet", "network": network.settings})
    return tmp_path / "phi.safetensors"


@pytest.fixture
def nvidia_pickle(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, nn.Module], None]:
    """``nvidia_pickle(path, network)``: a pickle as NVIDIA's PyTorch code writes it, whose classes are gone afterwards.

    Every module in it is a call of ``torch_utils.persistence`` with the source text of its class and its attributes.
    """

    def reconstruct(meta: dict[str, Any]) -> None:
        raise AssertionError("a module of the file was made")

    def write(path: Path, network: nn.Module) -> None:
        package, persistence = ModuleType("torch_utils"), ModuleType("torch_utils.persistence")
        dnnlib, util = ModuleType("dnnlib"), ModuleType("dnnlib.util")
        easy = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
        reconstruct.__module__, reconstruct.__qualname__ = persistence.__name__, "_reconstruct_persistent_obj"
        persistence._reconstruct_persistent_obj, util.EasyDict = reconstruct, easy  # type: ignore[attr-defined]
        with monkeypatch.context() as patch:
            for module in (package, persistence, dnnlib, util):
                patch.setitem(sys.modules, module.__name__, module)

            class Pickler(pickle.Pickler):
                def reducer_override(self, held: Any) -> Any:
                    if not isinstance(held, nn.Module):
                        return NotImplemented
                    own = {
                        k: v for k, v in vars(held).items() if k in ("_parameters", "_buffers", "_modules", "training")
                    }
                    state = own | {
                        "_non_persistent_buffers_set": set(),
                        "weight_gain": np.float64(0.3),
                        "_init_args": (),
                    }
                    source = "raise AssertionError('the source of the file was run')"
                    meta = {"type": "class", "version": 6, "module_src": source, "class_name": "Any", "state": state}
                    return reconstruct, (meta,)

            with path.open("wb") as file:
                kwargs = easy(path="there", resolution=np.int64(16), labels=np.arange(3, dtype=np.float32))
                made = {"G": nn.Linear(2, 2), "D": None, "G_ema": network, "training_set_kwargs": kwargs}
                Pickler(file).dump(made)

    return write


@pytest.fixture
def released(tmp_path: Path) -> Callable[[int], Path]:
    """``released(channels)``: a phi network with the names of the released files."""

    def make(channels: int) -> Path:
        state = DnCNNPhi(channels, bounded=False).state_dict()
        path = tmp_path / "released.pth"
        torch.save({f"module.backbone.{k}": v for k, v in state.items()}, path)
        return path

    return make

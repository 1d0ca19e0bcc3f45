"""The denoiser's training, on pictures that are small and random."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from bigprior.errors import SettingsError
from bigprior.io.weights import read_weights
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.presets.importing import import_preset
from bigprior.presets.store import load_denoiser, load_restorer, preset
from bigprior.training.denoiser import DenoiserSettings, _Trainer, train_denoiser

SMALL = DenoiserSettings(
    widths=(4, 8),
    blocks=1,
    resolution=32,
    crop_px=16,
    conditional_crop_px=24,
    batch=4,
    total_kimg=0.04,
    snapshot_kimg=0.016,
    told=0.7,
    perceptual=0,
)


@pytest.fixture(scope="module")
def unbroken(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    train_denoiser(pictures, folder, SMALL, quiet=True)
    return folder


def test_a_killed_run_ends_like_one_that_was_not(
    pictures: Path, unbroken: Path, tmp_path: Path, assert_equal_states, run_until_killed
) -> None:
    call = "denoiser.train_denoiser(sys.argv[1], sys.argv[2], test_denoiser.SMALL, quiet=True)"
    run_until_killed("denoiser", call, 3, pictures, tmp_path / "run")
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["step"] == 3
    path = train_denoiser(pictures, tmp_path / "run", SMALL, quiet=True)
    assert path.read_bytes() == (unbroken / "denoiser.safetensors").read_bytes()
    assert_equal_states(tmp_path / "run", unbroken)


def test_it_learns(tmp_path: Path) -> None:
    for i in range(4):  # flat pictures: noise is easily told from them
        Image.new("RGB", (32, 32), (60 * i, 200 - 50 * i, 90)).save(tmp_path / f"{i}.png")
    # Without a moving average to speak of, since the run is short.
    quick = {"widths": (8, 16), "total_kimg": 1.6, "told": 0.0, "low_noise": 1.0, "ema": 0.5, "lr": 5e-3, "decay": 0.5}
    settings = SMALL.model_copy(update=quick)
    tensors, header = read_weights(train_denoiser(tmp_path, tmp_path / "run", settings, quiet=True))
    network = DenoisingUNet.from_state_dict(tensors, header["network"])
    x = torch.full((1, 3, 16, 16), 0.4)
    noisy = x + 0.15 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        left = float((network(noisy, 0.15) - x).square().mean() / (noisy - x).square().mean())
    assert left < 0.3


def test_lpips_judges_holes(pictures: Path, tmp_path: Path) -> None:
    update = {"told": 1.0, "luminance": 0.0, "start": 1.0, "perceptual": 1.0}
    with pytest.raises(SettingsError, match=r"conditional_crop_px is 24: .* 32 pixels"):
        train_denoiser(pictures, tmp_path / "small", SMALL.model_copy(update=update), quiet=True)
    settings = SMALL.model_copy(update=update | {"conditional_crop_px": 32})
    losses = {}
    for name, update in (("with", {}), ("without", {"perceptual": 0.0})):
        train_denoiser(pictures, tmp_path / name, settings.model_copy(update=update), quiet=True)
        first, *_ = (tmp_path / name / "log.jsonl").read_text().splitlines()
        losses[name] = json.loads(first)["surroundings alone"]
    assert losses["with"] > losses["without"] > 0


def test_a_folder_of_another_run_is_refused(pictures: Path, unbroken: Path) -> None:
    with pytest.raises(SettingsError, match="other settings"):
        train_denoiser(pictures, unbroken, SMALL.model_copy(update={"told": 0.1}), quiet=True)


def test_a_new_run_goes_on_from_weights(pictures: Path, unbroken: Path, tmp_path: Path) -> None:
    start = unbroken / "denoiser.safetensors"
    settings = SMALL.model_copy(update={"total_kimg": 0.008, "lr": 1e-12, "seed": 3})
    tensors, header = read_weights(train_denoiser(pictures, tmp_path, settings, init=start, quiet=True))
    assert header["images"] == 48
    before, _ = read_weights(start)
    assert all(torch.allclose(tensors[k], before[k], atol=1e-3) for k in before)


@pytest.mark.usefixtures("home")
def test_trained_weights_become_a_preset_that_restores(unbroken: Path, measure) -> None:
    import_preset("own-denoiser", unbroken / "denoiser.safetensors")
    assert preset("own-denoiser").network == "denoiser" and preset("own-denoiser").images_seen == 40
    assert load_denoiser("own-denoiser")(torch.rand(1, 3, 8, 8), 0.1).shape == (1, 3, 8, 8)
    for task in ("denoising", "inpainting", "colorization"):
        y, physics = measure(task, height=20, width=24)
        result = load_restorer("own-denoiser", task).restore(y, physics)
        assert result.restored.shape == (1, 3, 20, 24)
        assert result.provenance["sampling"]["sampler"] == "mean"
    with pytest.raises(SettingsError, match="paper"):
        load_restorer("own-denoiser", "denoising", paper=True)


def test_two_processes_train_one_denoiser(
    pictures: Path, unbroken: Path, tmp_path: Path, in_two_processes: Callable[..., None]
) -> None:
    script = """
from test_denoiser import SMALL
from bigprior.training import denoiser
seen = {}
step = denoiser._Trainer.train_step
def spied(self, pictures):
    kind, loss = step(self, pictures)
    seen.setdefault(self.rank, []).append([kind, loss, float(sum(p.abs().sum() for p in self.network.parameters()))])
    return kind, loss
denoiser._Trainer.train_step = spied
denoiser.train_denoiser(sys.argv[1], sys.argv[2] + "/run", SMALL)
import json
(rank, lines), = seen.items()
open(f"{sys.argv[2]}/{rank}.json", "w").write(json.dumps(lines))
"""
    in_two_processes(script, pictures, tmp_path)
    first, second = (json.loads((tmp_path / f"{r}.json").read_text()) for r in (0, 1))
    assert [kind for kind, *_ in first] == [kind for kind, *_ in second]  # asked the same
    assert all(a != b for (_, a, _), (_, b, _) in zip(first, second, strict=True))  # of other crops
    assert [size for *_, size in first] == [size for *_, size in second]  # and stay one network
    assert read_weights(tmp_path / "run" / "denoiser.safetensors")[1]["images"] == 40
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 3  # one of them writes
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["step"] == 10
    assert (unbroken / "denoiser.safetensors").read_bytes() != (tmp_path / "run" / "denoiser.safetensors").read_bytes()


def test_processes_that_work_alone_meet(pictures: Path, tmp_path: Path, in_two_processes: Callable[..., None]) -> None:
    script = """
import shutil
from test_denoiser import SMALL
from bigprior.training import denoiser, run
sums = []
step, save = denoiser._Trainer.train_step, run.Run.save
def spied(self, pictures):
    result = step(self, pictures)
    networks = [float(sum(p.abs().sum() for p in n.parameters())) for n in (self.network, self.ema)]
    sums.append((self.rank, networks))
    return result
def copied(self, state):
    save(self, state)
    if self.writes and state["step"] == 8 and sys.argv[3].endswith("run"):
        shutil.copytree(self.folder, sys.argv[2] + "/resumed")
denoiser._Trainer.train_step, run.Run.save, run.SAVE_EVERY_S = spied, copied, -1.0
denoiser.train_denoiser(sys.argv[1], sys.argv[3], SMALL.model_copy(update={"alone": 4}))
import json
open(f"{sys.argv[3]}-{sums[0][0]}.json", "w").write(json.dumps([s for _, s in sums]))
"""
    for name in ("run", "resumed"):  # one after the other: processes cannot meet anew once they parted
        in_two_processes(script, pictures, tmp_path, tmp_path / name)
    first, second = (json.loads((tmp_path / f"run-{r}.json").read_text()) for r in (0, 1))
    assert [i for i in range(10) if first[i] == second[i]] == [3, 7, 9]
    for taken, rank in ((first, 0), (second, 1)):  # it went on from the eighth step, where they had met
        assert json.loads((tmp_path / f"resumed-{rank}.json").read_text()) == taken[8:]
    weights = [(tmp_path / name / "denoiser.safetensors").read_bytes() for name in ("run", "resumed")]
    assert weights[0] == weights[1]


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(SettingsError, match="3 processes cannot share a batch of 4"):
        _Trainer(SMALL, rank=0, count=3)

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
from bigprior.presets.loading import load_restorer
from bigprior.presets.store import load_part, preset
from bigprior.training.denoiser import DenoiserSettings, DenoiserTrainer
from bigprior.training.loop import fit
from bigprior.training.workers import Team

SMALL = DenoiserSettings(
    widths=(4, 8),
    blocks=1,
    resolution=32,
    crop_px=16,
    conditional_crop_px=24,
    batch=4,
    total_kimg=0.04,
    snapshot_kimg=0.016,
    conditional=0.7,
    perceptual=0,
)

#: All steps fill holes, against a discriminator.
OPPOSED = SMALL.model_copy(
    update={"conditional": 1.0, "tasks": {"inpaint": 1.0}, "one_step": 1.0, "adversarial": 0.5, "scenes": 0.5}
)


def train(data: Path | str, out: Path | str, settings: DenoiserSettings = SMALL, init: Path | None = None) -> Path:
    return fit(DenoiserTrainer(settings, data), out, init=init, quiet=True)


def train_opposed(data: Path | str, out: Path | str) -> Path:
    return train(data, out, OPPOSED)


@pytest.fixture(scope="module")
def unbroken(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    train(pictures, folder)
    return folder


def test_a_killed_run_ends_like_one_that_was_not(
    pictures: Path, unbroken: Path, tmp_path: Path, assert_equal_states, run_until_killed
) -> None:
    run_until_killed("denoiser", "train(*sys.argv[1:])", 3, pictures, tmp_path / "run")
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["step"] == 3
    path = train(pictures, tmp_path / "run")
    assert path.read_bytes() == (unbroken / "denoiser.safetensors").read_bytes()
    assert_equal_states(tmp_path / "run", unbroken)


def test_it_learns(tmp_path: Path) -> None:
    for i in range(4):  # flat pictures: noise is easily told from them
        Image.new("RGB", (32, 32), (60 * i, 200 - 50 * i, 90)).save(tmp_path / f"{i}.png")
    # Without a moving average to speak of, since the run is short.
    quick = {
        "widths": (8, 16),
        "total_kimg": 1.6,
        "conditional": 0.0,
        "low_noise": 1.0,
        "ema": 0.5,
        "lr": 5e-3,
        "decay": 0.5,
    }
    settings = SMALL.model_copy(update=quick)
    tensors, header = read_weights(train(tmp_path, tmp_path / "run", settings))
    network = DenoisingUNet.from_state_dict(tensors, header["network"])
    x = torch.full((1, 3, 16, 16), 0.4)
    noisy = x + 0.15 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        left = float((network(noisy, 0.15) - x).square().mean() / (noisy - x).square().mean())
    assert left < 0.3


def test_photographs_of_any_sizes_are_learned_from_as_they_are(tmp_path: Path) -> None:
    for i, size in enumerate([(50, 33), (17, 64), (12, 9)]):  # the last is smaller than a crop
        Image.new("RGB", size, (60 * i, 20, 200)).save(tmp_path / f"{i}.png")
    trainer = DenoiserTrainer(SMALL.model_copy(update={"resolution": 0, "recoloured": 0.0}), tmp_path)
    trainer.prepare(None)
    assert [tuple(picture.shape) for picture in trainer.pictures] == [(3, 33, 50), (3, 64, 17), (3, 9, 12)]
    seen = set()
    for seed in range(6):
        x, _ = trainer.batch(None, torch.Generator().manual_seed(seed))
        assert x.shape == (4, 3, 16, 16)
        torch.testing.assert_close(x[:, 1:], torch.tensor([20, 200]).view(2, 1, 1).expand(4, 2, 16, 16) / 255)
        seen |= {round(255 * float(crop.mean()) / 60) for crop in x[:, 0]}
    assert seen == {0, 1, 2}


def test_lpips_judges_holes(pictures: Path, tmp_path: Path) -> None:
    update = {"conditional": 1.0, "tasks": {"inpaint": 1.0}, "one_step": 1.0, "perceptual": 1.0}
    with pytest.raises(SettingsError, match=r"conditional_crop_px is 24: .* 32 pixels"):
        train(pictures, tmp_path / "small", SMALL.model_copy(update=update))
    settings = SMALL.model_copy(update=update | {"conditional_crop_px": 32})
    losses = {}
    for name, update in (("with", {}), ("without", {"perceptual": 0.0})):
        train(pictures, tmp_path / name, settings.model_copy(update=update))
        first, *_ = (tmp_path / name / "log.jsonl").read_text().splitlines()
        losses[name] = json.loads(first)["inpainting, one step"]
    assert losses["with"] > losses["without"] > 0


@pytest.mark.slow
def test_an_adversary_learns_beside_it_and_is_kept(
    pictures: Path, tmp_path: Path, assert_equal_states, run_until_killed
) -> None:
    run_until_killed("denoiser", "train_opposed(*sys.argv[1:])", 3, pictures, tmp_path / "killed")
    paths = [train_opposed(pictures, tmp_path / name) for name in ("killed", "one")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert_equal_states(tmp_path / "killed", tmp_path / "one")
    alone = train(pictures, tmp_path / "alone", OPPOSED.model_copy(update={"adversarial": 0.0}))
    assert alone.read_bytes() != paths[0].read_bytes()


def test_whole_scenes_are_seen_at_their_full_size(pictures: Path) -> None:
    trainer = DenoiserTrainer(SMALL.model_copy(update={"scenes": 1.0}), pictures)
    trainer.prepare(None)
    x, m = trainer.batch("inpainting", torch.Generator().manual_seed(0))
    assert x.shape[2:] == (32, 32)
    assert m is not None
    assert m.size == (32, 32)


def test_a_folder_of_another_run_is_refused(pictures: Path, unbroken: Path) -> None:
    with pytest.raises(SettingsError, match="other settings"):
        train(pictures, unbroken, SMALL.model_copy(update={"conditional": 0.1}))


def test_a_new_run_goes_on_from_weights(pictures: Path, unbroken: Path, tmp_path: Path) -> None:
    start = unbroken / "denoiser.safetensors"
    settings = SMALL.model_copy(update={"total_kimg": 0.008, "lr": 1e-12, "seed": 3})
    tensors, header = read_weights(train(pictures, tmp_path, settings, start))
    assert header["images"] == 48
    before, _ = read_weights(start)
    assert all(torch.allclose(tensors[k], before[k], atol=1e-3) for k in before)


@pytest.mark.usefixtures("home")
def test_trained_weights_become_a_preset_that_restores(unbroken: Path, measure) -> None:
    import_preset("own-denoiser", unbroken / "denoiser.safetensors")
    assert preset("own-denoiser").kind == "diffusion" and preset("own-denoiser").images_seen == 40
    assert load_part("own-denoiser", "denoiser")(torch.rand(1, 3, 8, 8), 0.1).shape == (1, 3, 8, 8)
    for task in ("denoising", "inpainting", "colorization"):
        y, physics = measure(task, height=20, width=24)
        result = load_restorer("own-denoiser", task).restore(y, physics)
        assert result.restored.shape == (1, 3, 20, 24)
        assert result.provenance["settings"]["sampler"] == "mean"
    with pytest.raises(SettingsError, match="paper"):
        load_restorer("own-denoiser", "denoising", paper=True)


def test_two_processes_train_one_denoiser(
    pictures: Path, unbroken: Path, tmp_path: Path, in_two_processes: Callable[..., None]
) -> None:
    script = """
from test_denoiser import train
from bigprior.training.denoiser import DenoiserTrainer
seen = {}
step = DenoiserTrainer.train_step
def spied(self, moment):
    (kind, loss), = (losses := step(self, moment)).items()
    size = float(sum(p.abs().sum() for p in self.network.parameters()))
    seen.setdefault(self.team.rank, []).append([kind, loss.item(), size])
    return losses
DenoiserTrainer.train_step = spied
train(sys.argv[1], sys.argv[2] + "/run")
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


@pytest.mark.slow
def test_processes_that_work_alone_meet(pictures: Path, tmp_path: Path, in_two_processes: Callable[..., None]) -> None:
    script = """
import shutil
from test_denoiser import SMALL, train
from bigprior.training import run
from bigprior.training.denoiser import DenoiserTrainer
sums = []
step, save = DenoiserTrainer.train_step, run.Run.save
def spied(self, moment):
    result = step(self, moment)
    networks = [float(sum(p.sum() for p in n.parameters())) for n in (self.network, self.average)]
    sums.append((self.team.rank, networks))
    return result
def copied(self, state):
    save(self, state)
    if self.writes and state["step"] == 8 and sys.argv[3].endswith("run"):
        shutil.copytree(self.folder, sys.argv[2] + "/resumed")
DenoiserTrainer.train_step, run.Run.save, run.SAVE_EVERY_S = spied, copied, -1.0
train(sys.argv[1], sys.argv[3], SMALL.model_copy(update={"alone": 4}))
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


def test_a_batch_that_cannot_be_shared_is_refused(pictures: Path) -> None:
    with pytest.raises(SettingsError, match="3 processes cannot share a batch of 4"):
        DenoiserTrainer(SMALL, pictures).begin(Team(0, 3), torch.device("cpu"))

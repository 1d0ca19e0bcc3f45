"""The training of a denoiser's changes for holes, on a few pictures."""

from pathlib import Path

import pytest
import torch

from bigprior.io.weights import read_weights
from bigprior.networks.adapter import Adapter
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.training.filler import FillerSettings, FillerTrainer
from bigprior.training.loop import fit
from bigprior.training.losses import repetition

SMALL = FillerSettings(rank=2, resolution=64, batch=2, total_kimg=0.008, snapshot_kimg=0.004, lr=1e-2)


def trainer(data: Path | str, **changes: float) -> FillerTrainer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        denoiser = DenoisingUNet((4, 8), blocks=1)
    return FillerTrainer(SMALL.model_copy(update=changes), denoiser.eval(), data)


def test_what_comes_out_changes_the_denoiser_and_it_stays_as_it_was(pictures: Path, tmp_path: Path) -> None:
    made = trainer(pictures)
    before = {name: value.clone() for name, value in made.denoiser.state_dict().items()}
    tensors, header = read_weights(fit(made, tmp_path / "run", quiet=True))
    assert (header["architecture"], header["images"]) == ("adapter", 8)
    adapted = Adapter.from_state_dict(tensors, header["network"]).adapted(made.denoiser)
    assert all(torch.equal(before[name], value) for name, value in made.denoiser.state_dict().items())
    assert not torch.equal(adapted.tail.weight, made.denoiser.tail.weight)
    assert list((tmp_path / "run").glob("samples-*.png"))


def test_a_run_that_goes_on_ends_like_one_that_was_not_interrupted(pictures: Path, tmp_path: Path) -> None:
    whole = fit(trainer(pictures), tmp_path / "whole", quiet=True)
    again = fit(trainer(pictures), tmp_path / "whole", quiet=True)
    assert again.read_bytes() == whole.read_bytes()
    other = fit(trainer(pictures, repeated=0.0, adversarial=0.0), tmp_path / "other", quiet=True)
    assert other.read_bytes() != whole.read_bytes()


@pytest.mark.parametrize("px", [4, 8, 16])
def test_repetition_is_what_is_the_same_at_every_period(px: int) -> None:
    rng = torch.Generator().manual_seed(0)
    random, tile = torch.rand(1, 3, 128, 128, generator=rng), torch.rand(1, 3, px, px, generator=rng)
    repeated = tile.repeat(1, 1, 128 // px, 128 // px)
    mask = torch.ones(1, 1, 128, 128)
    mask[:, :, 8:120, 8:120] = 0
    x = torch.cat([random, repeated, (random + repeated) / 2])
    share = repetition(x, mask.expand(3, -1, -1, -1), px).tolist()
    assert share[0] < 0.05 and share[1] == pytest.approx(1, abs=0.02) and share[2] == pytest.approx(0.5, abs=0.1)
    shallow = torch.ones(1, 1, 128, 128)
    shallow[:, :, 40:56] = 0  # no pixel is deep in it
    assert repetition(repeated, shallow, px).tolist() == [0]

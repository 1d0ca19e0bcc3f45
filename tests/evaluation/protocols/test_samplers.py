"""Every way of asking a denoiser, on a tiny one."""

from pathlib import Path

import pytest
import torch

from bigprior.evaluation.protocols import Request, samplers
from bigprior.io.pictures import write_picture
from bigprior.io.weights import save_weights
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.presets.importing import import_preset


@pytest.fixture
def tiny(tmp_path: Path, home: Path) -> str:
    torch.manual_seed(0)
    denoiser = DenoisingUNet((8, 16), blocks=1)
    header = {"architecture": "denoising-unet", "network": denoiser.settings}
    save_weights(tmp_path / "d.safetensors", denoiser.state_dict(), header)
    import_preset("tiny", tmp_path / "d.safetensors")
    return "tiny"


@pytest.mark.slow
def test_every_sampler_is_scored_on_every_task_that_it_can_do(tiny: str, tmp_path: Path) -> None:
    write_picture(tmp_path / "data" / "0.png", torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0)))
    seen: list[tuple[int, int]] = []
    request = Request(data=tmp_path / "data", index=(0, 0), preset=tiny, steps=2)
    scores = samplers(request, lambda *done: seen.append(done))
    ways = ["preset", "mean", "posterior", "posterior x4", "ddrm", "diffpir", "dps"]
    assert list(scores["denoising"]) == list(scores["inpainting"]) == ways
    assert list(scores["colorization"]) == [way for way in ways if way != "ddrm"]
    for task, rows in scores.items():
        for figures in rows.values():
            assert figures["seconds"] > 0 and all(torch.tensor(list(figures.values())).isfinite())
        # A filling is joined to its surroundings.
        same = rows["preset"]["psnr"] == pytest.approx(rows["mean"]["psnr"], abs=1e-3)
        assert same == (task != "inpainting")
    assert seen[-1] == (21, 21)

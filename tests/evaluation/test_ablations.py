"""The ablations: every variant is what its name says, on the same crops."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from bigprior.errors import SettingsError
from bigprior.evaluation import ablations
from bigprior.evaluation.ablations import VARIANTS, ablation_table
from bigprior.phi import UNetPhi


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Four pictures and their priors, 24x24."""
    monkeypatch.setattr(ablations, "SIDE_PX", 16)
    rng = torch.Generator().manual_seed(0)
    for folder in ("data", "priors"):
        (tmp_path / folder).mkdir()
        for i in range(4):
            pixels = torch.randint(256, (24, 24, 3), generator=rng, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(tmp_path / folder / f"{i}.png")
    return tmp_path / "data", tmp_path / "priors"


def test_every_variant_has_a_row_and_a_second_run_trains_nothing(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []

    def table() -> dict:
        progress = lambda done, total: seen.append((done, total))  # noqa: E731
        return ablation_table(*folders, (3, 3), tmp_path / "runs", steps=1, progress=progress)

    first = table()
    assert set(first) == {*VARIANTS, "training"} and first["training"] == {"steps": 1}
    assert seen == [(i + 1, len(VARIANTS)) for i in range(len(VARIANTS))]
    bounded = [name for name in VARIANTS if "without the sigmoid" not in name]
    assert all(first[name]["phi_outside"] == 0 for name in bounded)
    assert any(first[name]["phi_outside"] > 0 for name in set(VARIANTS) - set(bounded))
    unet, dncnn = first["U-Net, sees y and prior"], first["DnCNN, sees y alone"]
    assert unet["parameters"] < dncnn["parameters"] and unet["gflop"] < dncnn["gflop"]
    # Every weight of a convolution meets each of 16x16 pixels, a product and a sum each; grey in, three shares out.
    convolutions = 9 * (64 + 15 * 64 * 64 + 3 * 64)
    assert dncnn["gflop"] == pytest.approx(2 * convolutions * 16 * 16 / 1e9)
    monkeypatch.setattr("bigprior.training.phi._Trainer.train_step", None)
    again = table()
    for name in VARIANTS:
        assert again[name]["psnr"] == first[name]["psnr"]


def test_the_variants_of_the_unet_are_what_they_say() -> None:
    y, g, other = torch.rand(3, 1, 3, 12, 12).unbind()
    networks = {}
    for name, change in {"whole": {}, "blind": {"sees_prior": False}, "unbounded": {"bounded": False}}.items():
        torch.manual_seed(0)
        networks[name] = UNetPhi(widths=[4, 6], **change)
    assert torch.equal(networks["blind"](y, g), networks["blind"](y, other))
    assert not torch.equal(networks["whole"](y, g), networks["whole"](y, other))
    assert torch.allclose(networks["unbounded"](y, g).sigmoid(), networks["whole"](y, g), atol=1e-6)


def test_priors_of_other_pictures_are_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    data, priors = folders
    (priors / "0.png").rename(priors / "00.png")
    with pytest.raises(SettingsError, match="same name"):
        ablation_table(data, priors, (3, 3), tmp_path / "runs", progress=lambda done, total: None)

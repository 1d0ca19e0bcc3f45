"""The ablations: every variant is what its name says, on the same crops."""

from importlib import import_module
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from bigprior.errors import SettingsError
from bigprior.evaluation.protocols import Request, evaluation
from bigprior.evaluation.protocols.ablations import VARIANTS
from bigprior.frames import PixelFrame
from bigprior.fusion import centre
from bigprior.phi import PhiNetwork, UNetPhi


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Four pictures and their priors, 24x24."""
    # The package has the measurement itself under this name.
    monkeypatch.setattr(import_module("bigprior.evaluation.protocols.ablations"), "SIDE_PX", 16)
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
        request = Request(folders[0], (3, 3), prior_dir=folders[1], folder=tmp_path / "runs", steps=1)
        return evaluation("ablations")(request, progress)

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
    monkeypatch.setattr("bigprior.training.trainer.Descent.train_step", None)
    again = table()
    for name in VARIANTS:
        assert again[name]["psnr"] == first[name]["psnr"]


def test_the_variants_of_the_unet_are_what_they_say() -> None:
    y, g, other = torch.rand(3, 1, 3, 12, 12).unbind()
    networks = {}
    for name, change in {"whole": {}, "blind": {"sees_prior": False}, "unbounded": {"bounded": False}}.items():
        torch.manual_seed(0)
        networks[name] = UNetPhi(widths=[4, 6], **change)

    def phi(network: PhiNetwork, prior: Tensor) -> Tensor:
        (weights,) = network(y, prior, PixelFrame(), mean=centre(prior), weight=torch.ones(1))
        return weights

    assert torch.equal(phi(networks["blind"], g), phi(networks["blind"], other))
    assert not torch.equal(phi(networks["whole"], g), phi(networks["whole"], other))
    assert torch.allclose(phi(networks["unbounded"], g).sigmoid(), phi(networks["whole"], g), atol=1e-6)


def test_priors_of_other_pictures_are_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    data, priors = folders
    (priors / "0.png").rename(priors / "00.png")
    request = Request(data, (3, 3), prior_dir=priors, folder=tmp_path / "runs")
    with pytest.raises(SettingsError, match="same name"):
        evaluation("ablations")(request, lambda done, total: None)


@pytest.mark.parametrize("wrong", [{"prior_dir": None}, {"index": None}, {"index": (0, 3)}, {"folder": None}], ids=str)
def test_what_they_need_is_asked_for(folders: tuple[Path, Path], tmp_path: Path, wrong: dict) -> None:
    given = {"index": (3, 3), "prior_dir": folders[1], "folder": tmp_path / "runs"}
    message = "pass a folder" if "folder" in wrong else "--prior-dir FOLDER, and --index A-B with A > 0"
    with pytest.raises(SettingsError, match=message):
        evaluation("ablations")(Request(folders[0], **(given | wrong)), lambda done, total: None)

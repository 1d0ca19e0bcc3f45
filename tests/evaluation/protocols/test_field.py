"""The field's own tables: holes and lost colours, with rivals and classical methods on the same pixels."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import lab2rgb
from skimage.data import astronaut
from torch import Tensor, nn

from bigprior.errors import ImageError, SettingsError
from bigprior.evaluation.baselines import BASELINES
from bigprior.evaluation.metrics import hue_unity, psnr, saturation
from bigprior.evaluation.protocols import Request, evaluation
from bigprior.evaluation.protocols.results import write_results
from bigprior.io.pictures import read_picture
from bigprior.io.weights import save_weights
from bigprior.networks.ffdnet import FFDNet

PHOTO = astronaut()[40:104, 180:250]


@pytest.fixture
def phi(tmp_path: Path) -> Path:
    """Half of each."""
    save_weights(tmp_path / "phi.safetensors", {}, {"kind": "constant", "network": {"value": 0.5}})
    return tmp_path / "phi.safetensors"


@pytest.fixture
def holes(tmp_path: Path) -> Path:
    """Two pictures with a dark hole each, and priors that are green."""
    for folder in ("images", "masks", "priors"):
        (tmp_path / folder).mkdir()
    for i in range(2):
        mask = np.full(PHOTO.shape[:2], 255, np.uint8)
        mask[20 : 30 + 5 * i, 22:40] = 0
        Image.fromarray(PHOTO[:, ::-1] if i else PHOTO).save(tmp_path / "images" / f"{i}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
        Image.new("RGB", PHOTO.shape[1::-1], (10, 200, 20)).save(tmp_path / "priors" / f"{i}.png")
    return tmp_path


class Filling(nn.Module):
    """Grey where there is a hole, and something else where there is none."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return 0.5 * mask + 0.9 * image * (1 - mask)


def script(path: Path, network: nn.Module) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(network.eval()).save(str(path))
    return path


def measured(name: str, **options) -> dict:
    return evaluation(name)(Request(**({"baselines": ()} | options)), lambda done, total: None)


def test_the_field_s_masks_are_dark_where_the_hole_is_however_large_that_is(holes: Path, phi: Path) -> None:
    mask = np.zeros(PHOTO.shape[:2], np.uint8)
    mask[:10] = 255
    Image.fromarray(mask).save(holes / "masks" / "1.png")
    assert measured("holes", data=holes, prior_dir=holes / "priors", phi=phi)["ours"]["psnr"] > 0


def test_holes_are_scored_as_a_whole_and_alone(holes: Path, phi: Path) -> None:
    given = {"data": holes, "prior_dir": holes / "priors", "phi": phi}
    rows = measured("holes", **given, rivals=(script(holes / "grey.pt", Filling()),), trusted=True)
    names = {"psnr", "ssim", "lpips", "hole_psnr", "hole_ssim", "hole_lpips"}
    assert set(rows["ours"]) >= names | {"share", "seconds"} and set(rows["grey"]) == names | {"seconds"}
    assert rows["pictures"] == 2 and "grey.pt" in rows["notes"]["grey"]
    for i, (row, value) in enumerate({"ours": (10, 200, 20), "grey": (128, 128, 128)}.items()):
        expected, whole = [], []
        for picture in range(2):
            truth = read_picture(holes / "images" / f"{picture}.png").image
            hole = (read_picture(holes / "masks" / f"{picture}.png").image[:, :1] == 0).float()
            filled = truth + hole * (torch.tensor(value).view(1, 3, 1, 1) / 255 - truth)
            whole.append(float(psnr(filled, truth)))
            mse = float(((filled - truth) ** 2).double().mean(1, keepdim=True)[hole == 1].mean())
            expected.append(-10 * np.log10(mse))
        assert rows[row]["psnr"] == pytest.approx(np.mean(whole), abs=1e-3), i
        assert rows[row]["hole_psnr"] == pytest.approx(np.mean(expected), abs=1e-3), i
    assert rows["ours"]["hole_lpips"] > rows["ours"]["lpips"]


def test_classical_fillings_stand_beside(holes: Path, phi: Path) -> None:
    given = {"data": holes, "index": (0, 0), "prior_dir": holes / "priors", "phi": phi}
    wanted = ("telea", "navier-stokes", "fsr", "biharmonic")
    rows = measured("holes", **given, baselines=wanted)
    assert "biharmonic" in rows
    for name in wanted:
        if BASELINES[name].missing:
            assert "needs the package cv2" in rows["missing"][name]
        else:
            assert rows[name]["hole_psnr"] > rows["ours"]["hole_psnr"] + 3, name


def test_a_picture_without_a_mask_is_refused(holes: Path) -> None:
    (holes / "masks" / "1.png").rename(holes / "masks" / "other.png")
    with pytest.raises(ImageError, match="no mask called 1"):
        measured("holes", data=holes)
    with pytest.raises(ImageError, match="images is not a folder"):
        measured("holes", data=holes / "masks")


def test_colours_are_scored_by_how_near_how_strong_and_how_many(holes: Path, tmp_path: Path) -> None:
    save_weights(tmp_path / "c.safetensors", {}, {"kind": "constant", "network": {"value": 1.0, "frame": "luminance"}})
    given = {"data": holes / "images", "prior_dir": holes / "images", "phi": tmp_path / "c.safetensors"}
    rows = measured("colours", **given, baselines=("tint",))
    scores = {"auc", "ab_error", "saturation", "hue_unity"}
    assert set(rows["tint"]) == scores | {"seconds"} and set(rows["ours"]) >= scores | {"share", "seconds"}
    assert -1 <= rows["ours"]["phi_error_r"] <= 1 and "phi_error_r" not in rows["tint"]
    assert rows["input"]["saturation"] < 0.1 and rows["input"]["hue_unity"] == 0  # grey
    assert rows["ours"]["ab_error"] < 1.5 < rows["tint"]["ab_error"]  # whose prior is the truth
    assert rows["truth"]["saturation"] == pytest.approx(rows["ours"]["saturation"], rel=0.1)
    assert rows["tint"]["saturation"] == pytest.approx(np.hypot(3, 8), abs=0.5)
    assert rows["tint"]["hue_unity"] > 0.99 > rows["truth"]["hue_unity"]


def test_hue_unity_and_saturation_are_what_they_say() -> None:
    def of(a: float, b: float) -> Tensor:
        return torch.tensor(lab2rgb([60.0, a, b])).view(1, 3, 1, 1).expand(1, 3, 8, 8)

    warm, cold, stronger, grey = of(6, 8), of(-6, -8), of(12, 16), of(0, 0)
    unity = {
        name: float(hue_unity(torch.cat(pair, 3), grey.repeat(1, 1, 1, 2)))
        for name, pair in {
            "one": (warm, stronger),
            "opposite": (warm, cold),
            "mostly": (stronger, cold),
            "none": (grey, grey),
        }.items()
    }
    # Weighted by chroma: (20 - 10) / (20 + 10) of the stronger.
    assert unity == pytest.approx({"one": 1, "opposite": 0, "mostly": 1 / 3, "none": 0}, abs=0.01)
    assert float(saturation(warm, grey)) == pytest.approx(10, abs=0.05)
    assert float(saturation(stronger, grey)) == pytest.approx(20, abs=0.05) and float(saturation(grey, warm)) < 0.1


def test_rivals_are_told_what_they_need(tmp_path: Path, phi: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(PHOTO).save(tmp_path / "photos" / "a.png")
    torch.manual_seed(0)
    save_weights(tmp_path / "ffdnet.safetensors", FFDNet(3, 8, 8).state_dict(), {})
    given = {"data": tmp_path / "photos", "prior_dir": tmp_path / "photos", "phi": phi, "sigma": 25.0}
    file = tmp_path / "ffdnet.safetensors"
    rows = measured("awgn", **given, rivals=(file,), lines=tmp_path / "lines.jsonl")
    assert "told the noise level" in rows["notes"]["ffdnet"] and np.isfinite(rows["ffdnet"]["psnr"])
    assert sum('"ffdnet"' in line for line in (tmp_path / "lines.jsonl").read_text().splitlines()) == 1
    again = measured("awgn", **given, rivals=(file,), lines=tmp_path / "lines.jsonl")
    assert again["ffdnet"] == rows["ffdnet"]
    without = {name: value for name, value in given.items() if name not in ("prior_dir", "phi")}
    of_file = measured("awgn", **without, prior=file)
    assert of_file["ours"]["psnr"] != rows["ours"]["psnr"] and of_file["prior"]["psnr"] < 25
    with pytest.raises(SettingsError, match="two rows would be called ffdnet"):
        measured("awgn", **given, rivals=(file, file))
    with pytest.raises(SettingsError, match=r"\(FFDNet\) removes noise"):
        measured("colours", **{**given, "rivals": (file,)})


def test_the_page_shows_them_beside_what_was_published(tmp_path: Path) -> None:
    ours = {"psnr": 20.0, "lpips": 0.1, "hole_psnr": 15.5, "hole_ssim": 0.5, "hole_lpips": 0.3, "share": 0.2}
    colours = {"auc": 90.0, "ab_error": 8.25, "saturation": 12.5, "hue_unity": 0.75}
    files = {
        "holes-holes256": {"ours": ours, "pictures": 100},
        "colours-Kodak24": {"truth": {"saturation": 20.0, "hue_unity": 0.3}, "ours": colours, "pictures": 24},
        "awgn25-CBSD68": {"ours": {"psnr": 31.0}, "ffdnet": {"psnr": 31.2}, "pictures": 68},
        "real-CC15": {"ours": {"psnr": 36.9}},
    }
    for name, results in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(results))
    assert set(write_results(tmp_path, tmp_path / "page.md")) == {f"{name}.json" for name in files}
    page = (tmp_path / "page.md").read_text()
    assert "## Holes: holes256" in page and "Means of 100 pictures" in page
    assert "| **ours** | 20.00 | 0.1000 | 15.50 | 0.5000 | 0.3000 | 20.0% |" in page
    assert "| *MI-GAN* | 19.42 | 0.1170 |" in page
    assert "| **ours** | 90.00 | 8.25 | 12.50 | 0.750 |" in page and "| truth |  |  | 20.00 | 0.300 |" in page
    assert "## White noise of sigma 25, blind: CBSD68" in page and "| *FFDNet* | 31.21 |" in page
    assert "## Cameras' own noise, blind: CC15" in page and "| *TWSC* | 37.81 |" in page

"""Anyone's result, split into what its measurement supports and what was added."""

import json

import pytest
import torch
from skimage.data import coffee
from skimage.restoration import denoise_tv_chambolle

from bigprior.degradations import DEGRADATIONS, Deblurring, Demosaicing, Denoising, Jpeg, Poisson, Upscaling
from bigprior.errors import ImageError
from bigprior.io.pictures import read_picture, write_picture
from bigprior.phi import ConstantPhi
from bigprior.phi.shot import ShotPhi
from bigprior.presets.loading import load_restorer, load_weigher
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.provenance.audit import audit
from bigprior.provenance.loading import load
from bigprior.restorer import Restorer

EIGHT_BITS = 255


def rounded(x):
    return (x.clamp(0, 1) * EIGHT_BITS).round() / EIGHT_BITS


@pytest.fixture(scope="module")
def photo():
    return torch.from_numpy(coffee()[130:194, 230:294] / 255).permute(2, 0, 1)[None].float()


@pytest.fixture
def measured(our_task, photo):
    """A measurement of a photograph, of 8 bits, in each task; its degradation, and the network that weighs it."""
    if our_task == "denoising":
        y = photo + 25 / 255 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(2))
        return rounded(y), Denoising(), load_weigher("photographs", our_task)[0]
    degradation = DEGRADATIONS[our_task]()
    if our_task == "inpainting":
        mask = torch.ones(1, 1, 64, 64)
        mask[..., 20:40, 24:36] = 0
        degradation = DEGRADATIONS[our_task](mask)
    return rounded(degradation.f(photo)), degradation, load_weigher("photographs", our_task)[0]


def test_where_nothing_was_done_nothing_was_added(measured):
    y, degradation, network = measured
    found = audit(y, degradation.g_inv(y), degradation, network)
    assert found.mean_share == 0 and float(found.phi.max()) == 0 and float(found.hallucinated.abs().max()) == 0


@pytest.mark.parametrize("task", ["upscaling", "deblurring", "demosaicing", "jpeg-compression", "poisson"])
def test_where_phi_is_known_in_closed_form_ours_has_its_share_and_what_contradicts_has_more(photo, task):
    degradation = {
        "upscaling": lambda: Upscaling(2, sigma=1 / 255),
        "deblurring": lambda: Deblurring(sigma=2 / 255, border="smooth"),
        "demosaicing": lambda: Demosaicing("grbg", 2 / 255),
        "jpeg-compression": lambda: Jpeg(torch.full((3, 8, 8), 24.0)),
        "poisson": lambda: Poisson(1 / 30, 0.0),
    }[task]()
    y = degradation.f(photo)
    if task == "poisson":
        y = torch.poisson(30 * y, generator=torch.Generator().manual_seed(4)) / 30
    network = ShotPhi() if task == "poisson" else ConstantPhi()
    ours = Restorer(PrecomputedPrior(photo), network).restore(y, degradation)
    found = audit(y, ours.restored, degradation, network)
    assert found.mean_share == pytest.approx(ours.mean_share, abs=0.03)
    if degradation.weighs:  # eight bits contradict next to nothing
        assert audit(y, rounded(ours.restored), degradation, network).mean_share < found.mean_share + 0.005
    torch.testing.assert_close(found.measured + found.hallucinated, ours.restored, atol=1e-5, rtol=0)
    if not degradation.weighs:
        return  # of noise, nothing is certain enough to be contradicted
    other = audit(y, photo.mean(dim=(2, 3), keepdim=True) + (photo - 0.5).flip(1) * 0.8, degradation, network)
    assert other.mean_share > found.mean_share + 0.05


def test_ours_has_the_share_of_its_own_record(measured):
    y, degradation, network = measured
    ours = load_restorer("photographs", degradation.name).restore(y, degradation)
    found = audit(y, rounded(ours.restored), degradation, network)
    # Of noise, the result stands for the prior's picture, which was farther from what was measured.
    least = 0.6 * ours.mean_share if degradation.noisy else ours.mean_share - 0.03
    assert least < found.mean_share < ours.mean_share + 0.03
    assert torch.equal(found.measured + found.hallucinated, found.restored)
    torch.testing.assert_close(found.restored, rounded(ours.restored), atol=1e-5, rtol=0)
    moved = audit(y, torch.roll(rounded(ours.restored), (2, -3), (2, 3)), degradation, network)
    assert moved.provenance["shift_px"] == [2, -3] and moved.restored.shape[2:] == (62, 61)
    assert moved.mean_share == pytest.approx(found.mean_share, abs=0.04)


def test_the_truth_holds_more_than_was_measured(measured, photo):
    y, degradation, network = measured
    assert audit(y, photo, degradation, network).mean_share > 0.003


def test_what_another_program_smoothed_lies_between(photo):
    y = rounded(photo + 25 / 255 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(2)))
    smooth = denoise_tv_chambolle(y[0].permute(1, 2, 0).numpy(), weight=0.1, channel_axis=2)
    found = audit(y, torch.from_numpy(smooth).permute(2, 0, 1)[None].float(), Denoising(), load_weigher(*PRESET)[0])
    assert 0.02 < found.mean_share < 0.6
    half, tenth = (
        audit(y, y + w * (found.restored - y), Denoising(), load_weigher(*PRESET)[0]).mean_share for w in (0.5, 0.1)
    )
    assert 0 < tenth < 0.05 < half < found.mean_share  # what is nine tenths the measurement is hardly added


PRESET = ("photographs", "denoising")


def test_a_result_of_another_size_is_resampled_and_one_of_another_shape_refused(photo):
    twice = torch.nn.functional.interpolate(photo, scale_factor=2)
    found = audit(photo, twice, Denoising(), load_weigher(*PRESET)[0])
    assert found.provenance["resampled_from"] == [128, 128] and found.restored.shape == photo.shape
    with pytest.raises(ImageError, match="the result is 64x32, the picture 64x64"):
        audit(photo, photo[:, :, :32], Denoising(), load_weigher(*PRESET)[0])


def test_the_program_writes_what_was_found(photo, tmp_path, program):
    write_picture(tmp_path / "noisy.png", photo + 0.1 * torch.randn_like(photo))
    write_picture(tmp_path / "theirs.png", photo)
    files = ["--input", tmp_path / "noisy.png", "--restored"]
    code, out, err = program("audit", *files, tmp_path / "theirs.png", "--task", "denoise")
    folder = tmp_path / "theirs-audit"
    assert (code, err) == (0, "") and out.endswith(f"made up -> {folder}\n") and "denoising, " in out
    made = json.loads((folder / "restoration.json").read_text())
    assert made["event"]["type"] == "audit" and made["audited"]["name"] == "theirs.png"
    torch.testing.assert_close(load(folder).restored, read_picture(tmp_path / "theirs.png").image, atol=1e-6, rtol=0)
    assert program("verify", folder, "--measurement", tmp_path / "noisy.png")[0] == 0
    code, out, _ = program("audit", *files, tmp_path / "noisy.png", "--task", "denoise", "-o", tmp_path / "same")
    assert code == 0 and ", 0% made up" in out
    for words, said in (
        ([tmp_path / "theirs.png", "--task", "denoise"], "holds results already"),
        ([tmp_path / "gone.png", "--task", "denoise"], "no picture"),
        ([tmp_path / "theirs.png", "--task", "sharpen", "-o", tmp_path / "new"], "sharpen"),
        ([tmp_path / "noisy.png", "--task", "inpaint", "--set", "mask=none.png", "-o", tmp_path / "new"], "none.png"),
    ):
        code, _, err = program("audit", *files, *words)
        assert code == 2 and said in err and err.count("\n") == 1, err

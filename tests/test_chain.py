"""Restorations one after another: what was made up stays made up, and the whole sums exactly."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

import bigprior
from bigprior.chain import follow, run_chain
from bigprior.errors import BigpriorError, MaskError, SettingsError
from bigprior.io.pictures import read_picture, write_picture
from bigprior.phi import ConstantPhi
from bigprior.presets.loading import load_restorer
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.provenance import verify as checks
from bigprior.recipe import Recipe, Step, read_recipe
from bigprior.report.output import Output
from bigprior.report.record import checked, read_values

SIZE = (24, 32)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    rows, columns = torch.linspace(0, 3, SIZE[0])[:, None], torch.linspace(0, 2, SIZE[1])
    grey = (0.5 + 0.3 * torch.sin(rows + columns))[None, None].expand(-1, 3, -1, -1)
    noise = 0.05 * torch.randn(grey[:, :1].shape, generator=torch.Generator().manual_seed(1))
    write_picture(tmp_path / "photo.png", (grey + noise).clamp(0, 1))
    return tmp_path / "photo.png"


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    known = torch.ones(1, 1, *SIZE)
    known[:, :, 8:14, 10:18] = 0
    write_picture(tmp_path / "mask.png", known)
    return tmp_path / "mask.png"


def constant(phi: float, seed: int) -> bigprior.Restorer:
    rng = torch.Generator().manual_seed(seed)
    return bigprior.Restorer(PrecomputedPrior(torch.rand(1, 3, *SIZE, generator=rng)), ConstantPhi(phi))


def steps(mask: Path, *tasks: str) -> Recipe:
    settings = {"denoise": {"sigma": 12}, "inpaint": {"mask": mask}, "colorize": {}}
    return Recipe(step=tuple(Step(task=task, settings=settings[task], prior=PRIOR[task]) for task in tasks))


PRIOR = {"denoise": "nlm", "inpaint": "biharmonic", "colorize": "tint"}


def restorers(recipe: Recipe) -> list[bigprior.Restorer]:
    return [load_restorer(task=step.task, prior=step.prior) for step in recipe.step]


def test_pixels_made_up_before_stay_so_where_they_are_kept(photo: Path, mask: Path) -> None:
    """By hand: phi of 0.25, then of 0.4, of the same pixels."""
    picture = read_picture(photo)
    recipe = Recipe(step=(Step(task="denoise", settings={"sigma": 12}),) * 2)
    first, second = constant(0.25, 1), constant(0.4, 2)
    chain = follow(picture, recipe, [first, second])
    made_up = 0.6 * 0.25 * first.prior.images + 0.4 * second.prior.images
    made_up = made_up.mean(dim=1, keepdim=True).expand_as(made_up)  # a grey photograph stays grey
    torch.testing.assert_close(chain.total.measured, 0.6 * 0.75 * picture.image, atol=1e-6, rtol=0)
    torch.testing.assert_close(chain.total.hallucinated, made_up, atol=1e-6, rtol=0)
    torch.testing.assert_close(chain.total.phi, torch.full_like(chain.total.phi, 1 - 0.6 * 0.75))
    assert torch.equal(chain.total.measured + chain.total.hallucinated, chain.total.restored)
    assert chain.shares[0] == pytest.approx(0.25, abs=1e-4) and chain.shares[1] == pytest.approx(0.55, abs=1e-4)


@pytest.mark.parametrize(
    "tasks", [("denoise", "inpaint"), ("denoise", "colorize"), ("inpaint", "denoise", "colorize")], ids="-".join
)
def test_what_is_measured_is_linear_in_the_photograph(tasks: tuple[str, ...], photo: Path, mask: Path) -> None:
    recipe = steps(mask, *tasks)
    chain = follow(read_picture(photo), recipe, restorers(recipe))
    assert torch.equal(chain.total.measured + chain.total.hallucinated, chain.total.restored)
    torch.testing.assert_close(chain.total.restored, chain.steps[-1].restored, atol=1e-6, rtol=0)
    assert chain.total.phi.min() >= 0 and chain.total.phi.max() <= 1
    assert list(chain.shares) == sorted(chain.shares) and chain.shares[-1] >= chain.steps[-1].mean_share
    lost: Tensor = read_picture(mask).image[:, :1] == 0
    if "inpaint" in tasks:
        assert (chain.total.phi[lost] == 1).all()


def test_a_hole_that_is_filled_last_is_none_of_the_photographs(photo: Path, mask: Path) -> None:
    recipe = steps(mask, "denoise", "inpaint")
    chain = follow(read_picture(photo), recipe, restorers(recipe))
    lost = (read_picture(mask).image[:, :1] == 0).expand(-1, 3, -1, -1)
    assert (chain.total.measured[lost].abs() < 1e-6).all()
    torch.testing.assert_close(chain.total.measured[~lost], chain.steps[0].measured[~lost], atol=1e-6, rtol=0)


def test_the_folder_holds_each_step_and_the_whole_and_both_are_verified(photo: Path, mask: Path) -> None:
    recipe, folder = steps(mask, "denoise", "inpaint"), photo.parent / "out"
    chain = run_chain(photo, recipe, folder, restorers(recipe), output=Output(layers="float"))
    record = checked(read_values(folder))
    assert [(step.folder, step.task) for step in record.chain] == [
        ("1-denoising", "denoising"),
        ("2-inpainting", "inpainting"),
    ]
    assert record.chain[-1].total == pytest.approx(record.made_up, abs=1e-6)
    again = bigprior.load(folder)
    assert torch.equal(again.measured, chain.total.measured) and torch.equal(
        again.hallucinated, chain.total.hallucinated
    )
    for place, step in zip((folder / step.folder for step in record.chain), chain.steps, strict=True):
        assert torch.equal(bigprior.load(place).restored, step.restored)
        assert all(verdict.holds is not False for verdict in bigprior.verify(place))
    assert all(verdict.holds is not False for verdict in bigprior.verify(folder, measurement=photo))
    assert checks


def test_a_step_that_cannot_be_made_is_named_and_nothing_is_written(photo: Path, mask: Path) -> None:
    write_picture(mask, 1 - torch.eye(5)[None, None])
    recipe, folder = steps(mask, "denoise", "inpaint"), photo.parent / "out"
    with pytest.raises(MaskError, match=r"step 2, inpaint: mask .* is 5x5 but"):
        run_chain(photo, recipe, folder, restorers(recipe))
    assert not folder.exists()


GOOD = """
[[step]]
task = "denoise"
settings = { sigma = 12 }
[[step]]
task = "inpaint"
settings = { mask = { file = "m.png" } }
"""


def test_a_recipe_is_read(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(GOOD)
    recipe = read_recipe(tmp_path / "r.toml")
    assert [step.task for step in recipe.step] == ["denoise", "inpaint"]
    assert recipe.step[1].settings == {"mask": tmp_path / "m.png"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[step", "is no recipe"),
        ("", r"expected \[\[step\]\] tables, each with a task, but it has none"),
        ("steps = 3", "it says steps"),
        ("[[step]]\nsettings = {}", "step 1: task is missing"),
        ('[[step]]\ntask = "denoise"\nsigma = 3', "step 1: sigma is 3"),
        ('[[step]]\ntask = "denoise"\nrho = -1', "step 1: rho is -1"),
        ('[[step]]\ntask = "inpaint"\nsettings = { mask = { path = "m" } }', "step 1: settings.mask is"),
    ],
)
def test_what_is_no_recipe_is_said_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(SettingsError, match=said) as error:
        read_recipe(tmp_path / "r.toml")
    assert "\n" not in str(error.value)
    with pytest.raises(BigpriorError, match="cannot read the recipe"):
        read_recipe(tmp_path / "none.toml")

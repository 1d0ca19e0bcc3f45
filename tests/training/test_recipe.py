"""Settings files: what they say, what takes its place, and one clear line for what is wrong."""

from pathlib import Path
from typing import Any

import pytest

from bigprior.errors import BigpriorError, SettingsError, UnknownNameError
from bigprior.registry import Registry
from bigprior.training.denoiser import DenoiserSettings
from bigprior.training.kinds import TRAININGS
from bigprior.training.phi import PhiRecipe
from bigprior.training.recipe import read_recipe, recipe_names


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text('kind = "denoiser"\nlr = 1e-3\nindex = "3-7"\nwidths = [4, 8]\n')
    return path


def test_changes_take_the_place_of_the_file(file: Path) -> None:
    read = read_recipe("denoiser", DenoiserSettings, str(file))
    assert read == DenoiserSettings(lr=1e-3, index=(3, 7), widths=(4, 8))
    read = read_recipe("denoiser", DenoiserSettings, str(file), ["lr=2e-3", "index=0-5", "widths=[2]"], seed=4)
    assert read == DenoiserSettings(lr=2e-3, index=(0, 5), widths=(2,), seed=4)
    assert read_recipe("denoiser", DenoiserSettings, changes=["seed=1"], seed=2, minutes=None).seed == 2


def test_a_key_may_name_an_entry_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('task = "denoising"\nnetwork_settings = { widths = [4], channels = 3 }\n')
    changes = ["network_settings.widths=[8, 8]", "prior_dir=a b/c"]
    read = read_recipe("phi", PhiRecipe, str(tmp_path / "r.toml"), changes)
    assert isinstance(read, PhiRecipe)
    assert read.network_settings == {"widths": [8, 8], "channels": 3} and read.prior_dir == Path("a b/c")


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("lrr = 1", [], r"r.toml: a denoiser has no setting 'lrr': did you mean lr\?"),
        ("zebra = 1", [], r"r.toml: a denoiser has no setting 'zebra': the known ones are .*batch"),
        ("lr = -1", [], r"r.toml: lr is -1: .*greater than 0"),
        ("conditional = 1.5", [], r"r.toml: conditional is 1.5: .*less than or equal to 1"),
        ('index = "7-3"', [], r"r.toml: index is '7-3': .*A-B with A <= B"),
        ('kind = "phi"', [], r"r.toml is for `bigprior train phi`, not denoiser"),
        ("lr = ", [], r"r.toml is not a TOML file"),
        ("lr = 1", ["batch=some"], r"--set batch=some: batch is 'some': "),
        ("lr = 1", ["batch"], r"--set is 'batch': expected KEY=VALUE"),
        ("lr = 1", ["lr.x=3"], r"--set lr.x: lr is 1, which has no entries"),
        ("lr = 1", ["bach=3"], r"--set bach=3: a denoiser has no setting 'bach': did you mean batch\?"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, changes: list[str], message: str) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(SettingsError, match=message) as raised:
        read_recipe("denoiser", DenoiserSettings, str(tmp_path / "r.toml"), changes)
    assert "\n" not in str(raised.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="phi-bands"):
        read_recipe("phi", PhiRecipe, "bands")
    (tmp_path / "r.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not a TOML file"):
        read_recipe("phi", PhiRecipe, str(tmp_path / "r.toml"))
    with pytest.raises(SettingsError, match="task is missing"):
        read_recipe("phi", PhiRecipe, "phi-bands")


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_in_the_package_is_read(name: str) -> None:
    kind = next(k for k in TRAININGS if _reads(name, k))
    trainer, changes = TRAININGS[kind], ["task=denoising"] if name.startswith("phi-") else []
    assert isinstance(read_recipe(kind, trainer.recipe, name, changes), trainer.recipe)
    with pytest.raises(SettingsError, match=f"{name} is for `bigprior train {kind}`"):
        read_recipe("other", trainer.recipe, name, changes)


def _reads(name: str, kind: str) -> bool:
    try:
        read_recipe(kind, TRAININGS[kind].recipe, name)
    except BigpriorError as error:
        return "is for" not in str(error)
    return True


def test_every_kind_says_how_it_is_made() -> None:
    assert isinstance(TRAININGS, Registry) and TRAININGS.group == "bigprior.trainings"
    for trainer in TRAININGS.values():
        fields: dict[str, Any] = {n: f for n, f in trainer.recipe.model_fields.items() if f.is_required()}
        assert (
            fields.keys() <= {"task", "estimator"}
            and {"batch", "minutes", "parts", "seed"} <= trainer.recipe.model_fields.keys()
        )

"""Embedded weights: in the package, in a package beside it, or nowhere, which every command says in one line."""

import shutil
import tomllib
from pathlib import Path

import pytest
import torch

import bigprior
from bigprior.errors import WeightsError
from bigprior.io import embedded
from bigprior.io.embedded import PRESETS, TRUNK, embedded_path, needed_path
from bigprior.presets.store import preset_names

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def without(monkeypatch, home):
    """Neither the package nor its neighbour has weights."""
    monkeypatch.setattr(embedded, "PACKAGES", ("bigprior.cli", "bigprior_weights_of_nobody"))


def test_the_source_holds_its_weights():
    folder = Path(bigprior.__file__).parent
    assert embedded_path(PRESETS) == folder / "presets" / "data"
    assert needed_path(TRUNK) == folder / "ops" / "alexnet_features.safetensors"


def test_the_package_beside_it_is_asked_where_the_package_has_none(tmp_path, monkeypatch, without):
    package = tmp_path / "weights_of_a_test"
    shutil.copytree(
        Path(bigprior.__file__).parent / "presets" / "data" / "rooms", package / "presets" / "data" / "rooms"
    )
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(embedded, "PACKAGES", ("bigprior.cli", "weights_of_a_test"))
    assert embedded_path(PRESETS) == package / "presets" / "data" and embedded_path(TRUNK) is None
    assert preset_names() == ["rooms"] == preset_names(own=False)


@pytest.mark.parametrize("command", ["denoise", "colorize"])
def test_without_weights_commands_say_what_to_install(tmp_path, program, without, command):
    bigprior.write_picture(tmp_path / "a.png", torch.rand(1, 1, 16, 24))
    code, _, err = program(command, tmp_path / "a.png")
    assert code == 2 and embedded.ADVICE in err and len(err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir() if path.suffix] == ["a.png"]


def test_without_weights_presets_of_ones_own_are_left(program, without):
    assert preset_names() == []
    assert program("priors", "list")[0] == 0
    for ask in (lambda: preset_names(own=False), lambda: needed_path(TRUNK)):
        with pytest.raises(WeightsError, match="pip install bigprior-weights"):
            ask()


def test_both_wheels_have_one_version():
    wheels = [REPOSITORY / "pyproject.toml", REPOSITORY / "packaging" / "weights" / "pyproject.toml"]
    ours, weights = (tomllib.loads(path.read_text("utf-8"))["project"]["version"] for path in wheels)
    assert ours == weights

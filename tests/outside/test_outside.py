"""Another package adds one thing of each kind, each in one file of its own, and edits none of ours.

It runs in other processes, so that no other test meets its things: once with its entry points, as if it were installed,
and once by registration.
"""

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import bigprior
from bigprior.evaluation.protocols import EVALUATIONS
from bigprior.io.weights import save_weights

HERE = Path(__file__).parent
TESTS = HERE.parent
PACKAGE = HERE / "bigprior_outside"
PROJECT: dict[str, Any] = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]
#: What it adds.
NAMES = {name for points in PROJECT["entry-points"].values() for name in points}
#: Our tests over registries, and those of what is asked for whatever is registered.
OVER_REGISTRIES = (
    "degradations",
    "evaluation/test_metrics.py",
    "networks/generators",
    "phi",
    "presets",
    "priors",
    "test_frames.py",
    "test_fusion.py",
    "test_restoration.py",
    "test_restorer.py",
    "training/test_phi.py",
)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that makes its entry points known to a Python that has it on its path."""
    folder = tmp_path_factory.mktemp("installed")
    about = folder / f"bigprior_outside-{PROJECT['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PROJECT['name']}\nVersion: {PROJECT['version']}\n")
    groups = PROJECT["entry-points"].items()
    lines = [line for group, points in groups for line in (f"[{group}]", *(f"{n} = {v}" for n, v in points.items()))]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


def python(*words: str, path: Path | None = None) -> str:
    """What a new Python that can import the package says, when it does what it is told to."""
    folders = [str(folder) for folder in (Path(bigprior.__file__).parents[1], HERE, path) if folder is not None]
    inherited = os.environ.get("PYTHONPATH")
    given = os.environ | {"PYTHONPATH": os.pathsep.join([*folders, *([inherited] if inherited else [])])}
    done = subprocess.run([sys.executable, *words], env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def pytest_says(*words: str, path: Path | None = None) -> str:
    return python(
        "-m", "pytest", "-p", "no:cacheprovider", "--tb", "short", "--rootdir", str(TESTS.parent), *words, path=path
    )


def test_it_is_known_by_its_entry_points_and_meets_our_own_tests(installed: Path) -> None:
    """In one process: it takes most of the time to begin."""
    files = [str(HERE / "checks.py"), *(str(TESTS / part) for part in OVER_REGISTRIES)]
    said = pytest_says("-vv", "-k", " or ".join(["checks", *NAMES]), *files, path=installed)
    passed = [line for line in said.splitlines() if "PASSED" in line]
    assert any("checks.py" in line for line in passed)
    for name in NAMES - {"smooth", "enlarged"}:  # of which kinds we have no tests over the registry
        assert any(f"[{name}" in line or f"-{name}" in line for line in passed if "checks.py" not in line), name


@pytest.mark.slow
def test_it_is_known_by_registration() -> None:
    pytest_says("-p", "registered", "-k", "not every_prior", str(HERE / "checks.py"))


def test_without_either_nothing_is_known_of_it() -> None:
    """So no other test meets it."""
    registries = (bigprior.DEGRADATIONS, bigprior.FRAMES, bigprior.METRICS, bigprior.GENERATORS, bigprior.KINDS)
    assert all(NAMES.isdisjoint(registry) for registry in registries)


@pytest.mark.slow
def test_it_is_evaluated_by_the_command_line(installed: Path, tmp_path: Path) -> None:
    pictures, phi, out = tmp_path / "pictures", tmp_path / "phi.safetensors", tmp_path / "doubling.json"
    pictures.mkdir()
    Image.linear_gradient("L").resize((30, 22)).convert("RGB").save(pictures / "0.png")
    save_weights(phi, {}, {"kind": "constant", "network": {"value": 0.9, "frame": "cosine-2"}})
    options = ["--preset", "rooms", "--steps", "2", "--phi", str(phi), "--json", str(out)]
    command = "from bigprior.cli import main; main()"
    said = python("-c", command, "evaluate", "doubling", "--data", str(pictures), *options, path=installed)
    rows = json.loads(out.read_text())
    assert {"input", "prior", "ours", "enlarged"} <= set(rows) and set(rows["input"]) == {"psnr", "mae"}
    assert "ours.mae" in said


@pytest.mark.parametrize("group", PROJECT["entry-points"])
def test_a_group_of_entry_points_is_that_of_a_registry(group: str) -> None:
    registries = [value for name in bigprior.__all__ if isinstance(value := getattr(bigprior, name), bigprior.Registry)]
    assert group in {registry.group for registry in (*registries, EVALUATIONS)}


@pytest.mark.parametrize("file", sorted(PACKAGE.glob("*.py")), ids=lambda file: file.stem)
def test_each_thing_has_one_file_that_needs_nothing_but_the_public_face(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("bigprior.") and node.level == 0
            assert node.module != "bigprior" or {name.name for name in node.names} <= set(bigprior.__all__)
        if isinstance(node, ast.Import):
            assert not any(name.name.startswith("bigprior") for name in node.names)

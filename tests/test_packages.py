"""What is packed finds its parts: the container file and both wheels, read as those who build them do."""

import fnmatch
import re
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def instructions():
    text = (REPOSITORY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    return [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def let_through(source):
    """Whether .dockerignore leaves it to the builder: the last pattern that fits decides."""
    left = True
    for line in (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#") and fnmatch.fnmatch(source, pattern.lstrip("!")):
            left = pattern.startswith("!")
    return left


def test_the_container_file_copies_what_is_there():
    copied = [words.split() for name, words in instructions() if name == "COPY" and "--from" not in words]
    assert copied
    for *sources, _ in copied:
        for source in sources:
            assert (REPOSITORY / source).exists() and let_through(source), source
    assert not let_through("results") and not let_through("tests")
    # The build reads these of what was copied.
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    there = {source for *sources, _ in copied for source in sources}
    assert {project["project"]["readme"], "pyproject.toml", "src"} <= there
    installed = next(words for name, words in instructions() if name == "RUN" and "/src[" in words)
    extras = re.search(r"/src\[([a-z0-9,]+)\]", installed)[1].split(",")
    assert set(extras) <= set(project["project"]["optional-dependencies"])


def test_the_container_runs_as_a_person_without_a_cache_of_pip():
    steps = instructions()
    last = max(i for i, (name, _) in enumerate(steps) if name == "FROM")
    users = [words for name, words in steps[last:] if name == "USER"]
    assert users and users[-1] not in ("root", "0")
    assert not any("pip" in words for name, words in steps[last:] if name == "RUN")  # nothing is fetched there
    assert any(name == "ENV" and "PIP_NO_CACHE_DIR=1" in words for name, words in steps[:last])
    assert [words for name, words in steps if name == "ENTRYPOINT"] == ['["bigprior"]']


@pytest.mark.parametrize("project", ["pyproject.toml", "packaging/weights/pyproject.toml"])
def test_a_wheel_packs_what_is_there(project):
    path = REPOSITORY / project
    wheel = tomllib.loads(path.read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    for source in (*wheel["packages"], *wheel.get("force-include", {})):
        assert (path.parent / source).exists(), source

"""The documentation holds together in the repository itself; `make docs` builds the site from it, strictly."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import typer.main
from PIL import Image
from skimage.data import coffee

import bigprior
from bigprior.cli import app
from bigprior.training.recipe import recipe_names

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *REPOSITORY.glob("*.md")])

_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(page.read_text("utf-8")))
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """A reader of the repository, who sees no site, can follow every link."""
    for link in _LINK.findall(_CODE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} in {page.name}"
        assert not anchor or anchor in anchors(target), f"{link} in {page.name}: no such heading"


def test_every_page_is_in_the_navigation() -> None:
    """A page that no one finds is not written."""
    navigation = (REPOSITORY / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    listed = set(re.findall(r"- (\S+\.md)$", navigation, re.MULTILINE))
    assert listed == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}


def test_the_reference_is_the_public_face() -> None:
    """Every name that the package exports stands in the reference once, and no other does."""
    text = "\n".join(page.read_text("utf-8") for page in (DOCS / "reference").glob("*.md"))
    names = re.findall(r"^::: bigprior\.(\w+)$", text, re.MULTILINE)
    exported = set(bigprior.__all__) - {"__version__"}
    new, gone = sorted(exported - set(names)), sorted(set(names) - exported)
    assert not new and not gone, f"docs/reference/ has no {new}, and has {gone}, which are not exported"
    assert len(names) == len(set(names))


def test_every_registry_has_its_page() -> None:
    """What a third party can add to is listed with the entry points that it is offered by."""
    page = (DOCS / "reference" / "registries.md").read_text("utf-8")
    for name in bigprior.__all__:
        if isinstance(registry := getattr(bigprior, name), bigprior.Registry):
            assert f"| `{name}` | `{registry.group}` |" in page, name


def test_what_pages_show_of_other_files_is_there() -> None:
    """Pages include whole files, which the tests run; a page of how to add something shows how it was done."""
    for page in PAGES:
        shown = re.findall(r'^--8<-- "(.+)"$', page.read_text("utf-8"), re.MULTILINE)
        assert shown or page.parent.name != "add", f"{page.name} shows no file"
        for file in shown:
            assert (REPOSITORY / file).is_file(), f"{file} in {page.name}"


def test_entry_points_that_pages_show_are_those_that_run() -> None:
    """A page's lines of a ``pyproject.toml`` stand in that of the package whose files it shows."""
    package = (REPOSITORY / "tests" / "outside" / "pyproject.toml").read_text("utf-8").splitlines()
    for page in (DOCS / "add").glob("*.md"):
        for block in re.findall(r"^```toml\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
            assert set(block.split("\n")) - {"", '--8<-- "tests/outside/pyproject.toml"'} <= set(package), page.name


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of every ``bigprior`` that a page calls, in blocks and in its text."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += [" ".join(code.split()) for code in re.findall(r"(?<!`)`(bigprior [^`]+)`(?!`)", text)]
    for line in lines:
        for part in re.split(r"[;&|]", line.replace("$(which bigprior)", "bigprior")):
            words = shlex.split(part, comments=True)
            if "bigprior" in words:
                yield words[words.index("bigprior") + 1 :]


def understood(words: list[str]) -> None:
    """The command exists, and has these options; a recipe that is named exists."""
    command, names, rest = typer.main.get_command(app), list[str](), list(words)
    while rest and hasattr(command, "commands") and rest[0] in command.commands:
        command = command.commands[rest[0]]
        names.append(rest.pop(0))
    said = " ".join(["bigprior", *words])
    if hasattr(command, "commands"):
        assert all(re.fullmatch(r"-.*|[A-Z.]+", word) for word in rest), f"{said}: no such command"
        return
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in rest if re.match(r"--?[a-z]", word)} <= known, said
    if names == ["train"] and "--settings" in rest:
        recipe = rest[rest.index("--settings") + 1]
        assert recipe in recipe_names() or recipe.endswith(".toml"), said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_commands_and_their_options_exist(page: Path) -> None:
    """What a page tells a reader to type is understood."""
    if page.name == "CHANGELOG.md":
        return  # it names what is gone
    for words in commands(page):
        understood(words)


def test_commands_of_the_makefile_exist() -> None:
    """The targets that take too long for a test call commands with options that exist."""
    text = (REPOSITORY / "Makefile").read_text("utf-8").replace("\\\n", " ")
    calls = re.findall(r"\$\(BIN\)/bigprior ([^;\n]+)", text)
    assert calls
    for call in calls:
        understood(shlex.split(call.replace("$$table", "table2")))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "README",
            "docs/start",
            "docs/howto/denoise",
            "docs/howto/audit",
            "docs/howto/inpaint",
            "docs/howto/colorize",
        ),
        *("docs/howto/upscale", "docs/howto/deblur", "docs/howto/demosaic"),
    ],
)
def test_python_of_the_pages_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page shows in Python runs as it stands, on a small photograph."""
    page = REPOSITORY / f"{name}.md"
    Image.fromarray(coffee()[100:148, 200:248]).save(tmp_path / "photo.png")
    mask = np.full((48, 48), 255, dtype=np.uint8)
    mask[20:28, 20:28] = 0
    Image.fromarray(mask).save(tmp_path / "mask.png")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    exec(compile("\n".join(blocks), str(page), "exec"), {"__name__": "page"})

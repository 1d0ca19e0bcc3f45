"""The documentation holds together in the repository itself; `make docs` builds the site from it, strictly."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

import bigprior

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
            if file.startswith("tests/outside/") and not (REPOSITORY / "tests" / "outside").is_dir():
                continue  # it is being written
            assert (REPOSITORY / file).is_file(), f"{file} in {page.name}"

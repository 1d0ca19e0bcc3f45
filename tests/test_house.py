"""The house rules that a program can check, read from the source: see CONTRIBUTING.md.

``UNFINISHED`` lists what does not hold yet. It can only shrink: an entry that is no longer needed fails its test.
"""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import bigprior

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = Path(bigprior.__file__).parent

#: Rooms and modules of the package from the ground up; imports go up only.
FLOORS = (
    ("errors", "settings", "progress", "registry", "threads", "ops", "io"),
    ("degradations", "noise", "frames", "filters", "networks"),
    ("priors", "phi", "fusion"),
    ("budget", "weighing", "calibration", "painting", "restoration", "restorer", "report"),
    ("presets",),
    ("recipe", "chain", "jobs", "provenance", "training", "evaluation", "doctor"),
    ("app", "batch", "cli"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
#: What the public face itself holds; all else in it is imported from elsewhere.
FACE = {"bigprior.DEFAULT_PRESET", "bigprior.DEFAULT_TASK", "bigprior.__version__"}

#: Where concrete degradations and tasks are named.
TASKS_ARE_NAMED_IN = (
    "__init__.py",
    "app/choices.py",
    "cli/colorize.py",
    "cli/deblur.py",
    "cli/dejpeg.py",
    "cli/demosaic.py",
    "cli/denoise.py",
    "cli/inpaint.py",
    "cli/upscale.py",
    "degradations/",
    "evaluation/protocols/",
)
#: Of their names, those that mean something else elsewhere: torch's layer, and a line.
MEAN_SOMETHING_ELSE = {"Linear", "linear"}
#: Where no one asks which degradation this is.
NO_ONE_ASKS_IN = ("fusion.py", "presets/", "priors/", "restoration.py", "restorer.py", "training/")

LONGEST_MODULE, LONGEST_FUNCTION = 320, 60

#: By rule, what does not hold yet.
UNFINISHED: dict[str, set[str]] = {
    "floors": set(),
    "circles": set(),
    "modules": set(),
    "functions": set(),
    "tasks": set(),
    "isinstance": set(),
}


def unfinished(rule: str, found: set[str]) -> None:
    """``found`` are the violations of a rule: no new ones, and none in the list that is no longer there."""
    new, mended = found - UNFINISHED[rule], UNFINISHED[rule] - found
    assert not new, f"{rule}: {sorted(new)}"
    assert not mended, f"take what now holds out of UNFINISHED[{rule!r}]: {sorted(mended)}"


@cache
def files() -> dict[str, str]:
    """The source, by its path in the package."""
    return {path.relative_to(SOURCE).as_posix(): path.read_text("utf-8") for path in sorted(SOURCE.rglob("*.py"))}


@cache
def trees() -> dict[str, ast.Module]:
    """The source as Python reads it."""
    return {name: ast.parse(text) for name, text in files().items()}


def module_of(name: str) -> str:
    """``priors/gan.py`` is ``bigprior.priors.gan``."""
    return ".".join(["bigprior", *name.removesuffix(".py").split("/")]).removesuffix(".__init__")


@cache
def imports() -> dict[str, set[str]]:
    """The modules of the package that each module imports, anywhere in it, and what it takes from the public face."""
    modules = {module_of(name) for name in files()}

    def targets(tree: ast.Module) -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (name.name for name in node.names if name.name.split(".")[0] == "bigprior")
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "bigprior":
                for name in node.names:
                    inner = f"{node.module}.{name.name}"
                    yield inner if inner in modules or node.module == "bigprior" else str(node.module)

    return {module_of(name): set(targets(tree)) for name, tree in trees().items() if name != "__init__.py"}


def room_of(module: str) -> str:
    """The room, or the module, that stands on a floor."""
    return module.split(".")[1]


def test_every_room_has_a_floor() -> None:
    """Nothing stands beside the house."""
    rooms = {room_of(module) for module in imports()} - {"__main__"}
    assert rooms <= set(FLOOR), f"give each a floor in tests/test_house.py: {sorted(rooms - set(FLOOR))}"


def test_imports_go_up_only() -> None:
    """A module uses what stands below it, or beside it on the same floor."""
    found = set()
    for module, targets in imports().items():
        if room_of(module) == "__main__":
            continue
        for target in targets - FACE:
            room = room_of(target) if target.count(".") else "bigprior"
            if room not in FLOOR or FLOOR[room] > FLOOR[room_of(module)]:
                found.add(f"{module} -> {target}")
    unfinished("floors", found)


def test_imports_make_no_circle() -> None:
    """From no module do imports lead back to it."""

    @cache
    def below(module: str) -> frozenset[str]:
        seen, ahead = set[str](), [module]
        while ahead:
            new = imports().get(ahead.pop(), set()) - seen
            seen |= new
            ahead += new
        return frozenset(seen)

    unfinished("circles", {module for module in imports() if module in below(module)})


def test_modules_are_short() -> None:
    """One subject a module."""
    lengths = {name: len(text.splitlines()) for name, text in files().items()}
    unfinished("modules", {name for name, lines in lengths.items() if lines > LONGEST_MODULE})


def test_functions_are_short_or_say_why_not() -> None:
    """A comment above a long function, or in its first lines, says why it is ``long``."""
    found = set()
    for name, tree in trees().items():
        lines = files()[name].splitlines()
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno < LONGEST_FUNCTION:
                continue
            top = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
            while top and lines[top - 1].lstrip().startswith("#"):
                top -= 1
            first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0]
            if not any(re.search(r"#.*\blong\b", line, re.IGNORECASE) for line in lines[top : first.lineno]):
                found.add(f"{name}: {node.name}")
    unfinished("functions", found)


@cache
def degradation_classes() -> set[str]:
    """The concrete degradations, by the names of their classes."""
    classes = {
        node.name: {base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases}
        for name, tree in trees().items()
        if name.startswith("degradations/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }

    def is_one(name: str) -> bool:
        return any(base == "Degradation" or (base != name and is_one(base)) for base in classes.get(name, ()))

    return {name for name in classes if is_one(name)}


@cache
def task_words() -> set[str]:
    """The names and verbs of the tasks, as the degradations have them."""
    found = set[str]()
    for name, tree in trees().items():
        for node in ast.walk(tree):
            if (
                name.startswith("degradations/")
                and isinstance(node, ast.ClassDef)
                and node.name in degradation_classes()
            ):
                for line in node.body:
                    target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
                    value = getattr(line, "value", None)
                    if getattr(target, "id", "") in ("name", "verb") and isinstance(value, ast.Constant):
                        found.add(str(value.value))
    return found


def names_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Identifiers with their lines: variables, attributes, and what is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.alias):
            yield node.lineno, node.name.split(".")[-1]


def test_the_reader_knows_degradations_and_their_words() -> None:
    """What the next two tests look for is there to be found."""
    assert degradation_classes() >= {"Colorization", "Denoising", "Inpainting"}
    assert task_words() >= {"denoising", "denoise", "colorization", "colorize", "inpainting", "inpaint"}


def test_tasks_are_named_where_they_live() -> None:
    """A new degradation touches its own file; the others ask it."""
    found = set()
    for name, tree in trees().items():
        if name.startswith(TASKS_ARE_NAMED_IN):
            continue
        words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)} & task_words()
        words |= {word for _, word in names_in(tree)} & degradation_classes()
        found |= {f"{name}: {word}" for word in words - MEAN_SOMETHING_ELSE}
    unfinished("tasks", found)


def test_no_one_asks_which_degradation_this_is() -> None:
    """What differs between degradations is their own attribute or method."""
    found = set()
    for name, tree in trees().items():
        if not name.startswith(NO_ONE_ASKS_IN):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("isinstance", "issubclass"):
                asked = {word for _, word in names_in(node.args[1])} & (degradation_classes() | {"Degradation"})
                found |= {f"{name}: {word}" for word in asked}
    unfinished("isinstance", found)


def test_tests_lie_where_the_source_lies() -> None:
    """``tests/`` mirrors the package, ``tests/outside`` apart, which is a package of its own."""
    tests = Path(__file__).parent
    folders = {path.parent.relative_to(tests).as_posix() for path in tests.rglob("test_*.py")}
    rooms = {path.parent.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py")}
    beside = {folder for folder in folders - rooms if folder.split("/")[0] != "outside"}
    assert not beside, f"tests of no folder of the source: {sorted(beside)}"


def test_files_are_light_but_for_the_embedded_weights() -> None:
    """History keeps every version of a file for good."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("no git repository here")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    tracked = {name: REPOSITORY / name for name in listed.stdout.split("\0") if name}
    heavy = {name for name, path in tracked.items() if path.is_file() and path.stat().st_size > 2**20}
    weights = re.compile(r"src/bigprior/(presets/data/.+|ops/[a-z_]+)\.safetensors")
    assert not {name for name in heavy if not weights.fullmatch(name)}
    assert not {name for name in tracked if re.fullmatch(r"results/.+\.(jsonl|safetensors)", name)}


def test_one_version_everywhere() -> None:
    """The package, the citation and the newest version of the changelog are the same."""
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    citation = re.search(r"^version: (\S+)$", (REPOSITORY / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    newest = re.search(r"^## \[(\d.+?)\]", (REPOSITORY / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert citation and newest and version == citation[1] == newest[1]

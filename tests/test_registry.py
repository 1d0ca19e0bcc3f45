from importlib.metadata import EntryPoint

import pytest

from bigprior import registry
from bigprior.errors import BigpriorError, UnknownNameError
from bigprior.registry import Registry


def test_what_is_registered_is_found_in_the_order_in_which_it_came() -> None:
    colours = Registry[int]("colour", "bigprior.test", {"red": 1})
    colours.register("blue")(2)
    assert list(colours) == ["red", "blue"] and colours["blue"] == 2 and len(colours) == 2 and "green" not in colours
    colours.remove("red")
    assert dict(colours) == {"blue": 2}


def test_an_unknown_name_lists_the_known_ones() -> None:
    colours = Registry[int]("colour", "bigprior.test", {"red": 1})
    with pytest.raises(UnknownNameError, match=r"^unknown colour 'green': the known ones are red$"):
        colours["green"]
    with pytest.raises(UnknownNameError, match="green"):
        colours.remove("green")
    assert colours.get("green") is None


def test_entry_points_are_imported_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("pi", "math:pi", "bigprior.test"), EntryPoint("broken", "no_such_module:x", "bigprior.test")]
    monkeypatch.setattr(registry, "entry_points", lambda group: [p for p in points if p.group == group])
    numbers = Registry[float]("number", "bigprior.test", {"two": 2.0})
    assert list(numbers) == ["two", "pi", "broken"] and "pi" in numbers
    assert round(numbers["pi"], 2) == 3.14
    with pytest.raises(BigpriorError, match=r"number 'broken' is offered as no_such_module:x.*ModuleNotFoundError"):
        numbers["broken"]

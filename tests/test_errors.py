"""One exception tree."""

import inspect

import pytest

from bigprior import errors
from bigprior.errors import BigpriorError, UnknownNameError

TREE = [e for _, e in inspect.getmembers(errors, inspect.isclass) if e.__module__ == errors.__name__]


@pytest.mark.parametrize("error", TREE, ids=lambda e: e.__name__)
def test_every_error_is_in_the_tree_and_drawn_in_it(error: type[Exception]) -> None:
    assert issubclass(error, BigpriorError)
    assert error.__name__ in str(errors.__doc__)
    assert error.__doc__


def test_an_unknown_name_is_told_the_known_ones_in_order() -> None:
    assert str(UnknownNameError("task", "colourise", ["b", "a"])) == "unknown task 'colourise': the known ones are a, b"

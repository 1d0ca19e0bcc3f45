"""The base of every settings class: typed, frozen, and strict about what it is given."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bigprior.errors import SettingsError


class Settings(BaseModel):
    """Frozen settings that refuse unknown names and values out of range.

    Raises:
        SettingsError: a value out of its range, of another type, or of an unknown name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"])) or type(self).__name__
            came = "missing" if first["type"] == "missing" else repr(first["input"])
            raise SettingsError(f"{name} is {came}: {first['msg']}") from None


def check_seed(seed: int) -> None:
    """That random numbers can begin at ``seed``.

    Raises:
        SettingsError: they cannot.
    """
    if not 0 <= seed < 2**63:
        raise SettingsError(f"seed is {seed}: expected 0 or more, below 2**63")


def index_of(text: str) -> tuple[int, int] | None:
    """The first and last picture of ``A-B``; None of nothing.

    Raises:
        SettingsError: no such range.
    """
    if not text:
        return None
    first, sign, last = text.partition("-")
    if not (sign and first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise SettingsError(f"index is {text!r}: expected A-B with A <= B, such as 200-249")
    return int(first), int(last)

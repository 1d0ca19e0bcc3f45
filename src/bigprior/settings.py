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
            raise SettingsError(f"{name} is {first['input']!r}: {first['msg']}") from None

"""What a model is told beside the picture, by the names of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bigprior.errors import WeightsError

_WORDS: dict[Literal["sigma", "mask"], tuple[str, ...]] = {
    "mask": ("mask", "hole"),
    "sigma": ("sigma", "noise", "level", "std"),
}


def told_by(names: Sequence[str], file: str) -> Literal["sigma", "mask"] | None:
    """What the second input of a model stands for.

    Raises:
        WeightsError: more inputs than two, or a second one whose name does not say.
    """
    if len(names) == 1:
        return None
    if len(names) == 2:
        for what, words in _WORDS.items():
            if any(word in names[1].lower() for word in words):
                return what
    raise WeightsError(
        f"{file} takes {len(names)} inputs ({', '.join(names) or 'none'}): expected a picture, or a picture and one "
        "called mask (1 = hole) or sigma (the noise level in [0, 1])"
    )

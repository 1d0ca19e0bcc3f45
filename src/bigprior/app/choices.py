"""What a person can say is wrong with a picture, in plain words."""

from __future__ import annotations

from dataclasses import dataclass, field

from bigprior.app.asked import FIND


@dataclass(frozen=True)
class Choice:
    """One of the answers.

    Attributes:
        said: in plain words.
        task: a degradation's name, or that it is to be found.
        of_task: its settings.
        paints: only what is painted says what is to be done.
    """

    said: str
    task: str
    of_task: dict[str, str] = field(default_factory=dict)
    paints: bool = False


CHOICES = (
    Choice("Find out for me", FIND),
    Choice("It is noisy", "denoising"),
    Choice("Something is missing: I have painted it", "inpainting", paints=True),
    Choice("It has scratches", "inpainting", {"find": "scratches"}),
    Choice("It has dust", "inpainting", {"find": "dust"}),
    Choice("Text is written over it", "inpainting", {"find": "text"}),
    Choice("It has no colours", "colorization"),
)

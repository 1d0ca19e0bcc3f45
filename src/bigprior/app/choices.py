"""What a person can say is wrong with a picture, in plain words, and what is asked of it then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bigprior.app.asked import FIND


@dataclass(frozen=True)
class Question:
    """A number that a slider answers.

    Attributes:
        said: in plain words, with its unit.
        least, most, usual, step: of the number.
    """

    said: str
    least: float
    most: float
    usual: float
    step: float


QUESTIONS = {
    "factor": Question("So many times as high and wide", 2, 4, 2, 1),
    "gauss": Question("How far the blur spreads, in pixels (standard deviation)", 0.5, 10, 1.6, 0.1),
    "length": Question("How far the camera moved, in pixels", 2, 100, 15, 1),
    "angle": Question("In which direction, in degrees: 0 across, 90 up and down", 0, 179, 0, 1),
    # Noise that is found is what a blur that is a guess is taken to be right to: it would be undone far too sharply.
    "noise": Question("How rough it is, of 255: more is safer where the blur is a guess", 0.5, 25, 4, 0.5),
}


@dataclass(frozen=True)
class Choice:
    """One of the answers.

    Attributes:
        said: in plain words.
        task: a degradation's name, or that it is to be found.
        of_task: its settings.
        asks: by the name of a setting, those of :data:`QUESTIONS` that it is: a number, or several with commas.
        kernel: a file says how it was blurred.
        paints: what is painted as missing says what is to be done.
    """

    said: str
    task: str
    of_task: Mapping[str, str] = field(default_factory=dict)
    asks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kernel: bool = False
    paints: bool = False

    def settings(self, answers: Mapping[str, float]) -> dict[str, float | str]:
        """The task's settings.

        Args:
            answers: to all of :data:`QUESTIONS`.
        """
        told: dict[str, float | str] = {**self.of_task}
        for name, questions in self.asks.items():
            first, *others = (_plain(answers[question]) for question in questions)
            told[name] = ",".join(map(str, (first, *others))) if others else first
        return told

    def asked(self) -> set[str]:
        """The questions that it asks."""
        return {question for questions in self.asks.values() for question in questions}

    @property
    def holes(self) -> bool:
        """Whether what is painted as missing says anything."""
        return self.paints or self.task == FIND

    def is_noisy(self) -> bool:
        """Whether so many times the noise that is found says anything; where its level is asked for, it does not."""
        from bigprior.degradations import task_of

        return "sigma" not in self.asks and (self.task == FIND or task_of(self.task).noisy)


def _plain(number: float) -> float:
    """A whole number without a fraction."""
    return int(number) if float(number).is_integer() else round(float(number), 3)


_ROUGH = {"sigma": ("noise",)}
CHOICES = (
    Choice("Find out for me", FIND),
    Choice("It is noisy", "denoising"),
    Choice("It is noisy as of few photons: more so where it is bright", "poisson"),
    Choice("Something is missing: I have painted it", "inpainting", paints=True),
    Choice("It has scratches", "inpainting", {"find": "scratches"}),
    Choice("It has dust", "inpainting", {"find": "dust"}),
    Choice("Text is written over it", "inpainting", {"find": "text"}),
    Choice("It has no colours", "colorization"),
    Choice("It is too small", "upscaling", asks={"factor": ("factor",)}),
    Choice("It is out of focus", "deblurring", asks={"gauss": ("gauss",), **_ROUGH}),
    Choice("The camera moved", "deblurring", asks={"motion": ("length", "angle"), **_ROUGH}),
    Choice("It is blurred, and I have the kernel", "deblurring", asks=_ROUGH, kernel=True),
    Choice("JPEG has left blocks and rings in it", "jpeg-compression"),
)

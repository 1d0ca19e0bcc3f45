"""What a model that others made has to say of itself, whatever file it comes from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from bigprior.degradations import Degradation
from bigprior.errors import SettingsError, WeightsError

#: What a size may have to be a multiple of, and the least size that is tried.
_MULTIPLES, _TRIED = (1, 2, 4, 8, 16, 32, 64), 64


@dataclass(frozen=True)
class Takes:
    """What a model takes, and what it gives.

    Attributes:
        architecture: its name, as the record of a restoration has it.
        channels, gives: of the pictures that go in and come out, 1 or 3.
        told: what it is told beside the picture: the level of white noise, or where the hole is; None for nothing.
        colours: whether it gives colours to a grey picture; None if nothing says.
        scale: what comes out is so many times as high and wide.
        multiple, least: a side is a multiple of so many pixels, and has so many at least.
        side: the only height and width that it takes, in pixels; None if there are others.
        whole: it looks at all of a picture at once, which therefore is not cut into tiles.
    """

    architecture: str
    channels: int = 3
    gives: int = 3
    told: Literal["sigma", "mask"] | None = None
    colours: bool | None = False
    scale: int = 1
    multiple: int = 1
    least: int = 1
    side: int | None = None
    whole: bool = False

    def suits(self, physics: type[Degradation]) -> bool:
        """Whether it can say something of pictures that suffered a degradation."""
        hole = physics.placement == "hole"
        if (self.told == "mask") != hole or (self.told == "sigma" and not physics.noisy):
            return False
        if self.colours is not None and self.colours != physics.colours:
            return False
        return self.scale == 1 or not (hole or physics.colours or physics.identity)

    def refuse(self, name: str, physics: type[Degradation]) -> None:
        """That it suits a degradation.

        Raises:
            SettingsError: it does not.
        """
        if not self.suits(physics):
            raise SettingsError(
                f"{name} ({self.architecture}) {self._does()}: it cannot {physics.verb}; pass another model, or none "
                "for a preset's prior"
            )

    def _does(self) -> str:
        if self.told == "mask":
            return "fills holes"
        if self.told == "sigma":
            return "removes noise"
        if self.colours:
            return "gives colours to grey pictures"
        if self.scale > 1:
            return f"makes pictures {self.scale} times as large"
        return "makes a picture of a picture, takes no mask and gives no colours"


class Model(nn.Module, ABC):
    """A network of others', asked for one picture at a time.

    Args:
        takes: what can be asked of it.
    """

    def __init__(self, takes: Takes) -> None:
        super().__init__()
        self.takes = takes

    @abstractmethod
    def forward(self, x: Tensor, told: Tensor | None) -> Tensor:
        """A picture (1, ``channels``, H, W), RGB or grey in [0, 1], of a size that it takes, to what it makes of it.

        Args:
            x: the picture.
            told: the standard deviation of the noise in [0, 1], (1,); or the hole, (1, 1, H, W), 1 = hole; or None.

        Returns:
            (1, ``gives``, ``scale`` H, ``scale`` W), nominally in [0, 1].
        """


def found_out(
    ask: Callable[[Tensor, Tensor | None], Tensor], takes: Takes, name: str, channels: Sequence[int]
) -> Takes:
    """Channels, scale and multiple of a model whose file does not say: it is asked about small grey pictures.

    Args:
        ask: as :meth:`Model.forward`.
        takes: what is known already.
        name: of the file, for the error.
        channels: those to try.

    Raises:
        WeightsError: it makes no picture of a picture.
    """
    said = "nothing"
    for count in channels:
        for multiple in _MULTIPLES if takes.side is None else (1,):
            side = takes.side or _TRIED + multiple  # of 65, 66, 68, ... each is a multiple of no larger one
            x = torch.full((1, count, side, side), 0.5)
            told = {"sigma": torch.full((1,), 0.1), "mask": torch.zeros(1, 1, side, side)}
            try:
                answer = ask(x, None if takes.told is None else told[takes.told])
            except Exception as error:  # of another's code, which can raise anything
                said = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
                continue
            scale = answer.shape[-1] // side if isinstance(answer, Tensor) and answer.ndim == 4 else 0
            if scale > 0 and answer.shape[1] in (1, 3) and answer.shape[2:] == (scale * side, scale * side):
                # One of three channels may do anything with a grey picture in them; one with a single one cannot.
                colours = None if count == answer.shape[1] == 3 else answer.shape[1] > count
                least = 1 if multiple == 1 else _TRIED
                return replace(
                    takes,
                    channels=count,
                    gives=answer.shape[1],
                    colours=colours if takes.told is None else False,
                    scale=scale,
                    multiple=multiple,
                    least=least,
                )
            said = f"{tuple(answer.shape)} of {tuple(x.shape)}" if isinstance(answer, Tensor) else type(answer).__name__
    raise WeightsError(
        f"{name} makes no picture (N, 1 or 3, H, W) of a picture ({said}): expected a model of RGB or grey pictures in "
        "[0, 1]"
    )

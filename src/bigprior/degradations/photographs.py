"""What a degradation is to a person, who has a photograph and settings that can be written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar, Self

import deepinv as dinv
from torch import Tensor

from bigprior.errors import BigpriorError, SettingsError
from bigprior.io.pictures import Picture
from bigprior.ops.shot import Shot


class OfPhotographs(dinv.physics.Physics):  # type: ignore[misc]  # deepinv publishes no types
    """The part of every degradation that jobs ask: see :class:`bigprior.Degradation`, of which this is the base."""

    name: ClassVar[str]
    channels: int
    #: Whether a result is as transparent as its photograph.
    keeps_alpha: bool = True
    #: A photograph of it is grey, whatever it shows: values that stand for one colour each.
    stored_grey: bool = False
    #: Settings that are files of pictures; whoever restores for strangers takes none of these as a name.
    pictures: ClassVar[tuple[str, ...]] = ()
    #: Settings that are other files, such as kernels, each with the words that it may be in place of one.
    files: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def seen_in(self, picture: Picture) -> Self:
        """This degradation as a photograph shows it, where only that can say; here: as it is."""
        return self

    def of_file(self, file: Path, picture: Picture) -> tuple[Tensor, Self]:
        """The measurement that a photograph's file is, and this degradation as it shows it.

        Args:
            file: whose bytes some degradations are about.
            picture: what it holds, decoded; here it is all that is looked at.

        Raises:
            ImageError: it is no file of this degradation, or one that would lose what it has.
        """
        seen = self.seen_in(picture)
        return seen.of_photograph(picture.image), seen

    def plain(self, y: Tensor) -> tuple[Tensor, Self]:
        """The measurement, and its degradation, as priors and networks know such; here: as both are.

        What a photograph has suffered beside, and no network has seen, is in neither.
        """
        return y, self

    def as_measured(self, picture: Tensor) -> Tensor:
        """A picture (N, 3, H, W) of what was made :meth:`plain`, on the scale of :meth:`g_inv`; here: as it is."""
        return picture

    def as_plain(self, picture: Tensor) -> Tensor:
        """The inverse of :meth:`as_measured`."""
        return picture

    @property
    def beside(self) -> tuple[str, ...]:
        """What :meth:`plain` takes away, by name; here: nothing."""
        return ()

    @property
    def known_shot(self) -> Shot | None:
        """How noise that any photograph may have grows with light, if that was told beside its level."""
        return None

    @property
    def unseen(self) -> Tensor | None:
        """What is no part of a photograph, and says nothing of it, bool (N, 1, H, W); here: nothing is."""
        return None

    def shown(self) -> dict[str, Tensor]:
        """Pictures (1, 1 or 3, H, W) of it, by name, to save beside a result for a person to change; here: none."""
        return {}

    def of_photograph(self, photograph: Tensor) -> Tensor:
        """The measurement that a photograph (1, 3, H, W) is, or stands for.

        Here: the photograph as it is, which this degradation is taken to have struck already; if a measurement has
        other channels, what the degradation would leave of the photograph.
        """
        return photograph if self.channels == photograph.shape[1] else self.A(photograph)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """This degradation by settings that a person writes, such as numbers and files; here: its own arguments.

        Raises:
            SettingsError: one that it does not take, or out of range.
        """
        named = [p for p in signature(cls).parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        cls.refuse_others(settings, [parameter.name for parameter in named])
        try:
            return cls(**settings)
        except BigpriorError:
            raise
        except Exception as error:  # another package's degradation can raise anything
            said = ", ".join(f"{name}={value}" for name, value in settings.items()) or "no settings"
            raise SettingsError(f"{cls.name} does not take {said} ({' '.join(str(error).split())})") from error

    @classmethod
    def refuse_others(cls, settings: Mapping[str, Any], known: Sequence[str]) -> None:
        """That all of ``settings`` are known.

        Raises:
            SettingsError: one is not.
        """
        for name in settings:
            if name not in known:
                raise SettingsError(f"{cls.name} takes no setting {name!r}: it takes {', '.join(known) or 'none'}")

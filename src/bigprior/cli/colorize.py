"""``bigprior colorize``."""

from __future__ import annotations

from bigprior.cli.options import Choices, FrameName, Photos, Rho, with_choices
from bigprior.cli.restoring import restore_photos


@with_choices
def colorize(photos: Photos, how: Choices, rho: Rho = None, frame: FrameName = None) -> None:
    """Give photographs colours; write each with its layers, the phi map, a panel and how it was made."""
    restore_photos("colorization", photos, how, lambda _: {}, frame=frame, rho=rho)

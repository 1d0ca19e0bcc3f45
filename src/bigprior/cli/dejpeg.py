"""``bigprior dejpeg``."""

from __future__ import annotations

from bigprior.cli.options import Choices, Photos, with_choices
from bigprior.cli.restoring import restore_photos


@with_choices
def dejpeg(photos: Photos, how: Choices) -> None:
    """Take off what JPEG did to photographs, by the numbers in their files; write each with its layers and phi map.

    Restored as PNG, unless --format says otherwise: as a JPEG it would lose again what was won.
    """
    restore_photos("jpeg-compression", photos, how, lambda _: {})

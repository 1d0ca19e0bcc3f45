"""Options with which no picture of a batch could be restored: told once, before the first of them is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from bigprior.batch.inputs import Item
from bigprior.batch.work import Plan
from bigprior.errors import ImageError, MaskError, SettingsError
from bigprior.io.decoding import decode
from bigprior.io.namesakes import OneEach, is_folder
from bigprior.io.remote import url_of
from bigprior.jobs import Job, degradation_of

#: So many pictures are looked at for one that has a file of its own in each folder among the options.
_LOOKED_AT = 100


def check_options(items: Sequence[Item], plan: Plan) -> None:
    """Refuse options that are wrong for every picture; what is wrong with one picture is said when it is its turn.

    Files that are elsewhere are not fetched for that.

    Raises:
        SettingsError: a setting or number out of range, or a certificate that signs nothing.
        UnknownNameError: no such task, or another name that nothing has.
        ImageError, MaskError: a file that is for all pictures, such as a mask, and is none.
    """
    if (sign := plan.asked["output"].sign) is not None:
        from bigprior.report.credentials import check_pair

        check_pair(*sign)
    for file in plan.asked.values():
        if isinstance(file, Path) and url_of(file) is None and not is_folder(file):
            decode(file, None)
    each = OneEach()
    for item in islice(items, _LOOKED_AT):
        photo, source = Path(item.source), PurePosixPath(item.source)
        settings = plan.settings_of(photo)
        try:
            own = {name: each.own(name, value, source) for name, value in settings.items()}
        except SettingsError:  # that picture has none, or several
            continue
        files = {name: value for name, value in own.items() if isinstance(value, Path)}
        if any(url_of(file) is not None for file in files.values()):
            return
        asked = {name: value for name, value in plan.asked.items() if not is_folder(value)}
        job = Job(photo, plan.task, own, Path("results"), **asked)
        try:
            degradation_of(job)
        except (ImageError, MaskError):
            if all(file == settings[name] != photo for name, file in files.items()):
                raise
            continue  # that picture's own file is none
        return

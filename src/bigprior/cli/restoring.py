"""How every command that restores does it: all photos are looked at first, then the networks are loaded."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigprior.cli.options import Choices
from bigprior.cli.terminal import OUT, progress_of, working
from bigprior.errors import OutputError, SettingsError

if TYPE_CHECKING:
    from bigprior.restoration import Restoration
    from bigprior.restorer import Restorer


def restore_photos(
    task: str,
    photos: Sequence[Path],
    how: Choices,
    settings_of: Callable[[Path], Mapping[str, Any]],
    *,
    frame: str | None = None,
    rho: float | None = None,
    phi: Path | None = None,
    strength: float = 1.0,
    grain: str | None = None,
    note: Callable[[Restoration], str | None] = lambda result: None,
) -> None:
    """Restore photos of one task, each into a folder of its own, and say how it went.

    Args:
        task: what is wrong with them: a degradation's name, or its verb.
        photos: their files.
        how: what all tasks can be told.
        settings_of: the degradation's settings for a photo.
        frame: what to fuse; by default what the preset has.
        rho: weight of what is made up; by default the phi network's own.
        phi: a phi network's file, in place of the preset's.
        strength, grain: of the noise, see :class:`bigprior.Restorer`.
        note: a line about a result, if there is something to say.
    """
    from bigprior.jobs import Job, budget_of, check, measurement_of, run

    budget_s, output = None if how.budget is None else seconds(how.budget), how.written()
    placed = folders(photos, how.output, task)
    asked: dict[str, Any] = {"output": output, "page": how.page, "samples": how.samples, "seed": how.seed or 0}
    asked |= {"max_share": how.max_hallucination, "keep": how.keep, "paint": how.paint}
    jobs = [Job(photo, task, settings_of(photo), folder, **asked) for photo, folder in placed]
    with working("reading"):
        bits = [check(job).bits for job in jobs]  # nothing is written if one of them cannot be read
    with working("loading"):
        from bigprior.ops.devices import device_of
        from bigprior.presets.loading import load_restorer

        for job in jobs:
            measurement_of(job)  # nothing is written if one of them is not what it is taken for
            budget_of(job)
        prior: dict[str, Any] = {"steps": how.steps, "budget_s": budget_s, "paper": how.paper, "vgg": how.vgg}
        fused: dict[str, Any] = {"frame": frame, "rho": rho, "phi": phi, "strength": strength, "grain": grain}
        fused |= {"samples": how.samples, "calibration": how.calibration, "device": device_of(how.device)}
        load = partial(load_restorer, how.preset, task, **prior, **fused)
        restorers = [load(prior=one, trusted=how.trust_prior) for one in priors_of(how.prior, photos)]
        if not restorers[0].draws and (how.seed is not None or how.samples > 1):
            option, who = "seed" if how.samples == 1 else "samples", how.prior or f"preset {how.preset}"
            raise SettingsError(f"{who} draws nothing for {task}, so --{option} says nothing: leave it out")
    own = restorers if len(restorers) == len(jobs) else restorers * len(jobs)
    for job, depth, restorer in zip(jobs, bits, own, strict=True):
        with progress_of(task if len(jobs) == 1 else job.photo.name) as progress:
            result = run(job, restorer, progress)
        OUT.print(f"{job.photo}: {result.task}, {result.mean_share:.0%} made up -> {job.folder}", soft_wrap=True)
        kept = output.bits(job.photo.suffix, depth)
        for said in (note(result), *_verdict(result, restorer), _depth(depth, kept)):
            if said:
                OUT.print(said, soft_wrap=True)


def _depth(bits: int, kept: int) -> str | None:
    """What became of a photo's 16 bits a channel."""
    if bits != 16:
        return None
    return "16 bits a channel, as the photo" if kept == bits else f"{kept} bits a channel; the photo has 16"


def _verdict(result: Restoration, restorer: Restorer) -> Iterator[str | None]:
    """How sure the result is, and what of it was kept from being made up."""
    capped = result.provenance.get("capped", {})
    if "share_without" in capped and abs(capped["share_without"][0] - result.mean_share) > 1e-6:
        yield f"{capped['share_without'][0]:.0%} would have been made up without your limits"
    if result.bound is not None:
        yield result.bound.verdict()
    elif restorer.calibration is not None:
        yield "no bound: the pictures that calibrated had no impulses, bands or linear values"
    else:
        yield restorer.unbounded


def priors_of(prior: Path | None, photos: Sequence[Path]) -> list[Path | None]:
    """The prior that was asked for; of a folder of pictures, the one of each photo's name.

    Raises:
        SettingsError: the folder has none, or several, of a photo's name.
    """
    from bigprior.io.folders import SUFFIXES

    if prior is None or not prior.is_dir():
        return [prior]
    found: list[Path | None] = []
    for photo in photos:
        same = [file for file in sorted(prior.glob(f"{glob.escape(photo.stem)}.*")) if file.suffix.lower() in SUFFIXES]
        if len(same) != 1:
            raise SettingsError(f"{prior} holds {len(same)} pictures called {photo.stem}: expected one, the prior's")
        found.append(same[0])
    return found


def folders(photos: Sequence[Path], output: Path | None, task: str) -> list[tuple[Path, Path]]:
    """Each photo, and the folder of its results: beside it, named by the task, or in ``output``.

    Raises:
        OutputError: two photos whose results would be in one folder.
    """
    found: dict[Path, Path] = {}
    for photo in photos:
        folder = photo.parent / f"{photo.stem}-{task}" if output is None else output
        if output is not None and len(photos) > 1:
            folder = output / photo.stem
        if folder in found:
            raise OutputError(f"{found[folder]} and {photo} would both be written to {folder}: restore them apart")
        found[folder] = photo
    return [(photo, folder) for folder, photo in found.items()]


def seconds(text: str) -> float:
    """The seconds of ``2s``, ``500ms`` or ``1min``.

    Raises:
        SettingsError: none of these.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) *(ms|s|min)?", text.strip())
    if found is None:
        raise SettingsError(f"--budget is {text!r}: expected a time such as 2s, 500ms or 1min")
    return float(found[1]) * {"ms": 1e-3, "s": 1.0, None: 1.0, "min": 60.0}[found[2]]

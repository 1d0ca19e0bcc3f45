"""How every command that restores does it: all photos are looked at first, then the networks are loaded.

Of a batch, see :mod:`bigprior.cli.batches`, each is looked at when it is its turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigprior.cli.batches import Cluster, is_batch, restore_batch
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
    cluster: Cluster | None = None,
) -> None:
    """Restore photos of one task, each into a folder of its own or as a batch, and say how it went.

    Args:
        task: what is wrong with them: a degradation's name, or its verb.
        photos: their files; of a batch folders, patterns and URLs too.
        how: what all tasks can be told.
        settings_of: the degradation's settings for a photo.
        frame: what to fuse; by default what the preset has.
        rho: weight of what is made up; by default the phi network's own.
        phi: a phi network's file, in place of the preset's.
        strength, grain: of the noise, see :class:`bigprior.Restorer`.
        note: a line about a result, if there is something to say; of a batch nothing is said.
        cluster: it is a batch, done there.
    """
    # Long for its options, and for the order in which things are refused.
    from bigprior.io.namesakes import OneEach, is_folder
    from bigprior.jobs import Job, budget_of, check, measurement_of, run

    fused: dict[str, Any] = {"frame": frame, "rho": rho, "phi": phi, "strength": strength, "grain": grain}
    fused["budget_s"] = None if how.budget is None else seconds(how.budget)
    load = partial(load_asked, task, how, fused)
    asked: dict[str, Any] = {"page": how.page, "samples": how.samples, "seed": how.seed or 0}
    asked |= {"max_share": how.max_hallucination, "keep": how.keep, "paint": how.paint}
    if cluster is not None or is_batch(photos, how):
        restore_batch(task, photos, how, settings_of, asked, fused, load, cluster or Cluster())
        return
    output, one_each = how.written(), OneEach()
    placed = folders(photos, how.output, task)
    asked["output"] = output

    def own(values: Mapping[str, Any], photo: Path) -> dict[str, Any]:
        return {name: one_each.own(name, value, photo) for name, value in values.items()}

    jobs = [Job(photo, task, own(settings_of(photo), photo), folder, **own(asked, photo)) for photo, folder in placed]
    with working("reading"):
        bits = [check(job).bits for job in jobs]  # nothing is written if one of them cannot be read
    with working("loading"):
        for job in jobs:
            measurement_of(job)  # nothing is written if one of them is not what it is taken for
            budget_of(job)
        priors = photos if is_folder(how.prior) else photos[:1]
        restorers = [load(one_each.own("prior", how.prior, photo)) for photo in priors]
    own_restorers = restorers if len(restorers) == len(jobs) else restorers * len(jobs)
    for job, depth, restorer in zip(jobs, bits, own_restorers, strict=True):
        with progress_of(task if len(jobs) == 1 else job.photo.name) as progress:
            result = run(job, restorer, progress)
        OUT.print(f"{job.photo}: {result.task}, {result.mean_share:.0%} made up -> {job.folder}", soft_wrap=True)
        kept = output.bits(job.photo.suffix, depth)
        for said in (note(result), *_verdict(result, restorer), _depth(depth, kept)):
            if said:
                OUT.print(said, soft_wrap=True)


def load_asked(task: str, how: Choices, fused: Mapping[str, Any], prior: Path | None) -> Restorer:
    """The restorer that was asked for, in this process or in another.

    Raises:
        SettingsError: it draws nothing, and was told a seed or to draw samples.
        BigpriorError: as :func:`bigprior.load_restorer`.
    """
    from bigprior.ops.devices import device_of
    from bigprior.presets.loading import load_restorer

    inverted: dict[str, Any] = {"steps": how.steps, "paper": how.paper, "vgg": how.vgg}
    known: dict[str, Any] = {"samples": how.samples, "calibration": how.calibration, "device": device_of(how.device)}
    restorer = load_restorer(how.preset, task, prior=prior, trusted=how.trust_prior, **inverted, **fused, **known)
    if not restorer.draws and (how.seed is not None or how.samples > 1):
        option, who = "seed" if how.samples == 1 else "samples", how.prior or f"preset {how.preset}"
        raise SettingsError(f"{who} draws nothing for {task}, so --{option} says nothing: leave it out")
    return restorer


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
    else:
        yield result.provenance.get("unbounded", restorer.unbounded)


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

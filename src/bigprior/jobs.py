"""One photograph, from its file to a folder of results: what the command line, a page and a cluster all call."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigprior.errors import BigpriorError, ImageError, MaskError, SettingsError
from bigprior.io.decoding import decode
from bigprior.io.samples import Decoded
from bigprior.progress import part_of
from bigprior.report.output import Output, check_folder
from bigprior.settings import check_seed

# Torch is imported by what needs it: a job is refused before, if it can be.
if TYPE_CHECKING:
    from torch import Tensor

    from bigprior.budget import Budget
    from bigprior.degradations import Degradation
    from bigprior.io.pictures import Picture
    from bigprior.progress import Progress
    from bigprior.restoration import Restoration
    from bigprior.restorer import Restorer

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A photograph to restore. It can be pickled, so another process or machine can run it.

    Attributes:
        photo: the picture's file.
        task: what is wrong with it: a degradation's name, or its verb.
        settings: of the degradation, as a person writes them: a noise level on the scale of 0..255, a mask's file. A
            ``Path`` among them is a picture that belongs to the photo pixel by pixel, but for those in ``apart``.
        folder: where the results go; it appears when all of them are written.
        seed: of the prior's start.
        output: which results are written, and how.
        page: of a photo's file that has several pages or frames, from 1 on.
        samples: how many restorations, from ``seed`` and those after it; the first is the result, the others are saved
            beside it.
        max_share: of the result's variance, at most so much may be made up, in [0, 1].
        keep: a mask's file: where it is white, nothing is made up.
        paint: a grey picture's file, ``phi`` by hand: white = made up.
        apart: names of settings that are files of another kind or size, such as a kernel.

    Raises:
        SettingsError: a seed, samples or share out of range.
    """

    photo: Path
    task: str
    settings: Mapping[str, Any] = field(hash=False)
    folder: Path
    seed: int = 0
    output: Output = field(default_factory=Output)
    page: int | None = None
    samples: int = 1
    max_share: float | None = None
    keep: Path | None = None
    paint: Path | None = None
    apart: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Names of files may come as text; settings are a copy, which nobody else changes."""
        for name, kind in {"photo": Path, "folder": Path, "settings": dict}.items():
            object.__setattr__(self, name, kind(getattr(self, name)))
        check_seed(self.seed)
        if self.samples < 1:
            raise SettingsError(f"samples is {self.samples}: expected at least 1")
        if self.max_share is not None and not 0 <= self.max_share <= 1:
            raise SettingsError(f"the share that may be made up is {self.max_share}: expected 0 to 1, such as 0.2")


def check(job: Job) -> Decoded:
    """Refuse what cannot be restored, in a moment: torch is not loaded, nothing is written.

    Returns:
        The photo.

    Raises:
        ImageError: the photo, or a picture among the settings, cannot be read.
        MaskError: a picture among the settings is not of the photo's size.
        OutputError: the folder cannot be written, or holds something that would be lost.
        SettingsError: the format that was chosen does not hold what the photo has.
    """
    files = {"keep": job.keep, "paint": job.paint, **job.settings}
    read = {name: value for name, value in files.items() if isinstance(value, Path)}
    check_folder(job.folder, overwrite=job.output.overwrite, reads=[job.photo, *read.values()])
    pictures = {name: value for name, value in read.items() if name not in job.apart}
    photo = decode(job.photo, job.page)
    if job.output.sign is not None:
        from bigprior.report.credentials import check_pair  # which asks the degradations, and so loads torch

        check_pair(*job.output.sign)
    job.output.check(job.photo, photo.size, has_alpha=photo.values.shape[2] in (2, 4))
    for name, value in pictures.items():
        # A picture that is the photo's own file, as its transparency is, has the photo's page.
        if (size := decode(value, job.settings.get("page") if name in job.settings else None).size) != photo.size:
            (h, w), (height, width) = size, photo.size
            raise MaskError(
                f"{name} {value} is {w}x{h} but {job.photo} is {width}x{height}: pass a {name} of the photo's size"
            )
    return photo


def degradation_of(job: Job) -> Degradation:
    """How the photo was degraded.

    Raises:
        UnknownNameError: no such task.
        BigpriorError: settings that the degradation does not take.
    """
    from bigprior.degradations import task_of

    return task_of(job.task).from_settings(job.settings)


def measurement_of(job: Job) -> tuple[Picture, Degradation, Tensor]:
    """The photo, how it was degraded, and ``y``, the measurement that it is or stands for.

    Raises:
        ImageError, MaskError: as :func:`check`.
        BigpriorError: as :func:`degradation_of`, or a photo that the degradation does not take.
    """
    from bigprior.io.pictures import read_picture

    picture, degradation = read_picture(job.photo, job.page), degradation_of(job)
    try:
        y, degradation = degradation.of_file(job.photo, picture)
        m = degradation.measure(y)
        _, _ = m.size, m.fidelity  # what of it is asked first, while it is known whose fault an error is
    except (ImageError, MaskError) as error:  # of what is in the photo, whose name the degradation may not know
        if str(error).startswith(str(job.photo)):
            raise
        raise error.of(str(job.photo)) from error
    except BigpriorError:
        raise
    except Exception as error:  # of settings that the degradation took, but cannot use
        height, width = picture.image.shape[2:]
        said = "".join(f" with {name}={value}" for name, value in job.settings.items())
        why = " ".join(str(error).split())
        raise SettingsError(
            f"{degradation.name}{said} cannot take {job.photo}, which is {width}x{height} ({why})"
        ) from error
    return picture, degradation, y


def budget_of(job: Job) -> Budget:
    """How much may be made up, and where.

    Raises:
        ImageError: a picture that cannot be read, or ``paint`` has colours.
        MaskError: ``keep`` is no mask.
        SettingsError: limits that are none, or two that contradict each other.
    """
    from bigprior.budget import Budget
    from bigprior.io.pictures import read_mask, read_picture

    painted = None if job.paint is None else read_picture(job.paint)
    if painted is not None and bool((painted.image != painted.image[:, :1]).any()):
        raise ImageError(f"{job.paint} has colours: expected a grey picture, white = made up, black = measured")
    keep = None if job.keep is None else read_mask(job.keep, invert=False)
    try:
        return Budget(job.max_share, keep, None if painted is None else painted.image[:, :1])
    except SettingsError as error:
        raise error if job.paint is None else SettingsError(f"{job.paint}: {error}") from error


@dataclass(frozen=True, eq=False)
class Prepared:
    """A job whose photo has been read and measured: what computing needs, and no file more.

    Attributes:
        job: that it is of.
        picture: the photo.
        degradation: how it was degraded.
        y: the measurement, (1, C, H, W).
        budget: how much may be made up.
    """

    job: Job
    picture: Picture
    degradation: Degradation
    y: Tensor
    budget: Budget


@dataclass(frozen=True, eq=False)
class Outcome:
    """A job that is done, and of which nothing is written yet.

    Attributes:
        prepared: what was restored.
        results: the result, and others beside it if several were asked for.
    """

    prepared: Prepared
    results: tuple[Restoration, ...]

    def save(self) -> dict[str, Path]:
        """The third step: write the results to the job's folder, as the photo was; gives the files by what they hold.

        Raises:
            OutputError, SettingsError: as :meth:`bigprior.Restoration.save`.
        """
        job, degradation = self.prepared.job, self.prepared.degradation
        with _timed("saved", job):
            agrees = agreement(self.results[0].restored, self.prepared.y, degradation)
            return _save(self.results, job, self.prepared.picture, degradation, {"agreement": agrees})


def prepare(job: Job) -> Prepared:
    """The first of the three steps of :func:`run`: read the photo and measure it.

    Raises:
        BigpriorError: as :func:`measurement_of` and :func:`budget_of`.
    """
    with _timed("read", job):
        return Prepared(job, *measurement_of(job), budget_of(job))


def compute(prepared: Prepared, restorer: Restorer, progress: Progress | None = None) -> Outcome:
    """The second step: restore, once or for each of the samples; nothing is read or written.

    Raises:
        BigpriorError: as :meth:`bigprior.Restorer.restore`, or several samples of what draws none.
    """
    job, degradation, y = prepared.job, prepared.degradation, prepared.y
    where = next((tensor.device for tensor in restorer.state_dict().values()), y.device)
    if job.samples > 1 and not restorer.draws:
        raise SettingsError(
            f"this restorer gives one answer to {degradation.name}, whatever the seed: leave samples out"
        )
    results, physics = [], degradation.to(where)
    for i in range(job.samples):
        with _timed("restored", job):
            part = part_of(progress, i, job.samples)
            results.append(
                restorer.restore(y.to(where), physics, seed=job.seed + i, budget=prepared.budget, progress=part)
            )
    return Outcome(prepared, tuple(results))


def run(job: Job, restorer: Restorer, progress: Progress | None = None) -> Restoration:
    """Read the photo, restore it, and save the result in the job's folder.

    Args:
        job: what to do; :func:`check` says beforehand whether it can be done.
        restorer: of the job's task; it computes where its prior lives.
        progress: called with (finished, total) units of the prior's work.

    Raises:
        BigpriorError: as :func:`check`, :func:`degradation_of` and :meth:`bigprior.Restorer.restore`.
    """
    outcome = compute(prepare(job), restorer, progress)
    outcome.save()
    return outcome.results[0]


def agreement(restored: Tensor, y: Tensor, degradation: Degradation) -> dict[str, float] | None:
    """How far ``f`` of a restored picture (1, 3, H, W), as a file holds it, is from the measurement.

    Returns:
        ``rms`` and ``max`` of the difference, on the scale of [0, 1]; None where nobody knows ``f``.
    """
    try:
        m = degradation.measure(y)
        off = m.f(restored.to(y).clamp(0, 1)) - y
    except BigpriorError:  # such as of a hole that nobody knows
        return None
    if m.hole is not None:  # what is lost, as an impulse is, says nothing
        off = off * (1 - m.hole)
    return {"rms": float(off.square().mean().sqrt()), "max": float(off.abs().max())}


def _save(
    results: Sequence[Restoration], job: Job, picture: Picture, degradation: Degradation, said: dict[str, Any]
) -> dict[str, Path]:
    """Write the result, and others beside it, as the photo was: its bits, alpha, profile, and grey if it stayed so."""
    from bigprior.ops.resampling import resized
    from bigprior.report.record import settings_said, source_of

    result, *others = results
    size = result.restored.shape[2:]
    alpha = picture.alpha if degradation.keeps_alpha else None
    grey = picture.is_grey and not (degradation.colours or degradation.stored_grey)
    if alpha is not None and alpha.shape[2:] != size:  # the photo was a smaller measurement of its picture
        alpha = resized(alpha, *size)
    said["input"] = source_of(job.photo, job.page).model_dump()
    said["settings_of_task"] = settings_said(job.settings)
    output = {field.name: getattr(job.output, field.name) for field in fields(job.output)}
    return result.save(
        job.folder,
        bits=job.output.bits(job.photo.suffix, picture.bits),
        alpha=alpha,
        profile=picture.profile if grey == picture.is_grey else None,  # a grey picture's says nothing of colours
        suffix=job.photo.suffix,
        grey=grey,
        metadata=picture.metadata,
        others=others,
        beside=degradation.shown(),
        said=said,
        photo=job.photo,
        **output,
    )


@contextmanager
def _timed(what: str, job: Job) -> Iterator[None]:
    began = time.perf_counter()
    yield
    _LOG.info("%s: %s in %.2f s", job.photo, what, time.perf_counter() - began)

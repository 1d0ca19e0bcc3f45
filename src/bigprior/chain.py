"""Several restorations of one photograph, one after another, and what is made up of it in the end.

Each step is given the picture that the one before restored. What that had made up stays made up where it is kept:

    measured' = W^T (1 - phi) W g_inv(measured),    hallucinated' = restored' - measured'

Bounds are of the whole, by a calibration of the whole: a later step takes for known what an earlier one restored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bigprior.calibration import Calibration, Parts
from bigprior.degradations import Degradation, task_of
from bigprior.errors import BigpriorError, SettingsError
from bigprior.fusion import centre
from bigprior.io.atomic import appearing
from bigprior.io.pictures import Picture, read_picture
from bigprior.jobs import Job, check
from bigprior.presets.calibrations import calibration_for
from bigprior.priors.base import Projection
from bigprior.progress import Progress, part_of
from bigprior.recipe import Recipe
from bigprior.report.output import Output
from bigprior.report.record import settings_said, source_of
from bigprior.restoration import Restoration
from bigprior.restorer import Restorer

#: What the whole is called where a degradation's name stands.
TASK = "recipe"


@dataclass(frozen=True)
class Chain:
    """A photograph's restorations.

    Attributes:
        steps: each by itself, of the picture that it was given.
        degradations: what each took the picture to have suffered.
        total: of the photograph: what of the last picture is measured in the end, and all that was made up on the way;
            ``phi`` is ``1 - prod (1 - phi)`` over the steps.
        shares: what is made up in the end after each step, in [0, 1].
    """

    steps: tuple[Restoration, ...]
    degradations: tuple[Degradation, ...]
    total: Restoration
    shares: tuple[float, ...]


def follow(
    picture: Picture,
    recipe: Recipe,
    restorers: Sequence[Restorer],
    *,
    photo: Path | None = None,
    seed: int = 0,
    calibration: Calibration | None = None,
    progress: Progress | None = None,
) -> Chain:
    """Restore a photograph step by step.

    Args:
        picture: the photograph.
        photo: its file, for a first step that is about that, as JPEG is.
        recipe: what it suffered.
        restorers: one a step.
        seed: of the priors' starts.
        calibration: of such a chain as a whole, see :func:`calibration_of`.
        progress: called with (finished, total) units of work.

    Raises:
        BigpriorError: a step cannot be made; the message names it.
    """

    def taken(i: int, image: Tensor) -> tuple[Tensor, Degradation]:
        physics = task_of(recipe.step[i].task).from_settings(recipe.step[i].settings)
        if i == 0 and photo is not None:
            return physics.of_file(photo, picture)
        physics = physics.seen_in(replace(picture, image=image))
        return physics.of_photograph(image), physics

    chain = _followed(picture.image, [step.task for step in recipe.step], taken, restorers, seed, progress)
    return chain if calibration is None else _bounded(chain, calibration)


def follow_known(image: Tensor, degradations: Sequence[Degradation], restorers: Sequence[Restorer]) -> Chain:
    """Restore a picture (1, 3, H, W) that is known to have suffered degradations, in the order they are undone in."""

    def taken(i: int, image: Tensor) -> tuple[Tensor, Degradation]:
        return degradations[i].of_photograph(image), degradations[i]

    return _followed(image, [physics.name for physics in degradations], taken, restorers, 0, None)


def _followed(
    image: Tensor,
    tasks: Sequence[str],
    taken: Callable[[int, Tensor], tuple[Tensor, Degradation]],
    restorers: Sequence[Restorer],
    seed: int,
    progress: Progress | None,
) -> Chain:
    made_up, phi, share = torch.zeros_like(image), None, 0.0
    steps: list[Restoration] = []
    degradations: list[Degradation] = []
    shares: list[float] = []
    for i, (task, restorer) in enumerate(zip(tasks, restorers, strict=True)):
        try:
            (y, physics), before = taken(i, image), None
            if i > 0:
                before = physics.f(made_up) if physics.colours or physics.channels != image.shape[1] else made_up
            part = part_of(progress, i, len(tasks))
            done = restorer.restore(y, physics, seed=seed, made_up=before, progress=part)
        except BigpriorError as error:
            raise error.of(f"step {i + 1}, {task}") from error
        if i > 0:  # its bound would take for known what is not
            said = {key: value for key, value in done.provenance.items() if key not in ("bound", "unbounded")}
            done = replace(done, bound=None, provenance=said)
        share, phi = with_step(done, share, phi)
        made_up = done.hallucinated if done.through is None else done.hallucinated + done.through
        image = done.restored
        steps.append(done)
        degradations.append(physics)
        shares.append(share)
    assert phi is not None
    return Chain(tuple(steps), tuple(degradations), _total(steps, made_up, phi, share), tuple(shares))


def made_as(restorers: Sequence[Restorer], tasks: Sequence[str]) -> dict[str, Any]:
    """What the record of a chain as a whole says of how it is made, as calibrations are looked for.

    Args:
        restorers: one a step.
        tasks: of the steps, degradations' names.
    """
    presets = {restorer.provenance.get("preset") for restorer in restorers}
    made: dict[str, Any] = {"preset": presets.pop() if len(presets) == 1 else None, "task": "+".join(tasks)}
    for what in ("weights", "settings"):
        made[what] = {
            f"{task} {name}": value
            for task, restorer in zip(tasks, restorers, strict=True)
            for name, value in restorer.provenance.get(what, {}).items()
        }
    for name in ("strength", "grain"):
        usual = {"strength": 1, "grain": None}[name]
        made[name] = next((v for r in restorers if (v := getattr(r, name)) != usual), usual)
    return made


def calibration_of(restorers: Sequence[Restorer], recipe: Recipe) -> tuple[Calibration | None, str | None]:
    """The calibration of a chain as a whole, or why there is none."""
    if any(restorer.rho is not None for restorer in restorers):
        return None, "no bound: chains are calibrated without --rho"
    return calibration_for(made_as(restorers, [task_of(step.task).name for step in recipe.step]))


def parts_of(chain: Chain) -> Parts:
    """A chain as bounds look at it: nothing is known exactly, since the first step may have changed it."""
    total, first, last = chain.total, chain.steps[0], chain.steps[-1]
    sigma = first.projection.codes.get("sigma", total.phi.new_zeros(1))
    free = torch.ones_like(total.phi[:, :1])
    return Parts(total.restored, last.fidelity, last.prior, total.phi, free, sigma.to(total.phi))


def _bounded(chain: Chain, calibration: Calibration) -> Chain:
    beside = tuple(name for physics in chain.degradations for name in physics.beside)
    bound = replace(calibration.of(parts_of(chain)), beside=beside)
    said = chain.total.provenance | {"bound": bound.record()}
    return replace(chain, total=replace(chain.total, bound=bound, provenance=said))


def with_step(done: Restoration, share: float, phi: Tensor | None) -> tuple[float, Tensor]:
    """What is made up after one more step: of the variance, and of each pixel, ``1 - prod (1 - phi)``.

    Args:
        done: the step.
        share, phi: the same before it; None before the first.
    """
    own = done.phi.mean(dim=1, keepdim=True)
    joined = own if phi is None else 1 - (1 - own) * (1 - _as_large(phi, own))
    return _share(done, phi, share), joined


def _share(done: Restoration, phi: Tensor | None, share: float) -> float:
    """What is made up after a step: its own share, and of what it kept as much as had been made up there.

    Args:
        done: the step.
        phi: the shares of each pixel before it, (1, 1, H, W).
        share: of the variance of the picture before it.
    """
    own = done.mean_share
    if phi is None:
        return own
    energy = (done.restored - centre(done.restored)).square().mean(dim=1, keepdim=True)
    kept = (1 - done.phi.mean(dim=1, keepdim=True)) * energy
    # As far as pixels tell where what was made up before was kept: in proportion to where it was.
    before = _as_large(phi, kept)
    there, everywhere = (float((weight * before).sum() / weight.sum().clamp_min(1e-12)) for weight in (kept, energy))
    was = min(1.0, share * there / everywhere) if everywhere > 0 else share
    return own + (1 - own) * was


def _as_large(x: Tensor, like: Tensor) -> Tensor:
    return x if x.shape[2:] == like.shape[2:] else torch.nn.functional.interpolate(x, size=like.shape[2:])


def _total(steps: Sequence[Restoration], made_up: Tensor, phi: Tensor, share: float) -> Restoration:
    last = steps[-1]
    measured = last.restored - made_up
    return Restoration(
        restored=measured + made_up,
        fidelity=_as_large(steps[0].fidelity, last.restored),
        prior=last.prior,
        measured=measured,
        hallucinated=made_up,
        phi=phi,
        bands=(phi,),
        share=torch.tensor([share]),
        measurement=steps[0].measurement,
        projection=Projection(last.prior),
        task=TASK,
        provenance={"task": TASK, "seed": last.provenance["seed"]},
    )


def check_chain(photo: Path, recipe: Recipe, folder: Path, output: Output, page: int | None = None) -> None:
    """Refuse what cannot be restored before any network is loaded; nothing is written.

    Raises:
        BigpriorError: a step cannot be made, and is named, or the chain cannot be signed.
    """
    if output.sign is not None:
        raise SettingsError("a chain of restorations cannot be signed yet: leave --sign out")
    for i, step in enumerate(recipe.step, start=1):
        try:
            task_of(step.task).from_settings(step.settings)
            check(Job(photo, step.task, step.settings, folder, output=output, page=page))
        except BigpriorError as error:
            raise error.of(f"step {i}, {step.task}") from error


def run_chain(
    photo: Path,
    recipe: Recipe,
    folder: Path,
    restorers: Sequence[Restorer],
    *,
    output: Output | None = None,
    page: int | None = None,
    seed: int = 0,
    calibration: Calibration | None = None,
    progress: Progress | None = None,
) -> Chain:
    """Restore a photograph step by step, and save the whole in a folder, each step's results in one of its own in it.

    Raises:
        BigpriorError: as :func:`check_chain` and :func:`follow`.
    """
    output = output or Output()
    check_chain(photo, recipe, folder, output, page)
    picture = read_picture(photo, page)
    how_made: dict[str, Any] = {"seed": seed, "calibration": calibration, "progress": progress}
    chain = follow(picture, recipe, restorers, photo=photo, **how_made)
    how: dict[str, Any] = {field.name: getattr(output, field.name) for field in fields(output)}
    how |= {"overwrite": False, "bits": output.bits(photo.suffix, picture.bits), "suffix": photo.suffix}
    named = [f"{i}-{step.task}" for i, step in enumerate(chain.steps, start=1)]
    said = [
        {"folder": name, "task": step.task, "settings": settings_said(asked.settings), "made_up": step.mean_share}
        | {"total": total}
        for name, step, asked, total in zip(named, chain.steps, recipe.step, chain.shares, strict=True)
    ]
    coloured = any(physics.colours or physics.stored_grey for physics in chain.degradations)
    keeps = all(physics.keeps_alpha for physics in chain.degradations)
    with appearing(folder, replace=output.overwrite) as place:
        whole = place / "whole"
        chain.total.save(
            whole,
            alpha=picture.alpha if keeps and chain.total.restored.shape[2:] == picture.image.shape[2:] else None,
            profile=picture.profile if not (coloured and picture.is_grey) else None,
            grey=picture.is_grey and not coloured,
            metadata=picture.metadata,
            said={"input": source_of(photo, page).model_dump(), "chain": said},
            photo=photo,
            **how,
        )
        for file in whole.iterdir():
            file.rename(place / file.name)
        whole.rmdir()
        for name, step, physics, asked in zip(named, chain.steps, chain.degradations, recipe.step, strict=True):
            beside, settings = physics.shown(), {"settings_of_task": settings_said(asked.settings)}
            grey = picture.is_grey and not coloured
            step.save(place / name, beside=beside, said=settings, grey=grey, **how)
    return chain

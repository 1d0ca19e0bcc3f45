"""How commands restore photographs step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigprior.cli.batches import is_batch
from bigprior.cli.options import Choices, level_of
from bigprior.cli.restoring import folders
from bigprior.cli.terminal import OUT, progress_of, working
from bigprior.errors import SettingsError

if TYPE_CHECKING:
    from bigprior.recipe import Recipe


def denoised_first(photos: Sequence[Path], how: Choices, sigma: str, noise: str, task: str, **step: Any) -> None:
    """Remove noise of ``sigma`` from photos, a level of 255 or ``auto``, then do a task.

    Args:
        photos, how: as for :func:`follow_recipe`.
        sigma: what the command line was told.
        noise: the task of the first step.
        task: of the second step, by its name; its folders are named by it.
        step: what else that step is told; ``settings`` of a photo are asked of a function.

    Raises:
        SettingsError: no such level.
    """
    from bigprior.recipe import Recipe, Step

    settings_of, prior = step.pop("settings"), None if how.prior is None else str(how.prior)
    told = {} if sigma == "auto" else {"sigma": level_of(sigma)}
    first = Step(task=noise, settings=told, preset=how.preset)

    def recipe(photo: Path) -> Recipe:
        second = Step(task=task, settings=dict(settings_of(photo)), preset=how.preset, prior=prior, **step)
        return Recipe(step=(first, second))

    follow_recipe(photos, how, recipe, task)


def follow_recipe(
    photos: Sequence[Path], how: Choices, recipe_of: Callable[[Path], Recipe], name: str = "restored"
) -> None:
    """Restore photos by a recipe, each into a folder of its own, and say how it went.

    Args:
        photos: their files.
        how: what all tasks can be told; what is of one restoration alone is refused.
        recipe_of: the steps of a photo; their networks are the same for all.
        name: of the folders, behind the photo's.

    Raises:
        SettingsError: an option that says nothing to a chain.
    """
    if is_batch(photos, how):
        raise SettingsError("a chain is of photographs that are named one by one: leave folders and batch options out")
    plain = Choices()
    for option in ("steps", "budget", "paper", "vgg", "samples", "max_hallucination", "keep", "paint", "calibration"):
        if getattr(how, option) != getattr(plain, option):
            raise SettingsError(f"--{option.replace('_', '-')} is of one restoration, not of a chain: leave it out")
    output, placed = how.written(), folders(photos, how.output, name)
    recipes = [recipe_of(photo) for photo, _ in placed]
    with working("reading"):
        from bigprior.chain import calibration_of, check_chain, run_chain

        for (photo, folder), recipe in zip(placed, recipes, strict=True):
            check_chain(photo, recipe, folder, output, how.page)
    with working("loading"):
        from bigprior.ops.devices import device_of
        from bigprior.presets.loading import load_restorer

        device = device_of(how.device)
        restorers = [
            load_restorer(
                *(step.preset, step.task),
                **step.model_dump(include={"rho", "frame", "strength", "grain", "prior"}),
                trusted=how.trust_prior,
                device=device,
            )
            for step in recipes[0].step
        ]
        calibration, unbounded = calibration_of(restorers, recipes[0])
    for (photo, folder), recipe in zip(placed, recipes, strict=True):
        with progress_of(name if len(placed) == 1 else photo.name) as progress:
            chain = run_chain(
                *(photo, recipe, folder, restorers),
                output=output,
                page=how.page,
                seed=how.seed or 0,
                calibration=calibration,
                progress=progress,
            )
        for step, total in zip(chain.steps, chain.shares, strict=True):
            OUT.print(f"{step.task}: {step.mean_share:.0%} made up, {total:.0%} with what was before", soft_wrap=True)
        OUT.print(f"{photo}: {chain.total.mean_share:.0%} made up -> {folder}", soft_wrap=True)
        if said := unbounded if chain.total.bound is None else chain.total.bound.verdict():
            OUT.print(said, soft_wrap=True)

"""``bigprior restore`` and ``demo``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from bigprior import DEFAULT_PRESET
from bigprior.cli.options import Device, FrameName, Preset, Rho, Seed, Steps, Task, Vgg
from bigprior.cli.terminal import OUT, progress_of, working
from bigprior.errors import MaskError, OutputError, SettingsError

if TYPE_CHECKING:
    from bigprior.io.pictures import Picture
    from bigprior.restoration import Restoration

#: A noise level, of 255, below which a person would hardly ask for it to be removed.
_HARDLY_ANY = 2.0


@dataclass(frozen=True)
class _Job:
    """One picture to restore: its file, that of its mask, and the folder of the results."""

    photo: Path
    mask: Path | None
    folder: Path


def restore(
    photos: Annotated[
        list[Path],
        typer.Argument(
            metavar="PHOTO", help="PNG, TIFF, JPEG or WebP; 8 or 16 bits; grey, RGB, with alpha. One or several."
        ),
    ],
    task: Annotated[Task, typer.Option(help="What is wrong with it.")],
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Inpainting: white = known, black = hole, the photo's size. Of several photos: one for all, or a "
            "folder with one of the same name for each."
        ),
    ] = None,
    find_hole: Annotated[
        bool, typer.Option(help="Inpainting without a mask: black pixels are taken for the hole.")
    ] = False,
    sigma: Annotated[float | None, typer.Option(help="Noise level on the 0..255 scale, if known; else blind.")] = None,
    preset: Preset = DEFAULT_PRESET,
    steps: Steps = None,
    budget: Annotated[
        str | None, typer.Option(help="Time that an inversion may take: 2s, 500ms or 1min. Fewer steps are made.")
    ] = None,
    paper: Annotated[bool, typer.Option(help="Invert with the paper's own settings (slow).")] = False,
    vgg: Vgg = None,
    frame: FrameName = None,
    rho: Rho = None,
    seed: Seed = 0,
    device: Device = "cpu",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for the results; of several photos, one folder each in it."),
    ] = None,
) -> None:
    """Restore pictures; write each with its layers, the phi map, a panel and how it was made."""
    if mask is not None and task is not Task.inpaint:
        raise SettingsError(f"--mask goes with --task inpaint, not {task.value}: leave it out")
    if find_hole and (mask is not None or task is not Task.inpaint):
        raise SettingsError("--find-hole goes with --task inpaint and no --mask: leave it out")
    if rho is not None and mask is not None:
        raise SettingsError("--rho weighs what phi finds; with --mask phi is known: leave it out")
    if task is Task.inpaint and mask is None and not find_hole:
        raise MaskError("inpainting needs to know the hole: pass --mask FILE, or --find-hole if the hole is black")
    if sigma is not None and task is not Task.denoise:
        raise SettingsError(f"--sigma goes with --task denoise, not {task.value}: leave it out")
    if sigma is not None and not 0 < sigma <= 255:
        raise SettingsError(f"--sigma is {sigma:g}: expected a noise level above 0, up to 255")

    with working("loading"):
        from bigprior.presets.loading import load_restorer

        jobs = [_Job(photo, _mask_of(photo, mask), folder) for photo, folder in _folders(photos, output)]
        for job in jobs:  # nothing is written if one of them cannot be read
            read = _measured(job, task, sigma)
        where = _device(device)
        options: dict[str, Any] = {"steps": steps, "paper": paper, "vgg": vgg, "frame": frame, "rho": rho}
        options["budget_s"] = None if budget is None else _seconds(budget)
        restorer = load_restorer(preset, task.degradation, **options, device=where)
    for job in jobs:
        picture, degradation, y = read if len(jobs) == 1 else _measured(job, task, sigma)
        with progress_of(task.value if len(jobs) == 1 else job.photo.name) as progress:
            result = restorer.restore(y.to(where), degradation.to(where), seed=seed, progress=progress)
        _save(result, job.folder, picture, job.photo.suffix)
        OUT.print(f"{result!r} -> {job.folder}", soft_wrap=True)
        if result.provenance.get("noise") == "found":
            level = 255 * result.provenance["sigma"][0]
            hint = "" if level >= _HARDLY_ANY else ", hardly any: pass --sigma if you see more"
            OUT.print(f"noise found: sigma {level:.1f} of 255{hint}")
        if picture.bits == 16:
            OUT.print("16 bits a channel, as the photo")


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path("bigprior-demo"),
    preset: Preset = DEFAULT_PRESET,
    steps: Steps = None,
    seed: Seed = 0,
) -> None:
    """Denoise, colorize and inpaint a photograph that scikit-image carries (coffee, CC0), and show how it went."""
    with working("loading"):
        from bigprior.evaluation.protocols.demo import run_demo
    table = Table("task", "mean phi", "dB measured", "dB prior", "dB restored", "seconds", title="bigprior demo")
    for row in run_demo(output, preset=preset, steps=steps, seed=seed, progress=progress_of):
        decibels = [f"{row[k]:.2f}" for k in ("fidelity", "prior", "restored")]
        table.add_row(str(row["task"]), f"{row['mean_phi']:.2f}", *decibels, f"{row['seconds']:.1f}")
    OUT.print(table)
    OUT.print(f"pictures are in {output.resolve()}", soft_wrap=True)


def _folders(photos: list[Path], output: Path | None) -> list[tuple[Path, Path]]:
    """Each photo, and the folder of its results: beside it, or in ``output``."""
    found: dict[Path, Path] = {}
    for photo in photos:
        folder = photo.parent / f"{photo.stem}-restored" if output is None else output
        if output is not None and len(photos) > 1:
            folder = output / photo.stem
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file: pass a folder with -o")
        if folder in found:
            raise OutputError(f"{found[folder]} and {photo} would both be written to {folder}: restore them apart")
        found[folder] = photo
    return [(photo, folder) for folder, photo in found.items()]


def _mask_of(photo: Path, mask: Path | None) -> Path | None:
    """The mask of a photo: the one that is for all, or that of its name in a folder."""
    if mask is None or not mask.is_dir():
        return mask
    found = sorted(path for path in mask.iterdir() if path.stem == photo.stem and path.is_file())
    if len(found) != 1:
        raise MaskError(f"{mask} holds {len(found)} masks called {photo.stem}: expected one for {photo.name}")
    return found[0]


def _measured(job: _Job, task: Task, sigma: float | None) -> tuple[Picture, Any, Any]:
    """A picture as read, how it was degraded, and the measurement ``y``."""
    from bigprior.degradations import degradation
    from bigprior.io.pictures import read_mask, read_picture

    picture, settings = read_picture(job.photo), dict[str, Any]()
    if task is Task.denoise:
        settings["sigma"] = sigma / 255 if sigma else None
    if task is Task.inpaint:
        settings["mask"] = None if job.mask is None else read_mask(job.mask)
    physics = degradation(task.degradation, **settings)
    if job.mask is not None:
        physics.check(picture.image)
    known_as_it_is = task is Task.denoise or (task is Task.inpaint and job.mask is None)
    return picture, physics, picture.image if known_as_it_is else physics.f(picture.image)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?) *(ms|s|min)?", text.strip())
    if found is None:
        raise SettingsError(f"--budget is {text!r}: expected a time such as 2s, 500ms or 1min")
    return float(found[1]) * {"ms": 1e-3, "s": 1.0, None: 1.0, "min": 60.0}[found[2]]


def _device(name: str) -> Any:
    import torch

    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(
            f"device is {name!r}: not usable here ({str(error).splitlines()[0]}); cpu always is"
        ) from None


def _save(result: Restoration, folder: Path, picture: Picture, suffix: str) -> None:
    from bigprior.report.folder import save_restoration

    lossless = suffix.lower() if suffix.lower() in (".png", ".tif", ".tiff") else ".png"
    grey = picture.is_grey and result.task != "colorization"
    profile = picture.profile if grey == picture.is_grey else None  # a grey picture's says nothing of colours
    kept: dict[str, Any] = {"bits": picture.bits, "alpha": picture.alpha, "profile": profile}
    save_restoration(result, folder, **kept, suffix=lossless, grey=grey)

"""What can be measured of a prior and a restorer, by name. Figures come as ``{method: {metric: mean}}``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bigprior import DEFAULT_PRESET
from bigprior.degradations import Denoising
from bigprior.degradations.simulation import simulate
from bigprior.errors import SettingsError, UnknownNameError
from bigprior.evaluation.ablations import ablation_table
from bigprior.evaluation.figure7 import correlations
from bigprior.evaluation.frames import frame_figures
from bigprior.evaluation.frechet import frechet_distance, vgg_features
from bigprior.evaluation.metrics import METRICS, psnr
from bigprior.evaluation.plots import gallery_figure
from bigprior.evaluation.tables import Rows, means, picture_rows
from bigprior.io.folders import list_pictures, load_set, load_square
from bigprior.presets.loading import load_prior, load_restorer
from bigprior.presets.store import embedded, load_part
from bigprior.priors.anysize import for_any_size
from bigprior.priors.base import Prior
from bigprior.priors.diffusion import DiffusionPrior, DiffusionSettings
from bigprior.priors.gan import GANPrior, InversionSettings
from bigprior.progress import Progress, part_of
from bigprior.report.folder import save_figure


@dataclass(frozen=True)
class Request:
    """What to measure on.

    Attributes:
        data: folder of pictures.
        index: first and last of them, both included; all by default.
        preset: the prior and the phi networks; by default the embedded generator for what is measured at a generator's
            own size, and the package's default elsewhere.
        steps: of the inversion, in place of the preset's; of the ablations' trainings.
        prior_dir: priors computed elsewhere, in place of the preset's.
        phi: a phi network in place of the preset's.
        vgg: local VGG-16 trunk.
        baselines: which to run in a table; all that are installed and not slow by default.
        dncnn: folder of trained networks, ``dncnn-TASK.safetensors``, for a table's row of that name.
        lines: where a table keeps one JSON line a picture and method, from which it can go on.
        folder: where files go that a measurement makes: the gallery's pictures, the ablations' trainings.
    """

    data: Path
    index: tuple[int, int] | None = None
    preset: str | None = None
    steps: int | None = None
    prior_dir: Path | None = None
    phi: Path | None = None
    vgg: Path | None = None
    baselines: tuple[str, ...] | None = None
    dncnn: Path | None = None
    lines: Path | None = None
    folder: Path | None = None


#: One protocol for each task, where a table has several.
_SIMPLEST = {"denoising": "denoising", "inpainting": "inpainting-centre", "colorization": "colorization"}
#: What each task is scored by.
_METRICS: dict[str, tuple[str, ...]] = dict.fromkeys(("denoising", "inpainting"), ("psnr", "ssim", "lpips"))
_METRICS["colorization"] = ("auc", "psnr", "ssim", "lpips")
#: What the gallery shows, by the name of the file: task and protocol.
_GALLERY = {
    "denoising": ("denoising", "denoising"),
    "inpainting-centre": ("inpainting", "inpainting-centre"),
    "inpainting-boxes": ("inpainting", "inpainting-boxes"),
    "colorization": ("colorization", "colorization"),
}
#: Nested figures: names down to numbers.
Results = dict[str, Any]
Evaluation = Callable[["Request", Progress], Results]


def inversion(request: Request, progress: Progress) -> Results:
    """How well the generator reaches undegraded pictures at its own size, with the paper's 30 codes in 600 steps."""
    preset = load_prior(request.preset or embedded("gan"), "denoising").prior
    if not isinstance(preset, GANPrior):
        raise SettingsError(f"preset {request.preset} holds no generator to invert: pass one that does, such as rooms")
    # The preset's settings go with its encoder; from random codes, the defaults.
    prior = GANPrior(preset.generator, InversionSettings(codes=30, steps=request.steps or 600))
    truth = load_set(request.data, request.index, prior.resolution).images
    # No degradation and no noise to stop at: the plain distance of photographs from the generator's range.
    image = prior.project(Denoising().measure(truth), progress=progress).image
    return {"prior": _scores(image, truth, ("psnr", "ssim", "lpips"))}


def tasks(request: Request, progress: Progress) -> Results:
    """The three tasks at the generator's own size: the fidelity term, the prior, and their fusion."""
    protocols = _SIMPLEST | {"denoising": "denoising-25"}
    name = request.preset or embedded("gan")
    pictures = load_set(request.data, request.index, load_prior(name, "denoising").prior.resolution)
    results: Results = {}
    for done, (task, protocol) in enumerate(protocols.items()):
        restorer = load_restorer(name, task, steps=request.steps)
        y, physics = simulate(protocol, pictures.images, pictures.names)
        result = restorer.restore(y, physics, progress=part_of(progress, done, len(protocols)))
        rows = {"input": result.fidelity, "prior": result.prior, "ours": result.restored}
        results[task] = {row: _scores(image, pictures.images, _METRICS[task]) for row, image in rows.items()}
        results[task]["ours"]["mean_phi"] = result.mean_phi
    return results


def _rows(task: str, protocol: str, request: Request, progress: Progress) -> Rows:
    return picture_rows(
        task,
        protocol,
        _METRICS[task],
        data=request.data,
        index=request.index,
        preset_name=request.preset or DEFAULT_PRESET,
        steps=request.steps,
        prior_dir=request.prior_dir,
        phi=request.phi,
        baselines=request.baselines,
        dncnn=request.dncnn,
        lines=request.lines,
        progress=progress,
    )


def _table(task: str, protocol: str, summary: str) -> Evaluation:
    def table(request: Request, progress: Progress) -> Results:
        return means(_rows(task, protocol, request, progress))

    table.__doc__ = summary
    return table


table2 = _table("colorization", "colorization", "Table II: colorization.")
table3 = _table("inpainting", "inpainting-centre", "Table III: a hole of 64x64 in the centre.")
table4 = _table("inpainting", "inpainting-boxes", "Table IV: two to four random boxes.")
table5 = _table("denoising", "denoising", "Table V: blind noise, sigma 5 to 50.")


def figure7(request: Request, progress: Progress) -> Results:
    """Figure 7: how the mean of ``phi`` goes with the noise and with the prior's PSNR, in blind denoising.

    It costs nothing after Table V, with that table's lines.
    """
    rows = _rows("denoising", "denoising", replace(request, baselines=()), progress)
    return correlations(rows, "denoising")


def gallery(request: Request, progress: Progress) -> Results:
    """Figures 2 to 6: a picture a task that shows what was measured, the prior, ``phi``, and what came of it."""
    folder = _folder(request, "gallery")
    pictures, results = load_set(request.data, request.index), dict[str, Any]()
    for done, (name, (task, protocol)) in enumerate(_GALLERY.items()):
        restorer, rows = load_restorer(request.preset or DEFAULT_PRESET, task, steps=request.steps), []
        for i, picture in enumerate(pictures.names):
            x = pictures.images[i : i + 1]
            y, physics = simulate(protocol, x, [picture])
            rows.append((restorer.restore(y, physics), x))
            progress(done * len(pictures) + i + 1, len(_GALLERY) * len(pictures))
        save_figure(gallery_figure(rows), folder / f"{name}.png")
        results[name] = {n: float(psnr(r.restored, x)) for n, (r, x) in zip(pictures.names, rows, strict=True)}
    return results


def ablations(request: Request, progress: Progress) -> Results:
    """What the phi network's parts are worth, on precomputed colorization priors: see :func:`ablation_table`."""
    if request.prior_dir is None or request.index is None or request.index[0] == 0:
        raise SettingsError("ablations need --prior-dir FOLDER, and --index A-B with A > 0: pictures before A train")
    folder = _folder(request, "ablations")
    return ablation_table(
        request.data, request.prior_dir, request.index, folder, steps=request.steps, progress=progress
    )


def samplers(request: Request, progress: Progress) -> Results:
    """Every way of asking a denoiser, on every task: ``{task: {sampler: {metric: mean}}}``, the prior alone.

    Four samples are averaged where a sampler draws, once, so that a line ``posterior x4`` stands beside a single one. A
    first line, ``preset``, is the preset's own way, with the networks beside its denoiser.
    """
    ways: dict[str, dict[str, Any] | None] = {
        "preset": None,
        "mean": {"sampler": "mean"},
        "posterior": {"sampler": "posterior"},
        "posterior x4": {"sampler": "posterior", "samples": 4},
        "ddrm": {"sampler": "ddrm"},
        "diffpir": {"sampler": "diffpir"},
        "dps": {"sampler": "dps", "steps": 100},
    }
    preset = request.preset or embedded("diffusion")
    pictures, denoiser = load_set(request.data, request.index), load_part(preset, "denoiser")
    results: Results = {}
    for i, (task, protocol) in enumerate(_SIMPLEST.items()):
        y, physics = simulate(protocol, pictures.images, pictures.names)
        results[task] = {}
        for j, (name, settings) in enumerate(ways.items()):
            if name == "ddrm" and task == "colorization":
                continue  # deepinv's needs a decomposition that its own Decolorize does not give
            steps: dict[str, Any] = {} if request.steps is None or name in ("mean", "dps") else {"steps": request.steps}
            prior: Prior
            if settings is None:
                prior = load_prior(preset, task).prior
            else:
                prior = DiffusionPrior(denoiser, DiffusionSettings(**settings, **steps))
            began = time.perf_counter()
            m = physics.measure(y)
            image = for_any_size(prior, physics.placement).project(m).image
            seconds = (time.perf_counter() - began) / len(y)
            scores = _scores(m.consistent(image), pictures.images, _METRICS[task])
            results[task][name] = scores | {"seconds": seconds}
            progress(i * len(ways) + j + 1, len(_SIMPLEST) * len(ways))
    return results


def generator(request: Request, progress: Progress) -> Results:
    """How near the generator's own pictures are to photographs, and whether it copies them.

    ``frechet``: distance of 5,000 samples from the photographs on VGG-16 conv3_3 features; for scale, that of one
    random half of the photographs from the other. ``nearest``: for eight samples, and for scale eight photographs, the
    median distance to the nearest (other) photograph in the same features; a generator that copies is far below.
    """
    network = load_part(request.preset or embedded("gan"), "generator")
    paths = list_pictures(request.data, request.index)
    real = vgg_features(load_square(paths, network.resolution), request.vgg, part_of(progress, 0, 2))
    codes = torch.randn(5000, network.z_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        samples = torch.cat([network(z).clamp(0, 1).mul(255).round().byte() for z in codes.split(100)])
    fake = vgg_features(samples, request.vgg, part_of(progress, 1, 2))
    real = real[torch.randperm(len(real), generator=torch.Generator().manual_seed(0))]
    half = len(real) // 2
    nearest = {"prior": torch.cdist(fake[:8], real).amin(1), "photographs": torch.cdist(real[:8], real[8:]).amin(1)}
    return {
        "prior": {"frechet": frechet_distance(fake, real), "nearest": float(nearest["prior"].median())},
        "photographs": {
            "frechet": frechet_distance(real[:half], real[half:]),
            "nearest": float(nearest["photographs"].median()),
        },
    }


def frames(request: Request, progress: Progress) -> Results:
    """What is made up, and what it buys, in pixels and in each task's natural frame: one prior, two fusions."""
    return frame_figures(request.data, request.index, request.preset or DEFAULT_PRESET, progress)


#: Every evaluation by name.
EVALUATIONS: dict[str, Evaluation] = {
    "inversion": inversion,
    "tasks": tasks,
    "table2": table2,
    "table3": table3,
    "table4": table4,
    "table5": table5,
    "figure7": figure7,
    "gallery": gallery,
    "ablations": ablations,
    "generator": generator,
    "samplers": samplers,
    "frames": frames,
}


def evaluation(name: str) -> Evaluation:
    """The evaluation called ``name``.

    Raises:
        UnknownNameError: no such evaluation.
    """
    if name not in EVALUATIONS:
        raise UnknownNameError("evaluation", name, list(EVALUATIONS))
    return EVALUATIONS[name]


def _scores(image: Tensor, truth: Tensor, metrics: Sequence[str]) -> dict[str, float]:
    return {name: float(METRICS[name](image, truth).mean()) for name in metrics}


def _folder(request: Request, name: str) -> Path:
    if request.folder is None:
        raise SettingsError(f"{name} makes files: pass a folder for them with -o")
    return request.folder

"""Measurements of priors alone: how far they reach, how they are best asked, whether they copy."""

from __future__ import annotations

import time
from typing import Any

import torch

from bigprior.degradations import Denoising
from bigprior.degradations.simulation import simulate
from bigprior.errors import SettingsError
from bigprior.evaluation.frechet import frechet_distance, vgg_features
from bigprior.evaluation.protocols.request import Request, Results, mean_scores
from bigprior.io.folders import list_pictures, load_set, load_square
from bigprior.presets.loading import load_prior
from bigprior.presets.store import embedded, load_part
from bigprior.priors.anysize import for_any_size
from bigprior.priors.base import Prior
from bigprior.priors.diffusion import DiffusionPrior, DiffusionSettings
from bigprior.priors.gan import GANPrior, InversionSettings
from bigprior.progress import Progress, part_of

#: One protocol for each task.
_PROTOCOLS = {"denoising": "denoising", "inpainting": "inpainting-centre", "colorization": "colorization"}


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
    return {"prior": mean_scores(image, truth, ("psnr", "ssim", "lpips"))}


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
    for i, (task, protocol) in enumerate(_PROTOCOLS.items()):
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
            scores = mean_scores(m.consistent(image), pictures.images, physics.metrics)
            results[task][name] = scores | {"seconds": seconds}
            progress(i * len(ways) + j + 1, len(_PROTOCOLS) * len(ways))
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

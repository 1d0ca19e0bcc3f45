"""``bigprior train ...``."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from bigprior import DEFAULT_PRESET
from bigprior.cli.options import Index, Precision, Preset, Seed, Task, Vgg, index_of
from bigprior.cli.terminal import OUT, progress_of, working
from bigprior.errors import SettingsError

train = typer.Typer(help="Train a generative prior, or the network that weighs it.", no_args_is_help=True)

Photographs = Annotated[Path, typer.Option(help="Folder of training photographs.")]
Known = Annotated[Path, typer.Option(help="Folder of pictures whose truth is known.")]
RunFolder = Annotated[Path, typer.Option(help="The run's folder; the same command again resumes it.")]
Learned = Annotated[str, typer.Option(help="Pictures to learn from: A-B, both included.")]
Chosen = Annotated[str, typer.Option(help="Pictures to choose the weights on.")]


class Kind(StrEnum):
    """What a prior is made of."""

    gan = "gan"
    diffusion = "diffusion"


@train.command("prior")
def train_prior(
    data: Photographs,
    out: RunFolder,
    index: Index = "",
    kind: Annotated[Kind, typer.Option(help="A generator with a projected discriminator, or a denoiser.")] = Kind.gan,
    resolution: Annotated[
        int | None, typer.Option(help="Side that the photographs are read at: 64 for a GAN, 256 for a denoiser.")
    ] = None,
    kimg: Annotated[float, typer.Option(help="Thousands of images to see.")] = 400.0,
    batch: Annotated[
        int | None, typer.Option(help="Images a step: 32 of a GAN, 4 crops of 128 pixels of a denoiser.")
    ] = None,
    alone: Annotated[
        int | None,
        typer.Option(help="Of a denoiser, by several processes: steps of each between two means of the weights."),
    ] = None,
    told: Annotated[
        float | None,
        typer.Option(help="Of a denoiser: share of the steps that learn colour and holes; the others learn noise."),
    ] = None,
    luminance: Annotated[
        float | None,
        typer.Option(help="Of a denoiser: share of those steps that learn colour; the others learn holes."),
    ] = None,
    native: Annotated[
        float | None,
        typer.Option(help="Of a denoiser: share of the steps at the photographs' size; others see sharper, smaller."),
    ] = None,
    recoloured: Annotated[
        float | None,
        typer.Option(help="Of a denoiser: share of the crops that learn noise in other, sharper colours."),
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Of a denoiser: step size; less to go on from trained weights.")
    ] = None,
    init: Annotated[Path | None, typer.Option(help="Weights to start from; a smaller generator's grow.")] = None,
    vgg: Vgg = None,
    precision: Precision = "fp32",
    seed: Seed = 0,
) -> None:
    """Train a generative prior. Interrupt it at will: the same command goes on."""
    common: dict[str, Any] = {"total_kimg": kimg, "precision": precision, "seed": seed}
    common |= {name: v for name, v in {"resolution": resolution, "batch": batch}.items() if v is not None}
    given = {"alone": alone, "told": told, "luminance": luminance}
    given |= {"native": native, "recoloured": recoloured, "lr": lr}
    of_denoiser: dict[str, Any] = {name: v for name, v in given.items() if v is not None}
    of_other = {Kind.gan: list(of_denoiser), Kind.diffusion: [] if vgg is None else ["vgg"]}
    for name in of_other[kind]:
        other = Kind.diffusion if kind is Kind.gan else Kind.gan
        raise SettingsError(f"--{name} goes with --kind {other.value}, not {kind.value}: leave it out")
    with working("loading"):
        if kind is Kind.gan:
            from bigprior.training.gan import PriorSettings
            from bigprior.training.gan import train_prior as train_gan

            train_it = partial(train_gan, settings=PriorSettings(**common), vgg=vgg)
        else:
            from bigprior.training.denoiser import DenoiserSettings, train_denoiser

            train_it = partial(train_denoiser, settings=DenoiserSettings(**common, **of_denoiser))
    _say_where(train_it(data, out, index=index_of(index), init=init))


@train.command("phi")
def train_phi(
    task: Annotated[Task, typer.Option(help="Which task's network.")],
    data: Known,
    out: RunFolder,
    index: Learned = "0-199",
    validation: Chosen = "200-249",
    preset: Preset = DEFAULT_PRESET,
    prior_dir: Annotated[
        Path | None, typer.Option(help="Priors computed elsewhere, one a picture, same names.")
    ] = None,
    inversion_steps: Annotated[
        int | None, typer.Option(help="Steps of the inversion, in place of the preset's.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="bands (phi of a frame's coefficients), unet (of pixels; sees y and the prior) or dncnn (the paper's, "
            "y alone); by default unet to find holes, bands elsewhere."
        ),
    ] = None,
    frame: Annotated[
        str | None, typer.Option(help="Of bands: pixel, wavelet or luminance; what is natural to the task by default.")
    ] = None,
    widths: Annotated[str, typer.Option(help="Channels of the U-Net's levels, finest first.")] = "24,48,96",
    channels: Annotated[int, typer.Option(help="Of the U-Net's phi: 1 a pixel, or 3, one a colour.")] = 1,
    shuffle: Annotated[int, typer.Option(help="Side of the blocks that the U-Net's finest level works on.")] = 1,
    crop: Annotated[int | None, typer.Option(help="Side of the random crops, in pixels; 64, or 256 for bands.")] = None,
    batch: Annotated[int | None, typer.Option(help="Crops a step; 16, or 4 for bands.")] = None,
    lr: Annotated[float, typer.Option(help="Peak step size.")] = 2e-3,
    steps: Annotated[int | None, typer.Option(help="Training steps; 3000, or 400 for bands.")] = None,
    rho: Annotated[float, typer.Option(help="Weight of what is made up (Eq. 14).")] = 1e-5,
    error: Annotated[
        str, typer.Option(help="Of the fused picture: l2, as in Eq. 14, l1, ab (colour), or ab+rms (both).")
    ] = "l2",
    init: Annotated[
        str, typer.Option(help="Weights to start from: torch, or he, which wants a smaller --lr.")
    ] = "torch",
    draws: Annotated[int, typer.Option(help="Measurements of each picture: other noise, other holes.")] = 1,
    precision: Precision = "fp32",
    seed: Seed = 0,
) -> None:
    """Train a phi network for a preset (Eq. 14). Inversions are kept in OUT/cache."""
    with working("loading"):
        from bigprior.degradations import DEGRADATIONS
        from bigprior.training.phi import PhiSettings
        from bigprior.training.recipes import train_phi_on_priors, train_task_phi

        network = network or ("unet" if task is Task.inpaint else "bands")
        of_bands = network == "bands"
        if frame is not None and not of_bands:
            raise SettingsError(f"--frame goes with --network bands, not {network}: leave it out")
        frame = frame or DEGRADATIONS[task.degradation].frame
        of_network: dict[str, dict[str, Any]] = {
            "bands": {"frame": frame, "rho": rho},
            "unet": {"widths": _numbers(widths), "channels": channels, "shuffle": shuffle},
            "dncnn": {"channels_in": 1 if task is Task.colorize else 3},
        }
        options: dict[str, Any] = {"error": error, "init": init, "precision": precision}
        settings = PhiSettings(
            network=network,
            network_settings=of_network.get(network, {}),
            rho=rho,
            steps=(400 if of_bands else 3000) if steps is None else steps,
            **options,
            batch=(4 if of_bands else 16) if batch is None else batch,
            crop_px=(256 if of_bands else 64) if crop is None else crop,
            lr=lr,
            seed=seed,
        )
    if prior_dir is not None:
        if task is not Task.colorize:
            raise SettingsError(f"--prior-dir goes with --task colorize, not {task.value}: leave it out")
        weights = train_phi_on_priors(data, prior_dir, index_of(index), index_of(validation), out, settings)
        _say_where(weights)
        return
    with progress_of("inversions") as progress:
        weights = train_task_phi(
            task.degradation,
            data,
            index_of(index),
            index_of(validation),
            out,
            preset,
            settings,
            steps=inversion_steps,
            draws=draws,
            progress=progress,
        )
    _say_where(weights)


@train.command("encoder")
def train_encoder(
    data: Photographs,
    out: RunFolder,
    index: Index = "",
    preset: Annotated[str, typer.Option(help="Whose generator is inverted.")] = "rooms",
    codes: Annotated[int, typer.Option(help="Codes of the inversions that it begins.")] = 15,
    layer: Annotated[int, typer.Option(help="Their composing layer.")] = 6,
    kimg: Annotated[float, typer.Option(help="Thousands of pictures to see.")] = 10.0,
    precision: Precision = "fp32",
    seed: Seed = 0,
) -> None:
    """Train an encoder: the start of a frozen generator's inversions, from the measurement alone."""
    with working("loading"):
        from bigprior.presets.store import load_part
        from bigprior.training.encoder import EncoderSettings
        from bigprior.training.encoder import train_encoder as train_it

        fields: dict[str, Any] = {"total_kimg": kimg, "precision": precision, "seed": seed}
        settings, generator = EncoderSettings(codes=codes, layer=layer, **fields), load_part(preset, "generator")
    _say_where(train_it(data, generator, out, settings, index=index_of(index)))


@train.command("colorizer")
def train_colorizer(
    data: Photographs,
    out: RunFolder,
    index: Index = "",
    kimg: Annotated[float, typer.Option(help="Thousands of pictures to see.")] = 50.0,
    seed: Seed = 0,
) -> None:
    """Train a colorizer: colours from what a frozen AlexNet sees in a grey picture, for a preset with a denoiser."""
    with working("loading"):
        from bigprior.training.colorizer import ColorizerSettings
        from bigprior.training.colorizer import train_colorizer as train_it

        settings = ColorizerSettings(total_kimg=kimg, seed=seed)
    _say_where(train_it(data, out, settings, index=index_of(index)))


@train.command("refiner")
def train_refiner(
    data: Photographs,
    out: RunFolder,
    index: Index = "",
    preset: Annotated[str, typer.Option(help="Whose denoiser's answers are refined.")] = DEFAULT_PRESET,
    pictures: Annotated[int, typer.Option(help="Photographs to learn from.")] = 400,
    native: Annotated[
        float, typer.Option(help="Share of them that are learned from at their size; the others are made smaller.")
    ] = 1.0,
    recoloured: Annotated[float, typer.Option(help="Share of them in other, sharper colours.")] = 0.0,
    kimg: Annotated[float, typer.Option(help="Thousands of crops to see.")] = 60.0,
    lr: Annotated[float, typer.Option(help="Peak step size; less to go on from trained weights.")] = 3e-3,
    init: Annotated[Path | None, typer.Option(help="Weights to start from.")] = None,
    seed: Seed = 0,
) -> None:
    """Train a refiner: a second look at what a denoiser answered, by similar patches, for a preset with a denoiser."""
    with working("loading"):
        from bigprior.presets.store import load_part
        from bigprior.training.refiner import RefinerSettings
        from bigprior.training.refiner import train_refiner as train_it

        settings = RefinerSettings(
            pictures=pictures, native=native, recoloured=recoloured, total_kimg=kimg, lr=lr, seed=seed
        )
        denoiser = load_part(preset, "denoiser")
    with progress_of("photographs") as progress:
        weights = train_it(data, denoiser, out, settings, index=index_of(index), init=init, progress=progress)
    _say_where(weights)


@train.command("dncnn")
def train_dncnn(
    task: Annotated[Task, typer.Option(help="Which task's network.")],
    data: Known,
    out: RunFolder,
    index: Learned = "0-199",
    validation: Chosen = "200-249",
    steps: Annotated[int, typer.Option(help="Training steps.")] = 360,
    crop: Annotated[int, typer.Option(help="Side of the random crops, in pixels.")] = 40,
    batch: Annotated[int, typer.Option(help="Crops a step.")] = 8,
    lr: Annotated[float, typer.Option(help="Peak step size.")] = 1e-3,
    seed: Seed = 0,
) -> None:
    """Train the paper's supervised competitor, which knows no prior, to stand beside ours in the tables."""
    with working("loading"):
        from bigprior.training.dncnn import DnCNNSettings
        from bigprior.training.dncnn import train_dncnn as train_it

        settings = DnCNNSettings(task=task.degradation, steps=steps, crop_px=crop, batch=batch, lr=lr, seed=seed)
    weights = train_it(data, index_of(index), index_of(validation), out, settings)
    _say_where(weights)


def _say_where(weights: Path) -> None:
    OUT.print(f"weights: {weights}", soft_wrap=True)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise SettingsError(f"widths are {text!r}: expected whole numbers with commas, such as 24,48,96") from None

"""The command line: thin, no science. Torch is imported by the commands that need it, never for ``--help``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bigprior import DEFAULT_PRESET
from bigprior.errors import BigpriorError, MaskError, OutputError, SettingsError

if TYPE_CHECKING:
    from bigprior.restoration import Restoration

app = typer.Typer(
    help="Restore pictures, and see pixel by pixel what was measured and what was made up.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
train = typer.Typer(help="Train a generative prior, or the network that weighs it.", no_args_is_help=True)
priors = typer.Typer(help="The priors that can be named with --preset.", no_args_is_help=True)
app.add_typer(train, name="train")
app.add_typer(priors, name="priors")

#: The parser's own errors, of which typer only names this child.
_UsageError: Any = typer.BadParameter.__mro__[1]

_OUT = Console()
_ERR = Console(stderr=True)


class Task(StrEnum):
    """What is wrong with the picture."""

    denoise = "denoise"
    colorize = "colorize"
    inpaint = "inpaint"

    @property
    def degradation(self) -> str:
        """The degradation's name in the library."""
        return {"denoise": "denoising", "colorize": "colorization", "inpaint": "inpainting"}[self.value]


Preset = Annotated[str, typer.Option(help="A prior by name; `bigprior priors list` shows them.")]
Steps = Annotated[int | None, typer.Option(help="Steps of the inversion, in place of the preset's.")]
Seed = Annotated[int, typer.Option(help="Of the inversion's start; the same seed gives the same picture.")]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1, mps.")]
Precision = Annotated[str, typer.Option(help="fp32, or bf16: faster where the processor multiplies in it.")]
FrameName = Annotated[
    str | None,
    typer.Option("--frame", help="What to fuse: pixel, wavelet or luminance; by default what the preset has."),
]
Rho = Annotated[
    float | None,
    typer.Option(help="Weight of what is made up: 0 is the most accurate picture, 1e-2 holds on to the measurement."),
]
Vgg = Annotated[Path | None, typer.Option(help="VGG-16 trunk as safetensors; torchvision's own by default.")]


@app.command()
def restore(
    photo: Annotated[Path, typer.Argument(help="PNG, TIFF, JPEG or WebP; 8 or 16 bits; grey, RGB, with alpha.")],
    task: Annotated[Task, typer.Option(help="What is wrong with it.")],
    mask: Annotated[
        Path | None, typer.Option(help="Inpainting: white = known, black = hole, the photo's size.")
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
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder for the results.")] = None,
) -> None:
    """Restore one picture; write it with its layers, the phi map, a panel and how it was made."""
    if mask is not None and task is not Task.inpaint:
        raise SettingsError(f"--mask goes with --task inpaint, not {task.value}: leave it out")
    if task is Task.inpaint and mask is None and not find_hole:
        raise MaskError("inpainting needs to know the hole: pass --mask FILE, or --find-hole if the hole is black")
    if sigma is not None and task is not Task.denoise:
        raise SettingsError(f"--sigma goes with --task denoise, not {task.value}: leave it out")
    if sigma is not None and not 0 < sigma <= 255:
        raise SettingsError(f"--sigma is {sigma:g}: expected a noise level above 0, up to 255")
    folder = output or photo.with_name(f"{photo.stem}-restored")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file: pass a folder with -o")

    with _working("loading"):
        from bigprior.images import read_mask, read_picture
        from bigprior.zoo import load_restorer

        picture = read_picture(photo)
        known = read_mask(mask) if mask is not None else None
        where = _device(device)
        options: dict[str, Any] = {"steps": steps, "paper": paper, "vgg": vgg, "frame": frame, "rho": rho}
        options["budget_s"] = None if budget is None else _seconds(budget)
        restorer = load_restorer(preset, task.degradation, **options, device=where)
    degradation = _degradation(task, known, sigma)
    if known is not None:
        degradation.check(picture.image)
    y = picture.image if task is not Task.colorize and known is None else degradation.f(picture.image)
    with _progress(task.value) as progress:
        result = restorer.restore(y.to(where), degradation.to(where), seed=seed, progress=progress)
    _save(result, folder, picture.bits, picture.alpha, photo.suffix)
    _OUT.print(f"{result!r} -> {folder}", soft_wrap=True)
    if picture.bits == 16:
        _OUT.print("16 bits a channel, as the photo")


@app.command()
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path("bigprior-demo"),
    preset: Preset = DEFAULT_PRESET,
    steps: Steps = None,
    seed: Seed = 0,
) -> None:
    """Denoise, colorize and inpaint a photograph that scikit-image carries (coffee, CC0), and show how it went."""
    with _working("loading"):
        from bigprior.evaluation.demo import run_demo
    table = Table("task", "mean phi", "dB measured", "dB prior", "dB restored", "seconds", title="bigprior demo")
    for row in run_demo(output, preset=preset, steps=steps, seed=seed, progress=_progress):
        decibels = [f"{row[k]:.2f}" for k in ("fidelity", "prior", "restored")]
        table.add_row(str(row["task"]), f"{row['mean_phi']:.2f}", *decibels, f"{row['seconds']:.1f}")
    _OUT.print(table)
    _OUT.print(f"pictures are in {output.resolve()}", soft_wrap=True)


@app.command()
def evaluate(
    name: Annotated[str, typer.Argument(help="What to measure; an unknown name lists the known ones.")],
    data: Annotated[Path, typer.Option(help="Folder of pictures.")],
    index: Annotated[str, typer.Option(help="Which of them, in the order of their names: A-B, both included.")] = "",
    preset: Annotated[
        str | None, typer.Option(help="A prior by name; by default the one that the measurement is about.")
    ] = None,
    steps: Steps = None,
    prior_dir: Annotated[
        Path | None, typer.Option(help="Priors computed elsewhere: one picture a measurement.")
    ] = None,
    phi: Annotated[Path | None, typer.Option(help="A phi network in place of the preset's.")] = None,
    vgg: Vgg = None,
    baselines: Annotated[
        str | None,
        typer.Option(help="Of a table: names with commas, or none; all that are installed and not slow by default."),
    ] = None,
    dncnn: Annotated[
        Path | None, typer.Option(help="Of a table: folder of dncnn-TASK.safetensors, as `train dncnn` makes them.")
    ] = None,
    set_name: Annotated[str, typer.Option("--set", help="What the pictures are called in the results.")] = "",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures to this file; a table can be resumed.")
    ] = None,
    lines: Annotated[
        Path | None, typer.Option(help="Scores of single pictures, kept and used again; by default beside --json.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for pictures or trainings; by default beside --json.")
    ] = None,
) -> None:
    """Measure a prior and a restorer on pictures whose truth is known."""
    with _working("loading"):
        from bigprior.atomic import write_text
        from bigprior.evaluation.protocols import Request, evaluation

        measure = evaluation(name)
        request = Request(
            data,
            _index(index),
            preset=preset,
            steps=steps,
            prior_dir=prior_dir,
            phi=phi,
            vgg=vgg,
            baselines=None if baselines is None else _baselines(baselines),
            dncnn=dncnn,
            lines=lines or (json_file.with_suffix(".jsonl") if json_file is not None else None),
            folder=output or (json_file.with_suffix("") if json_file is not None else None),
        )
    with _progress(name) as progress:
        results = measure(request, progress)
    if json_file is not None:
        write_text(json_file, json.dumps(results, indent=2) + "\n")
    _OUT.print(f"{name} {set_name}".strip(), style="bold")
    for line in _flat(results):
        _OUT.print(line, highlight=False)


@app.command()
def results(
    folder: Annotated[Path, typer.Argument(help="Where `evaluate TABLE --set SET --json TABLE-SET.json` wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page.")] = Path("results.md"),
) -> None:
    """Write one Markdown page of all tables, beside the paper's own rows."""
    from bigprior.evaluation.results import write_results

    shown = write_results(folder, output)
    _OUT.print(f"{', '.join(shown)} -> {output}", soft_wrap=True)


class Kind(StrEnum):
    """What a prior is made of."""

    gan = "gan"
    diffusion = "diffusion"


@train.command("prior")
def train_prior(
    data: Annotated[Path, typer.Option(help="Folder of training photographs.")],
    out: Annotated[Path, typer.Option(help="The run's folder; the same command again resumes it.")],
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
    given = {"alone": alone, "told": told, "luminance": luminance, "lr": lr}
    of_denoiser: dict[str, Any] = {name: v for name, v in given.items() if v is not None}
    of_other = {Kind.gan: list(of_denoiser), Kind.diffusion: [] if vgg is None else ["vgg"]}
    for name in of_other[kind]:
        other = Kind.diffusion if kind is Kind.gan else Kind.gan
        raise SettingsError(f"--{name} goes with --kind {other.value}, not {kind.value}: leave it out")
    with _working("loading"):
        if kind is Kind.gan:
            from bigprior.training.prior import PriorSettings
            from bigprior.training.prior import train_prior as train_gan

            train_it = partial(train_gan, settings=PriorSettings(**common), vgg=vgg)
        else:
            from bigprior.training.denoiser import DenoiserSettings, train_denoiser

            train_it = partial(train_denoiser, settings=DenoiserSettings(**common, **of_denoiser))
    _OUT.print(f"weights: {train_it(data, out, init=init)}", soft_wrap=True)


@train.command("phi")
def train_phi(
    task: Annotated[Task, typer.Option(help="Which task's network.")],
    data: Annotated[Path, typer.Option(help="Folder of pictures whose truth is known.")],
    out: Annotated[Path, typer.Option(help="The run's folder; the same command again resumes it.")],
    index: Annotated[str, typer.Option(help="Pictures to learn from: A-B, both included.")] = "0-199",
    validation: Annotated[str, typer.Option(help="Pictures to choose the weights on.")] = "200-249",
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
    with _working("loading"):
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
            steps=steps or (400 if of_bands else 3000),
            **options,
            batch=batch or (4 if of_bands else 16),
            crop_px=crop or (256 if of_bands else 64),
            lr=lr,
            seed=seed,
        )
    if prior_dir is not None:
        if task is not Task.colorize:
            raise SettingsError(f"--prior-dir goes with --task colorize, not {task.value}: leave it out")
        weights = train_phi_on_priors(data, prior_dir, _index(index), _index(validation), out, settings)
        _OUT.print(f"weights: {weights}", soft_wrap=True)
        return
    with _progress("inversions") as progress:
        weights = train_task_phi(
            task.degradation,
            data,
            _index(index),
            _index(validation),
            out,
            preset,
            settings,
            steps=inversion_steps,
            draws=draws,
            progress=progress,
        )
    _OUT.print(f"weights: {weights}", soft_wrap=True)


@train.command("encoder")
def train_encoder(
    data: Annotated[Path, typer.Option(help="Folder of training photographs.")],
    out: Annotated[Path, typer.Option(help="The run's folder; the same command again resumes it.")],
    preset: Annotated[str, typer.Option(help="Whose generator is inverted.")] = "rooms",
    codes: Annotated[int, typer.Option(help="Codes of the inversions that it begins.")] = 15,
    layer: Annotated[int, typer.Option(help="Their composing layer.")] = 6,
    kimg: Annotated[float, typer.Option(help="Thousands of pictures to see.")] = 10.0,
    precision: Precision = "fp32",
    seed: Seed = 0,
) -> None:
    """Train an encoder: the start of a frozen generator's inversions, from the measurement alone."""
    with _working("loading"):
        from bigprior.training.encoder import EncoderSettings
        from bigprior.training.encoder import train_encoder as train_it
        from bigprior.zoo import load_generator

        fields: dict[str, Any] = {"total_kimg": kimg, "precision": precision, "seed": seed}
        settings, generator = EncoderSettings(codes=codes, layer=layer, **fields), load_generator(preset)
    _OUT.print(f"weights: {train_it(data, generator, out, settings)}", soft_wrap=True)


@train.command("colourist")
def train_colourist(
    data: Annotated[Path, typer.Option(help="Folder of training photographs.")],
    out: Annotated[Path, typer.Option(help="The run's folder; the same command again resumes it.")],
    kimg: Annotated[float, typer.Option(help="Thousands of pictures to see.")] = 50.0,
    seed: Seed = 0,
) -> None:
    """Train a colourist: colours from what a frozen AlexNet sees in a grey picture, for a preset with a denoiser."""
    with _working("loading"):
        from bigprior.training.colourist import ColouristSettings
        from bigprior.training.colourist import train_colourist as train_it
    _OUT.print(f"weights: {train_it(data, out, ColouristSettings(total_kimg=kimg, seed=seed))}", soft_wrap=True)


@train.command("refiner")
def train_refiner(
    data: Annotated[Path, typer.Option(help="Folder of training photographs.")],
    out: Annotated[Path, typer.Option(help="The run's folder; the same command again resumes it.")],
    preset: Annotated[str, typer.Option(help="Whose denoiser's answers are refined.")] = DEFAULT_PRESET,
    pictures: Annotated[int, typer.Option(help="Photographs to learn from.")] = 400,
    kimg: Annotated[float, typer.Option(help="Thousands of crops to see.")] = 60.0,
    lr: Annotated[float, typer.Option(help="Peak step size; less to go on from trained weights.")] = 3e-3,
    init: Annotated[Path | None, typer.Option(help="Weights to start from.")] = None,
    seed: Seed = 0,
) -> None:
    """Train a refiner: a second look at what a denoiser answered, by similar patches, for a preset with a denoiser."""
    with _working("loading"):
        from bigprior.training.refiner import RefinerSettings
        from bigprior.training.refiner import train_refiner as train_it
        from bigprior.zoo import load_denoiser

        settings = RefinerSettings(pictures=pictures, total_kimg=kimg, lr=lr, seed=seed)
        denoiser = load_denoiser(preset)
    with _progress("photographs") as progress:
        weights = train_it(data, denoiser, out, settings, init=init, progress=progress)
    _OUT.print(f"weights: {weights}", soft_wrap=True)


@train.command("dncnn")
def train_dncnn(
    task: Annotated[Task, typer.Option(help="Which task's network.")],
    data: Annotated[Path, typer.Option(help="Folder of pictures whose truth is known.")],
    out: Annotated[Path, typer.Option(help="The run's folder; the same command again resumes it.")],
    index: Annotated[str, typer.Option(help="Pictures to learn from: A-B, both included.")] = "0-199",
    validation: Annotated[str, typer.Option(help="Pictures to choose the weights on.")] = "200-249",
    steps: Annotated[int, typer.Option(help="Training steps.")] = 360,
    crop: Annotated[int, typer.Option(help="Side of the random crops, in pixels.")] = 40,
    batch: Annotated[int, typer.Option(help="Crops a step.")] = 8,
    lr: Annotated[float, typer.Option(help="Peak step size.")] = 1e-3,
    seed: Seed = 0,
) -> None:
    """Train the paper's supervised competitor, which knows no prior, to stand beside ours in the tables."""
    with _working("loading"):
        from bigprior.training.dncnn import DnCNNSettings
        from bigprior.training.dncnn import train_dncnn as train_it

        settings = DnCNNSettings(task=task.degradation, steps=steps, crop_px=crop, batch=batch, lr=lr, seed=seed)
    weights = train_it(data, _index(index), _index(validation), out, settings)
    _OUT.print(f"weights: {weights}", soft_wrap=True)


@priors.command("list")
def list_priors() -> None:
    """Every preset with a line about it."""
    from bigprior.zoo import preset, preset_names

    table = Table("preset", "summary", "images seen", "licence")
    for name in preset_names():
        p = preset(name)
        table.add_row(p.name, p.summary, f"{p.images_seen:,}", p.licence)
    _OUT.print(table)


@priors.command("show")
def show_prior(name: Annotated[str, typer.Argument(help="A preset's name.")]) -> None:
    """All that is recorded of a preset, as JSON."""
    from bigprior.zoo import preset

    _OUT.print_json(preset(name).model_dump_json())


@priors.command("import")
def import_prior(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    network: Annotated[
        Path,
        typer.Argument(help="A Progressive GAN generator, .safetensors or .pth, or a denoiser that was trained here."),
    ],
    phi: Annotated[
        list[str] | None, typer.Option(help="TASK=FILE: a phi network; may be repeated, also for other frames.")
    ] = None,
    steps: Annotated[
        list[str] | None, typer.Option(help="TASK=N: steps of the inversion or the sampler; may be repeated.")
    ] = None,
    encoder: Annotated[Path | None, typer.Option(help="Of a generator: where its inversions begin.")] = None,
    colourist: Annotated[Path | None, typer.Option(help="Of a denoiser: what guesses colours beside it.")] = None,
    refiner: Annotated[Path | None, typer.Option(help="Of a denoiser: what takes a second look at noise.")] = None,
    into: Annotated[Path | None, typer.Option(help="Folder of presets; your own by default.")] = None,
    summary: Annotated[str | None, typer.Option(help="A line about it.")] = None,
    licence: Annotated[str | None, typer.Option(help="Terms of the weights.")] = None,
    trained_on: Annotated[str | None, typer.Option(help="The training data.")] = None,
) -> None:
    """Make a preset from weights of your own, or from the released Progressive GAN files."""
    from bigprior.importing import import_preset

    networks: dict[str, list[str]] = {}
    for task, file in _by_task("phi", phi):
        networks.setdefault(Task(task).degradation, []).append(file)
    counts = {Task(task).degradation: _count(text) for task, text in _by_task("steps", steps)}
    given = {"summary": summary, "licence": licence, "trained_on": trained_on}
    given = {k: v for k, v in given.items() if v is not None}
    folder = import_preset(
        name,
        network,
        phi=networks,
        encoder=encoder,
        colourist=colourist,
        refiner=refiner,
        into=into,
        steps=counts,
        **given,
    )
    _OUT.print(f"preset {name}: {folder}", soft_wrap=True)


def main() -> None:
    """Entry point: an error that bigprior raises on purpose, or a wrong option, is one line, and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except BigpriorError as error:
        code = _say(str(error), 2)
    except _UsageError as error:
        # Without a command the help itself has been shown, and there is nothing to add.
        code = _say(f"{error.format_message()} (see --help)", 2) if error.format_message() else 2
    except (KeyboardInterrupt, typer.Abort):
        code = _say("interrupted", 130)
    raise SystemExit(code)


def _say(message: str, code: int) -> int:
    print(f"bigprior: {' '.join(message.split())}", file=sys.stderr)
    return code


def _degradation(task: Task, mask: Any, sigma: float | None) -> Any:
    from bigprior.degradations import degradation

    if task is Task.inpaint:
        return degradation("inpainting", mask=mask)
    return degradation(task.degradation, **({"sigma": sigma / 255 if sigma else None} if task is Task.denoise else {}))


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


def _save(result: Restoration, folder: Path, bits: int, alpha: Any, suffix: str) -> None:
    from bigprior.report import save_restoration

    lossless = suffix.lower() if suffix.lower() in (".png", ".tif", ".tiff") else ".png"
    save_restoration(result, folder, bits=bits, alpha=alpha, suffix=lossless)


def _index(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    first, sign, last = text.partition("-")
    if not (sign and first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise SettingsError(f"index is {text!r}: expected A-B with A <= B, such as 200-249")
    return int(first), int(last)


def _by_task(option: str, items: list[str] | None) -> Iterator[tuple[str, str]]:
    for item in items or []:
        task, sign, value = item.partition("=")
        if not sign or task not in set(Task):
            raise SettingsError(f"--{option} is {item!r}: expected TASK=VALUE, TASK one of {', '.join(Task)}")
        yield task, value


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise SettingsError(f"steps are {text!r}: expected a whole number from 1 on")
    return int(text)


def _baselines(text: str) -> tuple[str, ...]:
    from bigprior.errors import UnknownNameError
    from bigprior.evaluation.baselines import BASELINES, DNCNN

    names = tuple(part for part in text.split(",") if part and part != "none")
    for name in names:
        if name not in (*BASELINES, DNCNN):
            raise UnknownNameError("baseline", name, [*BASELINES, DNCNN])
    return names


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise SettingsError(f"widths are {text!r}: expected whole numbers with commas, such as 24,48,96") from None


def _flat(results: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(results, dict):
        for name, value in results.items():
            yield from _flat(value, (*path, name))
    elif not isinstance(results, list):  # points of a plot are for the file
        yield f"{'.'.join(path)} = {results:.4f}" if isinstance(results, float) else f"{'.'.join(path)} = {results}"


@contextmanager
def _working(what: str) -> Iterator[None]:
    with _ERR.status(what) if _ERR.is_terminal else nullcontext():
        yield


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress("{task.description}", *columns, console=_ERR, transient=True, disable=not _ERR.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


__all__ = ["app", "main"]

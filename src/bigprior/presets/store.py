"""Named presets: a folder with ``preset.json`` and the weights that it names.

Some are embedded in the package; :mod:`bigprior.presets.importing` makes others, in the user's own folder.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from bigprior import DEFAULT_PRESET
from bigprior.degradations import DEGRADATIONS
from bigprior.errors import SettingsError, UnknownNameError, WeightsError
from bigprior.io.weights import read_tensors, read_weights, sha256
from bigprior.networks.colorizer import ColorizationNetwork
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.networks.encoder import CodeEncoder
from bigprior.networks.generators import architecture
from bigprior.networks.refiner import Refiner
from bigprior.phi import BandPhi, phi_network
from bigprior.priors.anysize import AnySize
from bigprior.priors.base import Prior
from bigprior.priors.diffusion import DiffusionPrior, DiffusionSettings
from bigprior.priors.gan import GANPrior, InversionSettings, paper_settings
from bigprior.restoration import Restorer
from bigprior.settings import Settings

#: The embedded preset of each kind. A preset without phi networks borrows those of its kind, which know such a prior.
EMBEDDED = {"generator": "rooms", "denoiser": "rooms-diffusion"}
#: How a preset's denoiser is asked where it does not say.
SAMPLING = DiffusionSettings(views=2, guess=0.6, saturation=1.2)
#: The networks that may stand beside a preset's generative one.
BESIDE: dict[str, Any] = {"encoder": CodeEncoder, "colorizer": ColorizationNetwork, "refiner": Refiner}
#: The architecture of presets that hold a denoiser; all others are generators.
DENOISER = "denoising-unet"


class Preset(Settings):
    """A prior by name: which weights, their SHA-256, what they were trained on, under what terms, what they score.

    Attributes:
        inversion: of a generator, settings by task; a task without any uses the defaults.
        sampling: of a denoiser, the same.
        scores: figures by name, each with the command that prints it in the model card.
    """

    name: str
    summary: str
    architecture: str
    licence: str
    trained_on: str
    images_seen: int = 0
    sha256: dict[str, str]
    inversion: dict[str, InversionSettings] = Field(default_factory=dict)
    sampling: dict[str, DiffusionSettings] = Field(default_factory=dict)
    scores: dict[str, float] = Field(default_factory=dict)

    @property
    def network(self) -> str:
        """What its generative network is: ``generator``, or ``denoiser``."""
        return "denoiser" if self.architecture == DENOISER else "generator"


def home() -> Path:
    """The user's own presets: ``$BIGPRIOR_HOME``, or ``~/.local/share/bigprior``."""
    return Path(os.environ.get("BIGPRIOR_HOME") or Path.home() / ".local" / "share" / "bigprior")


def preset_names() -> list[str]:
    """Every known preset, embedded or the user's own."""
    return sorted(
        {folder.name for root in _roots() if root.is_dir() for folder in root.iterdir() if _is_preset(folder)}
    )


def preset(name: str, *, own: bool = True) -> Preset:
    """The preset called ``name``; without ``own``, of the embedded ones alone.

    Raises:
        UnknownNameError: no such preset.
        WeightsError: its description cannot be read.
    """
    path = folder_of(name, own=own) / "preset.json"
    try:
        return Preset.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SettingsError) as error:
        raise WeightsError(f"{path} does not describe a preset ({str(error).splitlines()[0]})") from error


def folder_of(name: str, *, own: bool = True) -> Path:
    """Where the preset called ``name`` lives; the user's own come before the embedded ones, unless left out.

    Raises:
        UnknownNameError: no such preset.
    """
    for root in _roots(own):
        if _is_preset(root / name) and Path(name).name == name:
            return root / name
    raise UnknownNameError("preset", name, preset_names())


def load_generator(name: str) -> Any:
    """The frozen generator of a preset.

    Raises:
        UnknownNameError: no such preset.
        WeightsError: its weights are missing, or not the ones that it names; or it holds a denoiser.
    """
    tensors, _ = read_weights(_checked(name, "generator"))
    return architecture(preset(name).architecture).from_state_dict(tensors).requires_grad_(False).eval()


def load_denoiser(name: str) -> DenoisingUNet:
    """The frozen denoiser of a preset.

    Raises:
        UnknownNameError: no such preset.
        WeightsError: its weights are missing, or not the ones that it names; or it holds a generator.
    """
    tensors, header = read_weights(_checked(name, "denoiser"))
    network = DenoisingUNet.from_state_dict(tensors, header.get("network", {}))
    return network.requires_grad_(False).eval().to(memory_format=torch.channels_last)


def load_encoder(name: str) -> CodeEncoder | None:
    """The frozen encoder of a preset's generator; None if it has none.

    Raises:
        UnknownNameError: no such preset.
        WeightsError: its weights are missing, or not the ones that it names.
    """
    return _beside(name, "encoder")


def load_colorizer(name: str) -> ColorizationNetwork | None:
    """The frozen colorizer beside a preset's denoiser; None if it has none.

    Raises:
        UnknownNameError: no such preset.
        WeightsError: its weights are missing, or not the ones that it names.
    """
    return _beside(name, "colorizer")


def load_refiner(name: str) -> Refiner | None:
    """The frozen refiner beside a preset's denoiser; None if it has none.

    Raises:
        UnknownNameError: no such preset.
        WeightsError: its weights are missing, or not the ones that it names.
    """
    return _beside(name, "refiner")


def load_prior(
    name: str,
    task: str,
    *,
    steps: int | None = None,
    budget_s: float | None = None,
    paper: bool = False,
    vgg: Path | str | None = None,
) -> tuple[GANPrior | DiffusionPrior, str]:
    """A preset's prior with its settings for a task, at its own size, and a key of all it depends on.

    Args:
        name: of the preset.
        task: a degradation's name.
        steps: of the inversion or the sampler, in place of the preset's.
        budget_s: seconds that the inversion of one batch of pictures may take.
        paper: the paper's own settings in place of the preset's.
        vgg: local VGG-16 trunk, for the paper's perceptual loss.

    Raises:
        SettingsError: ``steps`` or ``budget_s`` is not positive; ``paper``, ``budget_s`` or ``vgg`` with a denoiser, or
            ``steps`` with one that answers at once.
    """
    if steps is not None and steps < 1:
        raise SettingsError(f"steps is {steps}: expected at least 1")
    if budget_s is not None and not budget_s > 0:
        raise SettingsError(f"budget is {budget_s} s: expected more than 0")
    described, update = preset(name), dict[str, Any]() if steps is None else {"steps": steps}
    if described.network == "denoiser":
        if paper:
            raise SettingsError(f"preset {name} holds a denoiser, which the paper does not invert: leave --paper out")
        if budget_s is not None:
            raise SettingsError(f"preset {name} holds a denoiser, which inverts nothing: leave --budget out")
        sampling = described.sampling.get(task, SAMPLING).model_copy(update=update)
        if steps is not None and sampling.sampler == "mean":
            raise SettingsError(f"preset {name} answers {task} at once: leave --steps out")
        if vgg is not None:
            raise SettingsError(f"preset {name} holds a denoiser, which no perceptual loss steers: leave --vgg out")
        colorizer = load_colorizer(name) if task == "colorization" else None
        refiner = load_refiner(name) if task == "denoising" else None
        parts = ["denoiser"] + [p for p, n in (("colorizer", colorizer), ("refiner", refiner)) if n is not None]
        key = "/".join([*(described.sha256[p] for p in parts), sampling.model_dump_json()])
        return DiffusionPrior(load_denoiser(name), sampling, colorizer=colorizer, refiner=refiner), key
    inversion = paper_settings(task) if paper else described.inversion.get(task, InversionSettings())
    inversion = inversion.model_copy(update=update | ({} if budget_s is None else {"budget_s": budget_s}))
    encoder = None if paper else load_encoder(name)
    if encoder is not None and not encoder.fits(inversion.codes, inversion.layer):
        encoder = None
    prior = GANPrior(load_generator(name), inversion, vgg=vgg, encoder=encoder)
    start = described.sha256["encoder"] if encoder is not None else "random"
    return prior, f"{described.sha256['generator']}/{start}/{inversion.model_dump_json()}"


def any_size(prior: GANPrior | DiffusionPrior, task: str) -> Prior:
    """A prior as it meets pictures of any size: a denoiser denoises them as they are, all else is placed."""
    if isinstance(prior, DiffusionPrior) and task == "denoising":
        return prior
    return AnySize(prior, prior.resolution)


def load_restorer(
    name: str = DEFAULT_PRESET,
    task: str = "denoising",
    *,
    steps: int | None = None,
    budget_s: float | None = None,
    paper: bool = False,
    vgg: Path | str | None = None,
    frame: str | None = None,
    rho: float | None = None,
    device: torch.device | str = "cpu",
) -> Restorer:
    """A restorer for pictures of any size.

    A preset without a phi network for ``task`` borrows that of an embedded one of its kind.

    Args:
        name, task, steps, budget_s, paper, vgg: as for :func:`load_prior`.
        frame: what to fuse in, a name in :data:`bigprior.frames.FRAMES`; by default what the preset was made for.
        rho: weight of what is made up, in place of the phi network's.

    Raises:
        SettingsError: the preset has no phi network for ``frame``, or ``rho`` is negative.
        UnknownNameError: no such preset or task.
        WeightsError: weights are missing or foreign.
    """
    if task not in DEGRADATIONS:
        raise UnknownNameError("task", task, list(DEGRADATIONS))
    if rho is not None and not rho >= 0:
        raise SettingsError(f"rho is {rho}: expected 0 or more")
    prior, _ = load_prior(name, task, steps=steps, budget_s=budget_s, paper=paper, vgg=vgg)
    described = preset(name)
    kind = described.network
    # The lender is the package's, even where a preset of the user's has its name.
    own = f"phi-{task}" in described.sha256
    lender = name if own else EMBEDDED[kind]
    part, network = _phi_for(lender, task, frame, own)
    weights = {kind: described.sha256[kind], "phi": preset(lender, own=own).sha256[part]}
    weights |= {p: described.sha256[p] for p in BESIDE if getattr(prior, p, None) is not None}
    provenance: dict[str, Any] = {
        "preset": name,
        "weights": weights,
        "inversion" if kind == "generator" else "sampling": prior.settings.model_dump(),
    }
    if isinstance(network, BandPhi):
        provenance["rho"] = network.rho if rho is None else rho
    return Restorer(any_size(prior, task), network, rho=rho, provenance=provenance).to(device)


def load_phi(path: Path | str) -> Any:
    """A phi network from a file that training wrote, or from one of the paper's released ``.pth`` files.

    Raises:
        WeightsError: neither.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        tensors, header = read_weights(path)
        if "kind" not in header:
            raise WeightsError(f"{path} is not a phi network: its header names no kind")
        try:
            network = phi_network(header["kind"], **header["network"])
        except (KeyError, TypeError) as error:
            raise WeightsError(f"{path} does not say how its phi network is built ({error})") from error
    else:
        tensors = {k.removeprefix("module.backbone."): v for k, v in read_tensors(path).items()}
        if "dncnn.0.weight" not in tensors:
            raise WeightsError(f"{path} is not one of the released phi networks: it has no tensor 'dncnn.0.weight'")
        network = phi_network("dncnn", channels_in=tensors["dncnn.0.weight"].shape[1], bounded=False)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(
            f"{path} does not fit a {type(network).__name__} ({str(error).splitlines()[-1].strip()})"
        ) from error
    return network.eval().requires_grad_(False)


def _phi_for(name: str, task: str, frame: str | None, own: bool) -> tuple[str, Any]:
    """The part of a preset that weighs a task's prior in a frame, and its network."""
    frames = dict[str, tuple[str, Any]]()
    for part in preset(name, own=own).sha256:
        if not part.startswith(f"phi-{task}"):
            continue
        network = load_phi(_checked(name, part, own))
        if frame in (None, network.frame):
            return part, network
        frames[network.frame] = (part, network)
    raise SettingsError(f"preset {name} has no {task} network for frame {frame!r}: it has {', '.join(sorted(frames))}")


def _beside(name: str, part: str) -> Any:
    """A preset's network beside the generative one, frozen; None if it has none."""
    if part not in preset(name).sha256:
        return None
    tensors, header = read_weights(_checked(name, part))
    return BESIDE[part].from_state_dict(tensors, header.get("network", {})).requires_grad_(False).eval()


def _roots(own: bool = True) -> list[Path]:
    """The folders of presets, with or without the user's."""
    return [home()] * own + [Path(str(files("bigprior") / "presets" / "data"))]


def _is_preset(folder: Path) -> bool:
    return (folder / "preset.json").is_file()


def _checked(name: str, part: str, own: bool = True) -> Path:
    path = folder_of(name, own=own) / f"{part}.safetensors"
    expected = preset(name, own=own).sha256.get(part)
    if expected is None:
        raise WeightsError(f"preset {name} has no {part}")
    if not path.is_file() or sha256(path) != expected:
        raise WeightsError(f"{path} is missing or is not the file that {name} names: import or install it again")
    return path

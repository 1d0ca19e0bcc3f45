"""Presets that hold a denoiser: the mean of what it knows, or samples of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt
from torch import Tensor, nn

from bigprior.degradations import DEGRADATIONS, Degradation
from bigprior.errors import SettingsError
from bigprior.networks.adapter import Adapter
from bigprior.networks.colorizer import ColorizationNetwork
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.networks.noise_estimator import NoiseEstimator
from bigprior.priors.anysize import for_any_size
from bigprior.priors.base import Prior
from bigprior.priors.compose import Blend, ByNoise, WithWhite
from bigprior.priors.continuing import Continuing
from bigprior.priors.diffusion import DiffusionPrior, DiffusionSettings
from bigprior.priors.feedforward import FeedForwardPrior
from bigprior.priors.holes import ByHole
from bigprior.priors.kinds.base import Built, Kind, Options
from bigprior.priors.ownrange import InOwnRange
from bigprior.priors.plugandplay import PlugAndPlaySettings
from bigprior.priors.turns import in_turns, said_of, takes_turns

#: Views a picture at the most where noise is not white: more is asked there than one denoiser.
_CAMERA_VIEWS = 2
_NETWORKS: dict[str, Any] = {
    "denoiser": DenoisingUNet,
    "general-denoiser": DenoisingUNet,
    "filler": Adapter,
    "noise": NoiseEstimator,
    "colorizer": ColorizationNetwork,
}


class DiffusionKindSettings(DiffusionSettings):
    """How a preset's networks are asked.

    Attributes:
        weight: where a colorization network guesses colours too: its share in them; the denoiser has the rest.
        saturation: the same: factor on the colours.
        strength: where noise is not white, the general denoiser is told of so many times as much as was found.
        thin_px: where a hole has no room for a square of more than so many pixels a side, it is filled smoothly; and
            scratches of up to 8 are, before the denoiser goes on with them; 0: nowhere.
        texture: of ``drawn``: which share of the detail that is known around wide holes their fillings get.
    """

    weight: float = Field(default=0.5, ge=0, le=1)
    saturation: NonNegativeFloat = 1.0
    strength: NonNegativeFloat = 1.0
    thin_px: NonNegativeInt = 0
    texture: float = Field(default=0.0, ge=0, le=1)


class DiffusionKind(Kind):
    """A denoiser; beside it, what makes it better at some tasks.

    A ``general-denoiser`` takes its place where noise is removed in one step, and ``noise`` finds noise that is not
    white, which that one is told of; a ``filler`` changes it for holes, and a ``colorizer`` guesses colours too.
    """

    network = "denoiser"
    beside: tuple[str, ...] = ("general-denoiser", "noise", "filler", "colorizer")

    def architectures(self) -> Iterable[str]:
        """That of the denoising U-Net."""
        return ("denoising-unet",)

    def load(self, part: str, architecture: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> nn.Module:
        """The denoiser, or what stands beside it."""
        network: nn.Module = _NETWORKS[part].from_state_dict(tensors, header.get("network", {}))
        network = network.requires_grad_(False).eval()
        return network.to(memory_format=torch.channels_last) if isinstance(network, DenoisingUNet) else network

    def defaults(self, parts: Iterable[str], steps: Mapping[str, int]) -> dict[str, dict[str, Any]]:
        """Two views a picture."""
        settings: dict[str, dict[str, Any]] = {}
        for task, physics in DEGRADATIONS.items():
            settings[task] = {"views": 2} | ({"steps": steps[task]} if task in steps else {})
            if physics.placement == "hole" and "filler" in parts:
                settings[task]["sampler"] = "drawn"  # what it has learned to change
        return settings

    def check(self, settings: Mapping[str, Any]) -> None:
        """How networks are asked."""
        DiffusionKindSettings(**settings)

    def build(
        self,
        preset: str,
        parts: Mapping[str, nn.Module],
        settings: Mapping[str, Any],
        physics: type[Degradation],
        options: Options,
    ) -> Built:
        """The denoiser, mixed with the colorization network where colours are lost."""
        for name, value, why in (
            ("paper", options.paper or None, "the paper does not invert"),
            ("budget", options.budget_s, "inverts nothing"),
            ("vgg", options.vgg, "no perceptual loss steers"),
        ):
            if value is not None:
                raise SettingsError(f"preset {preset} holds a denoiser, which {why}: leave --{name} out")
        if takes_turns(physics):
            return self._taking_turns(preset, parts, settings, physics, options)
        how = DiffusionKindSettings(**settings)
        if options.samples > 1 and how.sampler in ("mean", "drawn"):
            how = how.model_copy(update={"sampler": "posterior"})
        if options.steps is not None:
            if how.sampler in ("mean", "drawn"):
                raise SettingsError(f"preset {preset} answers {physics.name} in one step: leave --steps out")
            how = how.model_copy(update={"steps": options.steps})
        plain = DiffusionSettings(**how.model_dump(include=set(DiffusionSettings.model_fields)))
        if how.sampler == "mean" and physics.identity:
            prior, used, finder = _without_noise(parts, how, plain, physics)
        else:
            prior, used, finder = *_asked(parts, plain, physics), None
        if how.sampler == "mean" and physics.colours and "colorizer" in parts:
            colours = FeedForwardPrior(parts["colorizer"], views=how.views)
            prior = Blend(for_any_size(prior, physics.placement), colours, weight=how.weight, saturation=how.saturation)
            used.append("colorizer")
        if not physics.noisy:
            prior = InOwnRange(prior)
        if physics.placement == "hole":
            texture = how.texture if how.sampler == "drawn" else 0.0  # a sample has its own
            going_on = Continuing(parts["denoiser"], how.precision)
            prior = ByHole(prior, thin_px=how.thin_px, continuing=going_on, texture=texture)
        return Built(prior, tuple(used), how.model_dump(mode="json"), finder)

    def _taking_turns(
        self,
        preset: str,
        parts: Mapping[str, nn.Module],
        settings: Mapping[str, Any],
        physics: type[Degradation],
        options: Options,
    ) -> Built:
        """A denoiser, the one that the setting ``part`` names, in turns with measurements that weigh by themselves."""
        if options.samples > 1:
            raise SettingsError(f"preset {preset} gives one answer to {physics.name}: leave --samples out")
        own = {name: value for name, value in settings.items() if name in PlugAndPlaySettings.model_fields}
        how = PlugAndPlaySettings(**own | ({} if options.steps is None else {"steps": options.steps}))
        part = str(settings.get("part", self.network))
        if part not in parts:
            raise SettingsError(f"preset {preset} says part {part!r} of {physics.name}, but has none: leave it out")
        return Built(in_turns(parts[part], physics, how), (part,), said_of(physics, how))


def _without_noise(
    parts: Mapping[str, nn.Module], how: DiffusionKindSettings, plain: DiffusionSettings, physics: type[Degradation]
) -> tuple[Prior, list[str], Any]:
    """The prior that removes noise in one step, the parts that it is made of, and the one that finds noise."""
    general = "general-denoiser" if "general-denoiser" in parts else "denoiser"
    denoiser = DiffusionPrior(parts[general], plain)
    if not (physics.noisy and general != "denoiser" and "noise" in parts):
        return denoiser, [general], None
    few = plain.model_copy(update={"views": min(plain.views, _CAMERA_VIEWS)})
    camera, smaller = DiffusionPrior(parts[general], few), DiffusionPrior(parts["denoiser"], few)  # it errs elsewhere
    prior = ByNoise(denoiser, WithWhite(camera, smaller, strength=how.strength))
    return prior, [general, "denoiser", "noise"], parts["noise"]


def _asked(
    parts: Mapping[str, nn.Module], plain: DiffusionSettings, physics: type[Degradation]
) -> tuple[Prior, list[str]]:
    """The prior of all else, and the parts that it is made of."""
    network = parts["denoiser"]
    if plain.sampler == "drawn" and physics.placement == "hole" and "filler" in parts:
        filler: Any = parts["filler"]
        return DiffusionPrior(filler.adapted(network), plain), ["denoiser", "filler"]
    return DiffusionPrior(network, plain), ["denoiser"]

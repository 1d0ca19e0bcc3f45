"""Presets that hold a generator: it is inverted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from bigprior.degradations import Degradation
from bigprior.networks.encoder import CodeEncoder
from bigprior.networks.generators import GENERATORS
from bigprior.priors.gan import GANPrior, InversionSettings, paper_settings
from bigprior.priors.kinds.base import Built, Kind, Options


class GANKind(Kind):
    """A generator, and an encoder that its inversions begin at."""

    network = "generator"
    beside: tuple[str, ...] = ("encoder",)

    def architectures(self) -> Iterable[str]:
        """Every generator's."""
        return GENERATORS

    def load(self, part: str, architecture: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> nn.Module:
        """The generator or the encoder."""
        if part == "encoder":
            network: nn.Module = CodeEncoder.from_state_dict(tensors, header.get("network", {}))
        else:
            network = GENERATORS[architecture].from_state_dict(tensors)
        return network.requires_grad_(False).eval()

    def defaults(self, parts: Iterable[str], steps: Mapping[str, int]) -> dict[str, dict[str, Any]]:
        """So many steps; all else is the class's own, or the generator's."""
        return {task: {"steps": count} for task, count in steps.items()}

    def check(self, settings: Mapping[str, Any]) -> None:
        """Those of an inversion."""
        InversionSettings(**settings).check_optimizer()

    def build(
        self,
        preset: str,
        parts: Mapping[str, nn.Module],
        settings: Mapping[str, Any],
        physics: type[Degradation],
        options: Options,
    ) -> Built:
        """The generator's inversion; from the encoder's codes, if there is one for as many codes at this layer."""
        generator: Any = parts["generator"]
        own = {"layer": generator.cut} | dict(settings)
        inversion = paper_settings(physics) if options.paper else InversionSettings(**own)
        asked = {"steps": options.steps, "budget_s": options.budget_s}
        inversion = inversion.model_copy(update={name: value for name, value in asked.items() if value is not None})
        encoder: Any = parts["encoder"] if "encoder" in parts and not options.paper else None
        if encoder is not None and not encoder.fits(inversion.codes, inversion.layer):
            encoder = None
        prior = GANPrior(generator, inversion, vgg=options.vgg, encoder=encoder)
        used = ("generator",) if encoder is None else ("generator", "encoder")
        return Built(prior, used, inversion.model_dump(mode="json"))
